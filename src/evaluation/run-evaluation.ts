/** @file An evaluation from start to end: model, tasks, the folder that it is kept in, and its results. */

import { InputError } from "../core/errors.ts";
import { watchResources } from "../node/efficiency/resource-watch.ts";
import { withLock } from "../node/files/lock.ts";
import { remove } from "../node/files/write.ts";
import { openAnswerLog } from "./answer-log.ts";
import { cachedModel } from "./cached-model.ts";
import type { DemonstrationSelector, OpenSelector } from "./demonstration-selector.ts";
import { type Evaluation, type EvaluationProgress, evaluate } from "./evaluate.ts";
import { type AskingOptions, openModelToAsk } from "./open-model-to-ask.ts";
import {
  answerCache,
  defaultFolder,
  identifyEvaluation,
  isBegun,
  type OutputFolder,
  openOutputFolder,
  recordedDate,
  writeResults,
} from "./output-folder.ts";
import { prepareTasks } from "./prepare.ts";
import { describeResults, type EvaluationSettings, type Results } from "./results.ts";
import { describeSample, hash, type SampleLine } from "./samples.ts";
import { parseServerAddress } from "./server-address.ts";
import { type ShardWorkers, shardedModel } from "./shards/sharded-model.ts";
import { readMachines } from "./shards/shards-folder.ts";
import type { PreparedTask } from "./task.ts";
import { loadTasks, type TaskRegistry } from "./tasks/registry.ts";

export interface EvaluationOptions extends AskingOptions {
  /** Names of tasks and groups. */
  readonly tasks: readonly string[];
  /** YAML files of further tasks. */
  readonly taskFiles?: readonly string[];
  /** Where the names are found. Default: the built-in tasks and those of `taskFiles`. */
  readonly registry?: TaskRegistry;
  /** Only so many items of each task, the first ones. */
  readonly limit?: number;
  /** Examples before each item. Default: each task's own number. */
  readonly numFewshot?: number;
  /** Chooses the examples of each item, or makes what does from the model that is asked. Default: they are drawn as the harness draws them. */
  readonly fewshotBy?: DemonstrationSelector | OpenSelector;
  /** Whether prompts are conversations in the model's chat template. Default false. */
  readonly applyChatTemplate?: boolean;
  /** Default: that of the folder's evaluation, or today. */
  readonly date?: string;
  /** Whether examples are turns of the conversation. Default: as `applyChatTemplate`. */
  readonly fewshotAsMultiturn?: boolean;
  readonly systemInstruction?: string;
  /** Of the draws of examples. Default 1234. */
  readonly seed?: number;
  /** Folder with the datasets as files. Default: they come from the Hub. */
  readonly dataDir?: string;
  /** Folder of the evaluation. Default: one below runs/, named by the model and a hash of all that decides the answers. */
  readonly out?: string;
  /** Whether answers of the same model are kept for other evaluations and taken from them. Default true. */
  readonly cache?: boolean;
  /** Who answers, in shards. Default: this process. */
  readonly workers?: ShardWorkers;
}

export interface EvaluationPlan {
  readonly folder: string;
  readonly tasks: readonly PreparedTask[];
  /** The day that the prompts name, if they name one. */
  readonly date?: string;
}

export interface EvaluationRunEvents {
  readonly onStage?: (stage: string) => void;
  /** Called before the first request; from now on the evaluation can be interrupted and resumed. */
  readonly onPlan?: (plan: EvaluationPlan) => void;
  readonly onProgress?: (
    progress: EvaluationProgress & {
      /** Tokens computed so far. */
      readonly tokens: number;
    },
  ) => void;
}

export interface EvaluationOutcome {
  readonly folder: OutputFolder;
  readonly evaluation: Evaluation;
  readonly results: Results;
  /** Each task's items, by filter. */
  readonly samples: ReadonlyMap<string, readonly SampleLine[]>;
}

/**
 * Evaluates a model and writes the results into a folder. An evaluation that was interrupted, however it was, goes on
 * where it stopped if it is run again with the same folder.
 *
 * @throws InputError if the model, the adapter, a task or an option cannot be used, or the folder holds another
 *   evaluation.
 * @example
 * const { results, folder } = await runEvaluation(
 *   { model: "HuggingFaceTB/SmolLM2-135M", adapter: "runs/math/adapter", tasks: ["gsm8k"], limit: 200 },
 *   { onProgress: ({ answered, total }) => console.log(`${answered} of ${total}`) },
 * );
 * console.log(results.results.gsm8k, folder.path);
 */
