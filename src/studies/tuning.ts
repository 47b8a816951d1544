/** @file A tuning run as a part of a study. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { methodOf } from "../core/adapters/methods.ts";
import type { Storage } from "../core/models/linear.ts";
import { readJson } from "../node/files/structured.ts";
import { writeWhole } from "../node/files/write.ts";
import { fineTune, resumeRun } from "../node/training/fine-tune.ts";
import { parseRunConfig, type RunOptions } from "../node/training/run-config.ts";
import type { RunEvents, RunPlan } from "../node/training/run-events.ts";
import { runFolder } from "../node/training/run-folder.ts";
import type { PartEvents } from "./study-kind.ts";

/** A model as it is opened. */
export interface ModelChoice {
  readonly model: string;
  readonly adapter?: string;
  readonly storage?: Storage;
}

/** The model that a run tuned; undefined before it is finished. */
export function findTunedModel(options: RunOptions): ModelChoice | undefined {
  const run = runFolder(options.out);
  if (existsSync(run.model)) return { model: run.model };
  if (!existsSync(run.adapter)) return undefined;
  const { model, storage } = parseRunConfig(options, "The study");
  return { model, adapter: run.adapter, storage };
}

/** The model that a run tuned. @throws Error before it is finished. */
export function tunedModel(id: string, options: RunOptions): ModelChoice {
  const found = findTunedModel(options);
  if (!found) throw new Error(`The run of ${id} is not finished.`);
  return found;
}

/** The model, and perhaps the adapter, with which another run goes on where this one ends. */
export function goOnAfter(options: RunOptions): Pick<RunOptions, "model" | "adapter"> {
  const { method, model } = parseRunConfig(options, "The study");
  const run = runFolder(options.out);
  return methodOf(method).yields === "adapter" ? { model, adapter: run.path } : { model: run.model };
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

/** Computes a run, or goes on with it. Its summary is written before its first step. */
export async function tuneModel(options: RunOptions, { onProgress, signal }: PartEvents): Promise<void> {
  let plan: RunPlan | undefined;
  const events: RunEvents = {
    signal,
    onStage: onProgress,
    onPlan(given) {
      plan = given;
      const { dataset, totalSteps, trainableParameters } = given;
      const { examples, tokens } = dataset;
      const summary: RunSummary = { trainableParameters, totalSteps, examples, tokens };
      writeWhole(runSummaryPath(options.out), `${JSON.stringify(summary, undefined, 1)}\n`);
    },
    onStep({ step, loss }, { tokens, seconds }) {
      onProgress(
        `step ${step}/${plan!.totalSteps}  loss ${loss.toFixed(3)}  ${(tokens / seconds).toFixed(0)} tokens/s`,
      );
    },
  };
  const isBegun = existsSync(runFolder(options.out).config);
  await (isBegun ? resumeRun(options.out, events) : fineTune(options, events));
}
