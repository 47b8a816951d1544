/** @file What a study's processes do: tune, evaluate, and measure alignment and divergence, each into a folder or file. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { measureAlignment } from "../alignment/align.ts";
import { loadAdapter } from "../core/adapters/adapted-model.ts";
import type { Storage } from "../core/models/linear.ts";
import { runEvaluation } from "../evaluation/run-evaluation.ts";
import { readJson } from "../node/files/structured.ts";
import { writeWhole } from "../node/files/write.ts";
import { adjustChat, openModel } from "../node/models/open-model.ts";
import { fineTune, type RunEvents, type RunPlan, resumeRun } from "../node/training/fine-tune.ts";
import type { RunOptions } from "../node/training/run-config.ts";
import { runFolder } from "../node/training/run-folder.ts";
import { estimateSchema } from "../reporting/study-file.ts";
import { measureDivergence } from "../retention/kl-divergence.ts";
import { readNeutralText, writeNeutralText } from "../retention/neutral-text.ts";
import type { StudyConfig } from "./study-config.ts";
import { type DataSource, studyTasks } from "./study-data.ts";

/** A model as it is opened. */
export interface ModelChoice {
  readonly model: string;
  readonly adapter?: string;
  readonly storage?: Storage;
}

/** A part of a study that is computed in a process of its own. */
export type Job =
  | { readonly type: "tune"; readonly options: RunOptions }
  | {
      readonly type: "evaluate";
      readonly config: StudyConfig;
      readonly tuned: ModelChoice;
      readonly out: string;
    }
  | {
      readonly type: "align";
      readonly config: StudyConfig;
      readonly data: readonly DataSource[];
      readonly out: string;
    }
  | {
      readonly type: "diverge";
      readonly config: StudyConfig;
      readonly tuned: ModelChoice;
      readonly out: string;
    };

export interface JobEvents {
  /** Says in a few words how far it is. */
  onProgress(text: string): void;
  /** Aborted if the job shall end as soon as it can without losing anything. */
  readonly signal: AbortSignal;
}

const runSummarySchema = z
  .object({
    trainableParameters: z.number(),
    totalSteps: z.number(),
    examples: z.number(),
    tokens: z.number(),
  })
  .readonly();

/** What a run's folder says of it beside its files: written before its first step. */
export type RunSummary = z.infer<typeof runSummarySchema>;

/** Where a run's summary is. */
export function runSummaryPath(folder: string): string {
  return join(folder, "summary.json");
}

/** @throws InputError if it is missing or damaged. */
export function readRunSummary(folder: string): RunSummary {
  return readJson(runSummaryPath(folder), runSummarySchema);
}

/** Does a job. @returns whether it was finished, and not interrupted */
export async function performJob(job: Job, events: JobEvents): Promise<boolean> {
  switch (job.type) {
    case "tune":
      return tune(job.options, events);
    case "evaluate":
      await evaluate(job.config, job.tuned, job.out, events);
      return true;
    case "align":
      await align(job.config, job.data, job.out, events);
      return true;
    case "diverge":
      await diverge(job.config, job.tuned, job.out, events);
      return true;
  }
}

async function tune(options: RunOptions, { onProgress, signal }: JobEvents): Promise<boolean> {
  let plan: RunPlan | undefined;
  const events: RunEvents = {
    signal,
    onStage: onProgress,
    onPlan(given) {
      plan = given;
      const { dataset, totalSteps, trainableParameters } = given;
      const { examples, tokens } = dataset;
      const summary: RunSummary = { trainableParameters, totalSteps, examples, tokens };
      writeJson(runSummaryPath(options.out), summary);
    },
    onStep({ step, loss }, { tokens, seconds }) {
      onProgress(
        `step ${step}/${plan!.totalSteps}  loss ${loss.toFixed(3)}  ${(tokens / seconds).toFixed(0)} tokens/s`,
      );
    },
  };
  const isBegun = existsSync(runFolder(options.out).config);
  const { outcome } = isBegun ? await resumeRun(options.out, events) : await fineTune(options, events);
  return outcome !== "interrupted";
}

async function evaluate(
  config: StudyConfig,
  tuned: ModelChoice,
  out: string,
  { onProgress }: JobEvents,
): Promise<void> {
  const { tasks, limit, num_fewshot: numFewshot, apply_chat_template, data_dir: dataDir } = config;
  const { chat_template: chatTemplate, date } = config;
  await runEvaluation(
    {
      ...tuned,
      tasks,
      registry: studyTasks(config),
      out,
      applyChatTemplate: apply_chat_template,
      ...(chatTemplate !== undefined && { chatTemplate }),
      ...(date !== undefined && { date }),
      ...(limit !== undefined && { limit }),
      ...(numFewshot !== undefined && { numFewshot }),
      ...(dataDir !== undefined && { dataDir }),
    },
    {
      onStage: onProgress,
      onProgress: ({ type, answered, total }) => onProgress(`${type} ${answered}/${total}`),
    },
  );
}

async function align(
  config: StudyConfig,
  data: readonly DataSource[],
  out: string,
  { onProgress }: JobEvents,
): Promise<void> {
  const { limit, data_dir: dataDir, alignment_samples: samples, tasks } = config;
  const { apply_chat_template: applyChatTemplate, chat_template: chatTemplate, date } = config;
  const sets = data.map(({ name, path }) => ({ name, path, applyChatTemplate }));
  const model = adjustChat(await openModel(config.model), { chatTemplate, date });
  const result = await measureAlignment(model, sets, tasks, {
    samples,
    registry: studyTasks(config),
    onStage: onProgress,
    ...(limit !== undefined && { limit }),
    ...(dataDir !== undefined && { dataDir }),
  });
  writeJson(out, result);
}

const divergenceSchema = z
  .object({ divergence: estimateSchema, weightBytes: z.number(), float32Bytes: z.number() })
  .readonly();

/** Of a tuned model: how far its predictions moved from the base model's, and the bytes of its weights. */
export type DivergenceFile = z.infer<typeof divergenceSchema>;

/** @throws InputError if it is missing or damaged. */
export function readDivergence(path: string): DivergenceFile {
  return readJson(path, divergenceSchema, `remove ${path} and run the study again`);
}

async function diverge(
  config: StudyConfig,
  { model, adapter, storage }: ModelChoice,
  out: string,
  { onProgress }: JobEvents,
): Promise<void> {
  onProgress("loading the models");
  const base = await openModel(config.model);
  const opened = await openModel(model, storage === undefined ? {} : { storage });
  const tuned = adapter === undefined ? opened : loadAdapter(opened, adapter);
  const text = config.neutral_text === undefined ? writeNeutralText() : readNeutralText(config.neutral_text);
  const divergence = await measureDivergence(base, tuned, text, {
    onWindow: (done, windows) => onProgress(`divergence ${done}/${windows}`),
  });
  const result: DivergenceFile = {
    divergence,
    weightBytes: countBytes(opened),
    float32Bytes: countBytes(base),
  };
  writeJson(out, result);
}

/** Bytes of a model's weights as they are kept in memory. */
function countBytes({ config, weights }: Awaited<ReturnType<typeof openModel>>): number {
  const { embedding, head, norm } = weights;
  const tensors = new Set([embedding, head, norm]);
  for (let layer = 0; layer < config.numHiddenLayers; layer++)
    for (const tensor of Object.values(weights.block(layer))) tensors.add(tensor);
  return [...tensors].reduce((sum, { data }) => sum + (data as ArrayBufferView).byteLength, 0);
}

function writeJson(path: string, value: unknown): void {
  writeWhole(path, `${JSON.stringify(value, undefined, 1)}\n`);
}
