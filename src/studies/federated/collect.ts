/** @file What the parts of a federated study found. */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { createAdaptation } from "../../core/adapters/methods.ts";
import { listParameters } from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { countParameters } from "../../core/architectures/modules.ts";
import { compare, type ScoreComparison, type ScoreName } from "../../evaluation/compare.ts";
import { type ClientModel, clientModelOf, trainingMultiplyAdds } from "../../federation/accounting.ts";
import { membershipAuc } from "../../federation/privacy/membership.ts";
import type { SimulatedRound } from "../../federation/simulate.ts";
import { readText } from "../../node/files/read.ts";
import { readJson } from "../../node/files/structured.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { resolveModel } from "../../node/models/hub-model.ts";
import { readMetrics } from "../../node/training/metrics-log.ts";
import { parseRunConfig, type RunOptions } from "../../node/training/run-config.ts";
import { readIdentity, runFolder } from "../../node/training/run-folder.ts";
import { averageOfSameItems, mean } from "../../statistics/estimates.ts";
import { describeItems } from "../grid/collect.ts";
import { isEvaluated } from "../grid/parts.ts";
import { chooseScore, findScore } from "../grid/task-scores.ts";
import { type StudyFolder, whyMissing } from "../study-folder.ts";
import type { Found } from "../study-kind.ts";
import { type FederatedCell, listFederatedCells } from "./cells.ts";
import { rowsPath } from "./division.ts";
import { localRuns } from "./local-tuning.ts";
import { readLosses } from "./losses.ts";
import { localModels, modelsOf } from "./models.ts";
import { asGrid, type FederatedConfig } from "./options.ts";
import type { FederatedCellResult, FederatedResults, FederatedRound } from "./results.ts";
import { compareWays, summarizeWays } from "./ways.ts";

export async function collectFederated(
  config: FederatedConfig,
  folder: StudyFolder,
): Promise<Found<FederatedResults>> {
  const checkpoint = await openCheckpoint(await resolveModel(config.model));
  checkpoint.close();
  const listed = await listFederatedCells(config, folder);
  const tasks = await collectTasks(config, folder);
  const cells: FederatedCellResult[] = [];
  for (const cell of listed) cells.push(await collectCell(config, cell, tasks, checkpoint.config, folder));
  const rows = readText(rowsPath(folder));
  const ways = summarizeWays(cells, config);
  const tasksCompared = tasks.map(({ name: task, metric, filter }) => ({ task, metric, filter }));
  return {
    model: {
      name: config.model,
      sha256: fingerprintOf(config, listed, folder),
      parameters: countParameters(checkpoint.config),
    },
    data: { rows: rows.split("\n").length - 1, sha256: createHash("sha256").update(rows).digest("hex") },
    tasks,
    divisions: listed
      .filter(({ way }) => way === "base")
      .map(({ division: { partition, seed, clients } }) => ({
        ...{ partition, seed },
        clients: clients.map(({ client, rows, heldOutRows, classes }) => ({
          ...{ client, rows, heldOutRows, classes },
        })),
      })),
    cells,
    ways,
    comparisons: [...compareWays(cells), ...(await compareScores(cells, tasksCompared, folder))],
    notes: [
      ...(tasks.length > 0 ? describeItems(asGrid(config)) : []),
      "Clients take turns on one machine, so that nothing is said of the time that a federation takes. Times of communication are modelled: measured bytes over the rate of a line, without latency.",
      `“Central” is tuned on the rows of all clients with as many steps as one client does in all rounds (${config.rounds} × ${config.run.max_steps}), so that it sees as many rows as one client and not as all together; “alone” is each client with as many steps on its own rows. Both begin each round as clients do, with the optimizer’s moments at zero.`,
      config.seeds.length > 1
        ? "Intervals of losses are over the clients of all seeds, as if these were independent, though those of one seed share a model. They are not adjusted for their number."
        : "With one seed, intervals are over the clients alone: what another seed would change is not in them. They are not adjusted for their number.",
    ],
  };
}

type Task = FederatedResults["tasks"][number];

async function collectTasks(config: FederatedConfig, folder: StudyFolder): Promise<Task[]> {
  if (config.tasks.length === 0) return [];
  const { scores } = await compare(folder.base, folder.base);
  return config.tasks.map((name) => {
    const chosen = chooseScore(name, scores, config);
    const { before, items, higherIsBetter, inPoints } = findScore(scores, chosen)!;
    const { metric, filter } = chosen;
    return { name, metric, filter, higherIsBetter, inPoints, items, base: before };
  });
}

