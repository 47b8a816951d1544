/** @file A run by its folder: what it was told, what it has measured, and how to go on with it. */

import { withLock } from "../files/lock.ts";
import { type ResumeChanges, type RunResult, resumeRun } from "./fine-tune.ts";
import { type Metrics, readMetrics } from "./metrics-log.ts";
import { type PlanFile, readPlan } from "./plan-file.ts";
import type { RunConfig } from "./run-config.ts";
import type { RunEvents } from "./run-events.ts";
import { findResult, openRunFolder } from "./run-folder.ts";
import { type RunSample, readSamples } from "./samples.ts";

/** A run that was begun, by this process or another, as its folder showed it when it was opened. */
export interface TuningRun {
  readonly path: string;
  readonly config: RunConfig;
  /** Its steps and evaluations so far. */
  readonly metrics: readonly Metrics[];
  /** How far it is to go; undefined before its first step, and of runs of older versions. */
  readonly plan: PlanFile | undefined;
  /** Its model's answers to the prompts of `sample_prompts` so far. */
  readonly samples: readonly RunSample[];
  /** Folder of its result: the adapter, or the model where its own weights were trained. Undefined until it is finished. */
  readonly result: string | undefined;
  /**
   * Goes on from the last checkpoint. The result equals that of a run that was not interrupted, bit for bit on the same
   * machine.
   *
   * @param changes a device in place of the run's, on which losses differ in the last digits
   * @throws InputError if the model or the data have changed, or another process is at it.
   */
  resume(events?: RunEvents, changes?: ResumeChanges): Promise<RunResult>;
  /** Removes what a process has left that was ended between the run's result and its own end. */
  removeLeftovers(): Promise<void>;
}

/**
 * Opens the folder of a run.
 *
 * @throws InputError if `path` is not a run's folder, or a file in it is damaged.
 * @example
 * const run = openRun("runs/faq");
 * if (run.result === undefined) await run.resume();
 */
export function openRun(path: string): TuningRun {
  const { folder, config } = openRunFolder(path);
  return {
    path,
    config,
    metrics: readMetrics(folder.metrics),
    plan: readPlan(folder.plan),
    samples: readSamples(folder.samples),
    result: findResult(folder, config),
    resume: (events, changes) => resumeRun(path, events, changes),
    removeLeftovers: () => withLock(path, "run", async () => {}),
  };
}
