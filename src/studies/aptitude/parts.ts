/** @file The parts of a study of aptitude: pairs, anchors, aptitudes; of each model its run and its answers. */

import { existsSync } from "node:fs";
import type { RunOptions } from "../../node/training/run-config.ts";
import { runReasoning } from "../../reasoning/run-reasoning.ts";
import { createCodeRunner } from "../../sandbox/code-runner.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { Part, PartEvents, PartList } from "../study-kind.ts";
import { findTunedModel, goOnAfter, type ModelChoice, tunedModel, tuneModel } from "../tuning.ts";
import { anchorsFile, chooseAnchors } from "./anchors.ts";
import { type Asking, aptitudesFile, measureAptitudes } from "./aptitudes.ts";
import { answersFolder, bestDecision, heldOutFolder, isAnswered } from "./choice.ts";
import { chosenId, listModels, runOptionsOf, type TunedModel, warmUpId } from "./models.ts";
import { type AptitudeConfig, tasksOf } from "./options.ts";
import { pairsFile, readPairs, writePairs } from "./pairs.ts";
import { rowsFile, writeRows, writeWarmUp } from "./rows.ts";

/**
 * What is known of the queries; then of each model its run, and its answers to the tasks, or, of decisions, to the held-out problems. Random
 * choices come last, since they are as large as the best decision's.
 */
export async function listAptitudeParts(config: AptitudeConfig, folder: StudyFolder): Promise<PartList> {
  const models = listModels(config);
  const of = (by: TunedModel["lesson"]["by"]) => models.filter(({ lesson }) => lesson.by === by);
  const tuneAndAsk = (model: TunedModel) => [
    tuning(config, folder, model),
    answering(config, folder, model.id, () => model),
  ];
  const decisions = of("aptitude");
  return {
    cells: [...models.map(({ id }) => id), chosenId],
    parts: [
      {
        name: "pairs",
        isDone: () => existsSync(pairsFile(folder)),
        compute: (events) => writePairs(config, folder, events),
      },
      ...(config.warm_up > 0 ? [warmUp(config, folder)] : []),
      {
        name: "anchors",
        isDone: () => existsSync(anchorsFile(folder)),
        compute: (events) => chooseAnchors(config, folder, events),
      },
      {
        name: "aptitudes",
        isDone: () => existsSync(aptitudesFile(folder)),
        compute: ({ onProgress, signal }) =>
          withAsking(config, base(config, folder), signal, (asking) =>
            measureAptitudes(config, folder, asking, onProgress),
          ),
      },
      ...of("manner").flatMap(tuneAndAsk),
      ...decisions.flatMap((model) => [
        tuning(config, folder, model),
        ...(decisions.length > 1 ? [comparing(config, folder, model)] : []),
      ]),
      answering(config, folder, chosenId, () => bestDecision(config, folder)),
      ...of("chance").flatMap(tuneAndAsk),
    ],
  };
}

function warmUp(config: AptitudeConfig, folder: StudyFolder): Part {
  const run = warmUpRun(config, folder);
  return {
    name: `${warmUpId}: tuning`,
    savesState: true,
    isDone: () => findTunedModel(run) !== undefined,
    async compute(events) {
      if (!existsSync(run.data)) await writeWarmUp(config, folder);
      await tuneModel(run, events);
    },
  };
}

function tuning(config: AptitudeConfig, folder: StudyFolder, model: TunedModel): Part {
  const run = runOf(config, folder, model);
  return {
    name: `${model.id}: tuning`,
    cell: model.id,
    savesState: true,
    isDone: () => findTunedModel(run) !== undefined,
    async compute(events) {
      if (!existsSync(run.data)) await writeRows(config, folder, model);
      await tuneModel(run, events);
    },
  };
}

function answering(
  config: AptitudeConfig,
  folder: StudyFolder,
  id: string,
  findModel: () => TunedModel,
): Part {
  const out = answersFolder(folder, id);
  return {
    name: `${id}: reasoning`,
    cell: id,
    isDone: () => isAnswered(out),
    compute: (events) => askModel(config, folder, findModel(), { tasks: tasksOf(config), out }, events),
  };
}

/** A decision's model on the held-out problems. */
function comparing(config: AptitudeConfig, folder: StudyFolder, model: TunedModel): Part {
  const out = heldOutFolder(folder, model);
  return {
    name: `${model.id}: held-out problems`,
    cell: model.id,
    isDone: () => isAnswered(out),
    compute(events) {
      const problems = readPairs(folder).heldOut.map((pair) => ({ ...pair, task: "held-out" }));
      return askModel(config, folder, model, { tasks: [problems], out }, events);
    },
  };
}

/** The options of a model's run. */
export function runOf(config: AptitudeConfig, folder: StudyFolder, model: TunedModel): RunOptions {
  return {
    ...runFor(config, folder, model.id),
    ...(config.warm_up > 0 ? goOnAfter(warmUpRun(config, folder)) : { model: config.model }),
  };
}

function warmUpRun(config: AptitudeConfig, folder: StudyFolder): RunOptions {
  return { ...runFor(config, folder, warmUpId), model: config.model };
}

function runFor(config: AptitudeConfig, folder: StudyFolder, id: string) {
  const { chat_template, date } = config;
  return {
    ...runOptionsOf(config, id),
    data: rowsFile(folder, { id }),
    ...(chat_template !== undefined && { chat_template }),
    ...(date !== undefined && { date }),
    out: folder.run(id),
  };
}

/** The model whose aptitudes are measured, and with which all others begin. */
function base(config: AptitudeConfig, folder: StudyFolder): ModelChoice {
  if (config.warm_up === 0) return { model: config.model };
  return tunedModel(warmUpId, warmUpRun(config, folder));
}

/** Asks a model, which may answer in words or run programs. */
async function askModel(
  config: AptitudeConfig,
  folder: StudyFolder,
  model: TunedModel,
  problems: Pick<Parameters<typeof runReasoning>[0], "tasks" | "out">,
  { onProgress, signal }: PartEvents,
): Promise<void> {
  const choice = tunedModel(model.id, runOf(config, folder, model));
  await withAsking(config, choice, signal, async (asking) => {
    await runReasoning(
      { ...asking, ...problems, strategies: ["tir"] },
      { onStage: onProgress, onProgress: ({ solved, total }) => onProgress(`${solved}/${total} problems`) },
    );
  });
}

/** Gives what a run of reasoning needs, and a runner of code for as long as it takes. */
async function withAsking(
  config: AptitudeConfig,
  choice: ModelChoice,
  signal: AbortSignal,
  ask: (asking: Asking) => Promise<void>,
): Promise<void> {
  const { bits, chat_template: chatTemplate, date, limit, data_dir: dataDir } = config;
  const runner = await createCodeRunner();
  try {
    await ask({
      ...choice,
      ...(bits !== undefined && { bits }),
      ...(chatTemplate !== undefined && { chatTemplate }),
      ...(date !== undefined && { date }),
      ...(limit !== undefined && { limit }),
      ...(dataDir !== undefined && { dataDir }),
      batchSize: config.batch_size,
      taskFiles: config.task_files,
      seed: config.seed,
      maxTokens: config.max_tokens,
      instruction: config.instruction,
      runner,
      signal,
    });
  } finally {
    runner.close();
  }
}