async function collectCell(
  config: FederatedConfig,
  cell: FederatedCell,
  tasks: readonly Task[],
  model: ModelConfig,
  folder: StudyFolder,
): Promise<FederatedCellResult> {
  const { id, way, exchange, division } = cell;
  const { partition, seed } = division;
  const described = { id, way, partition, seed };
  const losses = readLosses(folder, id);
  const models = modelsOf(config, cell, folder);
  const areEvaluated = tasks.length === 0 || models.every((one) => isEvaluated(folder, one.id));
  const error = whyMissing(folder, id, losses !== undefined && areEvaluated);
  if (error !== undefined || !losses) return { ...described, error: error! };
  const [run] = localRuns(config, "DATA", seed, "OUT");
  const tuning = { ...run, ...exchange?.tuning };
  const adaptation = createAdaptation(parseRunConfig(tuning, "The study"), model);
  const client = clientModelOf(model, listParameters(model, adaptation));
  const membership = losses.membership && membershipAuc(losses.membership.members, losses.membership.others);
  const chosen = tasks.map(({ name: task, metric, filter }) => ({ task, metric, filter }));
  const compared = await Promise.all(
    models.map(async ({ id }) =>
      chosen.length > 0 ? (await compare(folder.base, folder.evaluation(id), { scores: chosen })).scores : [],
    ),
  );
  return {
    ...described,
    trained: way === "base" ? 0 : client.trained,
    rounds: exchange
      ? federatedRounds(folder.run(id))
      : localRounds(config, cell, losses.rounds, client, folder),
    ...(membership && { membership }),
    ...(compared.length > 0 && { scores: averageScores(chosen, compared) }),
  };
}

function averageScores(
  chosen: readonly ScoreName[],
  compared: readonly (readonly ScoreComparison[])[],
): NonNullable<FederatedCellResult["scores"]> {
  return Object.fromEntries(
    chosen.map((name) => {
      const ofModels = compared.map((scores) => findScore(scores, name)!);
      const average = (of: "after" | "difference") => averageOfSameItems(ofModels.map((one) => one[of]));
      return [name.task, { score: average("after"), difference: average("difference") }];
    }),
  );
}

const simulatedRounds = z.array(z.custom<SimulatedRound>((value) => typeof value === "object"));

function federatedRounds(out: string): FederatedRound[] {
  const path = join(out, "rounds.json");
  return readJson(path, simulatedRounds, "remove it and run the study again").map((one) => {
    const { heldOutLoss, sentBytes, receivedBytes, formulaBytes, work, figures } = one;
    const { aggregation_error } = figures;
    const computed = Object.values(work).map(({ multiplyAdds }) => multiplyAdds);
    return {
      ...{ heldOutLoss, sentBytes, receivedBytes, formulaBytes },
      multiplyAdds: computed.length > 0 ? mean(computed) : 0,
      ...(aggregation_error !== undefined && { aggregationError: aggregation_error }),
    };
  });
}

/** Of what was tuned in one place, where nothing is sent, or not at all. */
function localRounds(
  config: FederatedConfig,
  cell: FederatedCell,
  losses: readonly Readonly<Record<string, number>>[],
  model: ClientModel,
  folder: StudyFolder,
): FederatedRound[] {
  const nothing = { sentBytes: 0, receivedBytes: 0, formulaBytes: { up: 0, down: 0 } };
  const models = localModels(config, cell, folder);
  const computed = (round: number) =>
    mean(models.map(({ runs }) => trainingMultiplyAdds(model, tokensOf(runs[round - 1]!))));
  return losses.map((heldOutLoss, round) => ({
    ...{ heldOutLoss, ...nothing, multiplyAdds: round > 0 ? computed(round) : 0 },
  }));
}

function tokensOf({ out }: RunOptions): number {
  return readMetrics(runFolder(out).metrics).reduce(
    (sum, line) => sum + ("tokens" in line ? Number(line.tokens) : 0),
    0,
  );
}

/** Of the ways whose models are single ones, each against each of the same seed, on the same items. */
async function compareScores(
  cells: readonly FederatedCellResult[],
  chosen: readonly ScoreName[],
  folder: StudyFolder,
): Promise<FederatedResults["comparisons"]> {
  if (chosen.length === 0) return [];
  const compared = cells.filter(({ way, scores }) => scores && way !== "base" && way !== "alone");
  const found = new Map<string, { readonly pair: Pair; readonly scores: ScoreComparison[] }>();
  for (const [i, one] of compared.entries()) {
    for (const other of compared.slice(0, i)) {
      if (one.partition !== other.partition || one.seed !== other.seed) continue;
      const pair = { partition: one.partition, way: one.way, against: other.way };
      const key = JSON.stringify(pair);
      const { scores } = await compare(folder.evaluation(other.id), folder.evaluation(one.id), {
        scores: chosen,
      });
      found.set(key, { pair, scores: [...(found.get(key)?.scores ?? []), ...scores] });
    }
  }
  return [...found.values()].flatMap(({ pair, scores }) =>
    chosen.map(({ task }) => ({
      ...pair,
      quantity: task,
      difference: averageOfSameItems(
        scores.filter((score) => score.task === task).map(({ difference }) => difference),
      ),
    })),
  );
}

type Pair = Pick<FederatedResults["comparisons"][number], "partition" | "way" | "against">;

/** SHA-256 of the model, as the first of the runs on one place recorded it. */
function fingerprintOf(
  config: FederatedConfig,
  cells: readonly FederatedCell[],
  folder: StudyFolder,
): string {
  const runs = cells
    .flatMap((cell) => localModels(config, cell, folder))
    .flatMap((model) => model.runs)
    .map(({ out }) => runFolder(out));
  const begun = runs.find(({ inputs }) => existsSync(inputs));
  return begun ? readIdentity(begun).modelFingerprint : "";
}