export async function runEvaluation(
  options: EvaluationOptions,
  events: EvaluationRunEvents = {},
): Promise<EvaluationOutcome> {
  const startedAt = new Date();
  const { applyChatTemplate = false, seed = 1234 } = options;
  const { fewshotAsMultiturn = applyChatTemplate } = options;
  if (fewshotAsMultiturn && !applyChatTemplate) {
    throw new InputError("Examples can be turns of a conversation only if the chat template is applied.");
  }
  if (options.chatTemplate !== undefined && !applyChatTemplate) {
    throw new InputError("A chat template was given, but none is applied; add --apply-chat-template.");
  }
  if (options.workers && parseServerAddress(options.model)) {
    throw new InputError(
      `The server of ${options.model} is asked by one process alone, several requests at a time; leave the workers out.`,
    );
  }
  const registry = options.registry ?? loadTasks(options.taskFiles);
  // Unknown names are told before the model is read.
  registry.select(options.tasks);

  events.onStage?.("reading the model");
  const recorded = options.date ?? recordedDate(options.out);
  const opened = await openModelToAsk(
    { ...options, ...(recorded !== undefined && { date: recorded }) },
    applyChatTemplate,
  );
  const { model, identity, date } = opened;
  try {
    events.onStage?.("preparing the tasks");
    const fewshotBy =
      typeof options.fewshotBy === "function"
        ? options.fewshotBy({ model: opened.base, languageModel: model })
        : options.fewshotBy;
    const { tasks, groups } = await prepareTasks(
      options.tasks,
      {
        seed,
        fewshotAsMultiturn,
        maxLength: model.maxLength,
        ...(fewshotBy && { fewshotBy }),
        onChoosing: (task, done, total) =>
          events.onStage?.(`choosing examples of ${task}: text ${done} of ${total}`),
        ...(options.numFewshot !== undefined && { numFewshot: options.numFewshot }),
        ...(options.limit !== undefined && { limit: options.limit }),
        ...(applyChatTemplate && { applyChatTemplate: model.applyChatTemplate }),
        ...(options.systemInstruction !== undefined && { systemInstruction: options.systemInstruction }),
        ...(options.dataDir !== undefined && { dataDir: options.dataDir }),
      },
      registry,
    );
    const settings: EvaluationSettings = {
      limit: options.limit ?? null,
      num_fewshot: options.numFewshot ?? null,
      apply_chat_template: applyChatTemplate,
      fewshot_as_multiturn: fewshotAsMultiturn,
      system_instruction: options.systemInstruction ?? null,
      fewshot_seed: seed,
      ...(fewshotBy && { fewshot_by: fewshotBy.name }),
      ...(options.chatTemplate !== undefined && { chat_template_sha: hash(options.chatTemplate) }),
      ...(date !== undefined && { date }),
    };
    const evaluationIdentity = identifyEvaluation(identity, settings, tasks);
    const out = options.out ?? defaultFolder(identity, evaluationIdentity);
    isBegun(out, evaluationIdentity);
    return await withLock(out, "evaluation", async () => {
      const folder = openOutputFolder(out, evaluationIdentity);
      events.onPlan?.({ folder: folder.path, tasks, ...(date !== undefined && { date }) });

      const log = openAnswerLog(folder.answers);
      const isCached = options.cache !== false && opened.isFixed;
      const cache = isCached ? openAnswerLog(answerCache(evaluationIdentity)) : undefined;
      const sharded =
        options.workers &&
        shardedModel(opened.local!, {
          identity,
          batchSize: options.batchSize,
          folder: folder.shards,
          workers: options.workers,
          ...(events.onStage && { onProgress: events.onStage }),
        });
      const asked = cachedModel(sharded ?? model, { log, ...(cache && { cache }) });
      const watch = watchResources();
      const evaluation = await evaluate(asked, tasks, groups, {
        onProgress: (progress) => {
          const { scored, generated } = asked.tokenCounts;
          events.onProgress?.({ ...progress, tokens: scored + generated });
        },
      }).finally(() => {
        watch.stop();
        log.close();
        cache?.close();
      });
      const usage = watch.usage();

      const samples = new Map(
        evaluation.tasks.map(({ task, samples }) => [task.name, samples.map(describeSample)]),
      );
      const results = describeResults(evaluation, samples, {
        model: identity,
        settings,
        batchSize: options.batchSize ?? null,
        maxLength: model.maxLength,
        chatTemplate: applyChatTemplate ? model.chatTemplate : undefined,
        startedAt,
        totalSeconds: (Date.now() - startedAt.getTime()) / 1000,
        requests: asked.requestCounts,
        ...(!sharded && { usage }),
        machines: readMachines(folder.shards),
      });
      writeResults(folder, results, samples);
      remove(folder.shards);
      return { folder, evaluation, results, samples };
    });
  } finally {
    await opened.release();
  }
}
