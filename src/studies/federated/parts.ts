/** @file The parts of a federated study: tuning in each way, the losses of each model, and its scores. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { simulateFederation } from "../../federation/simulate.ts";
import { parseRunConfig, type RunOptions } from "../../node/training/run-config.ts";
import { gridParts } from "../grid/parts.ts";
import { createWorkload } from "../grid/workload.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { Part, PartEvents, PartList, Work } from "../study-kind.ts";
import { findTunedModel, type ModelChoice } from "../tuning.ts";
import { type FederatedCell, listFederatedCells } from "./cells.ts";
import { divisionOptions, rowsPath } from "./division.ts";
import { publicRowsOf, taskOf, unreadRows } from "./frameworks.ts";
import { localRuns, tuneInRounds } from "./local-tuning.ts";
import { lossesPart } from "./losses.ts";
import { type CellModel, localModels, modelsOf } from "./models.ts";
import { asGrid, type FederatedConfig, ownOptions, tuningOptions } from "./options.ts";

/** Rounds never go on without a client: all are on this machine, and a study may be left for long. */
const patienceSeconds = 1e9;

export async function listFederatedParts(config: FederatedConfig, folder: StudyFolder): Promise<PartList> {
  const cells = await listFederatedCells(config, folder);
  const { baseEvaluation, evaluation } = gridParts(asGrid(config), folder);
  const { tuning } = createWorkload(asGrid(config));
  const workOf = (runs: readonly RunOptions[]): Work => ({
    type: "tuning",
    flops: async () => runs.length * (await tuning({ ...runs[0]!, data: rowsPath(folder) })),
  });
  const isEvaluated = config.tasks.length > 0;
  return {
    cells: cells.map(({ id }) => id),
    parts: [
      ...(isEvaluated ? [baseEvaluation()] : []),
      ...cells.flatMap((cell): Part[] => [
        ...tuningParts(config, cell, folder, workOf),
        lossesPart(config, cell, folder),
        ...(isEvaluated
          ? modelsOf(config, cell, folder).map((model) => ({
              ...evaluation(model.id, () => chooseModel(config, cell, model)),
              cell: cell.id,
            }))
          : []),
      ]),
    ],
  };
}

function tuningParts(
  config: FederatedConfig,
  cell: FederatedCell,
  folder: StudyFolder,
  workOf: (runs: readonly RunOptions[]) => Work,
): Part[] {
  const common = { cell: cell.id, isIndependent: true, savesState: true } as const;
  if (cell.exchange) {
    const { division } = cell;
    const runs = division.clients.flatMap(({ data }) => localRuns(config, data, division.seed, ""));
    const part: Part = {
      ...{ ...common, name: `${cell.id}: federation`, work: workOf(runs) },
      isDone: () => existsSync(join(folder.run(cell.id), "adapter")),
      compute: (events) => simulate(config, cell, folder, events),
    };
    return [part];
  }
  return localModels(config, cell, folder).map(({ client, runs }) => ({
    ...{ ...common, work: workOf(runs) },
    name: `${client === undefined ? cell.id : `${cell.id}, ${client}`}: tuning`,
    isDone: () => findTunedModel(runs.at(-1)!) !== undefined,
    compute: (events) => tuneInRounds(runs, events),
  }));
}

/** A model of a cell, as it is opened. */
function chooseModel(
  config: FederatedConfig,
  { division }: FederatedCell,
  { adapter }: CellModel,
): ModelChoice {
  const { model, storage } = parseRunConfig(localRuns(config, "DATA", division.seed, "OUT")[0], "The study");
  return { model, adapter, storage };
}

async function simulate(
  config: FederatedConfig,
  { id, exchange, division: { partition, seed } }: FederatedCell,
  folder: StudyFolder,
  { onProgress, signal }: PartEvents,
): Promise<void> {
  const publicRows = exchange!.task.framework === "kd" ? await publicRowsOf(config) : unreadRows;
  try {
    await simulateFederation(
      {
        task: taskOf(exchange!, tuningOptions(config, seed), publicRows),
        publicRows: config.public,
        own: ownOptions(config, rowsPath(folder)),
        rounds: {
          ...{ rounds: config.rounds, client_share: 1, sampling: "fixed", quorum: 1, seed },
          ...{ join_seconds: patienceSeconds, deadline_seconds: patienceSeconds },
        },
        division: divisionOptions(config, partition, seed),
        out: folder.run(id),
      },
      { signal, onStage: onProgress },
    );
  } catch (error) {
    // What it has is kept, and it goes on with that.
    if (!signal.aborted) throw error;
  }
}
