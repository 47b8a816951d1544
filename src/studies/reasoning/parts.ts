/** @file The parts of a study of reasoning: each model's rows and run, its answers, and the solutions that rules select from. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { readWhole } from "../../node/files/read.ts";
import type { RunOptions } from "../../node/training/run-config.ts";
import { runReasoning } from "../../reasoning/run-reasoning.ts";
import { parseStrategy } from "../../reasoning/strategies/strategies.ts";
import { readSettings, rolloutFolder } from "../../rollouts/rollout.ts";
import { sampleSolutions } from "../../rollouts/sample-solutions.ts";
import { createCodeRunner } from "../../sandbox/code-runner.ts";
import { baseId, type StudyFolder } from "../study-folder.ts";
import type { Part, PartEvents, PartList } from "../study-kind.ts";
import { findTunedModel, goOnAfter, type ModelChoice, tunedModel, tuneModel } from "../tuning.ts";
import { instructionOf, listModels, runOptionsOf, strategiesOf, type TunedModel } from "./models.ts";
import { type ReasoningConfig, sampledProblems } from "./options.ts";
import { rolloutsFolder, rowsFile, writeRows } from "./rows.ts";

/**
 * The base model's answers, and of each tuned model its run and its answers; before the first model that learns from them the samples of the one that
 * it begins with.
 */
export async function listReasoningParts(config: ReasoningConfig, folder: StudyFolder): Promise<PartList> {
  const models = listModels(config);
  const first = models.find(({ lesson }) => lesson === "rollouts");
  const ask = (name: string, id: string): Part => ({
    name: `${id}: reasoning`,
    ...(id !== baseId && { cell: id }),
    isDone: () => existsSync(join(answersFolder(folder, id), "results.json")),
    compute: (events) => askModel(config, folder, name, id, events),
  });
  return {
    cells: models.map(({ id }) => id),
    parts: [
      ask(baseId, baseId),
      ...models.flatMap((model): Part[] => [
        ...(model === first ? [sampling(config, folder, model)] : []),
        tuning(config, folder, model),
        ask(model.name, model.id),
      ]),
    ],
  };
}

/** Where a model's answers are: an ordinary run of `slimtune reason`. */
export function answersFolder({ path }: StudyFolder, id: string): string {
  return join(path, "reasoning", id);
}

function sampling(config: ReasoningConfig, folder: StudyFolder, { from }: TunedModel): Part {
  const out = rolloutsFolder(folder);
  return {
    name: `${from}: rollouts`,
    isDone: () => areSampled(out),
    async compute({ onProgress, signal }) {
      await sampleSolutions(
        {
          ...chooseModel(config, folder, from),
          ...writing(config),
          ...sampledProblems(config),
          n: config.samples,
          maxNewTokens: config.max_tokens,
          instruction: config.instruction,
          examples: config.examples,
          seed: config.seed,
          out,
          signal,
        },
        {
          onStage: onProgress,
          onProgress: ({ written, total, correct }) =>
            onProgress(`${written}/${total} solutions, ${correct} right`),
        },
      );
    },
  };
}

function areSampled(path: string): boolean {
  const { settings, rollouts } = rolloutFolder(path);
  const begun = readSettings(settings);
  const lines = readWhole(rollouts, { isOptional: true })?.toString("utf8").trimEnd().split("\n");
  return begun !== undefined && lines?.length === begun.problems * begun.n;
}

function tuning(config: ReasoningConfig, folder: StudyFolder, model: TunedModel): Part {
  const run = runOf(config, folder, model);
  return {
    name: `${model.id}: tuning`,
    cell: model.id,
    savesState: true,
    isDone: () => findTunedModel(run) !== undefined,
    async compute(events) {
      if (!existsSync(rowsFile(folder, model))) await writeRows(config, folder, model, events);
      await tuneModel(run, events);
    },
  };
}

/** The options of a model's run. */
export function runOf(config: ReasoningConfig, folder: StudyFolder, model: TunedModel): RunOptions {
  const { chat_template, date } = config;
  return {
    ...runOptionsOf(config, model),
    ...beginning(config, folder, model),
    data: rowsFile(folder, model),
    ...(chat_template !== undefined && { chat_template }),
    ...(date !== undefined && { date }),
    out: folder.run(model.id),
  };
}

/** The model, and perhaps the adapter, that a run begins with. */
function beginning(config: ReasoningConfig, folder: StudyFolder, { from }: TunedModel) {
  const before = listModels(config).find(({ id }) => id === from);
  return before ? goOnAfter(runOf(config, folder, before)) : { model: config.model };
}

/** @throws Error before the model's run is finished. */
function chooseModel(config: ReasoningConfig, folder: StudyFolder, id: string): ModelChoice {
  const model = listModels(config).find((one) => one.id === id);
  if (!model) return { model: config.model };
  return tunedModel(id, runOf(config, folder, model));
}

/** How models write. */
function writing({ bits, batch_size: batchSize, chat_template: chatTemplate, date }: ReasoningConfig) {
  return {
    batchSize,
    ...(bits !== undefined && { bits }),
    ...(chatTemplate !== undefined && { chatTemplate }),
    ...(date !== undefined && { date }),
  };
}

async function askModel(
  config: ReasoningConfig,
  folder: StudyFolder,
  name: string,
  id: string,
  { onProgress, signal }: PartEvents,
): Promise<void> {
  const strategies = strategiesOf(name, config);
  const began = performance.now();
  const runsCode = strategies.some((one) => parseStrategy(one, {}).runsCode);
  const runner = runsCode ? await createCodeRunner() : undefined;
  try {
    await runReasoning(
      {
        ...chooseModel(config, folder, id),
        ...writing(config),
        ...{ tasks: config.tasks, taskFiles: config.task_files, strategies, seed: config.seed },
        ...(config.limit !== undefined && { limit: config.limit }),
        ...(config.data_dir !== undefined && { dataDir: config.data_dir }),
        ...(runner && { runner }),
        maxTokens: config.max_tokens,
        temperature: config.temperature,
        topP: config.top_p,
        instruction: instructionOf(name, config),
        examples: config.examples,
        answerCue: config.answer_cue,
        out: answersFolder(folder, id),
        signal,
      },
      {
        onStage: onProgress,
        onProgress({ strategy, solved, total, tokens }) {
          const speed = tokens / ((performance.now() - began) / 1000);
          onProgress(`${strategy} ${solved}/${total}  ${speed.toFixed(0)} tokens/s`);
        },
      },
    );
  } finally {
    runner?.close();
  }
}
