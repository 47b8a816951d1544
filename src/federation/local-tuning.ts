/** @file A member's tuning in a round: a run in the round's folder, begun or gone on with. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Parameter, Parameters } from "../core/adapters/parameters.ts";
import { peftPrefix } from "../core/adapters/peft-config.ts";
import { InputError } from "../core/errors.ts";
import { makeFolder } from "../node/files/write.ts";
import { openSafetensorsFile } from "../node/formats/safetensors.ts";
import { fineTune, type RunResult } from "../node/training/fine-tune.ts";
import { openRun } from "../node/training/open-run.ts";
import type { RunOptions } from "../node/training/run-config.ts";
import type { RunEvents } from "../node/training/run-events.ts";
import { runFolder } from "../node/training/run-folder.ts";
import type { TaskAdapter } from "./tuning.ts";

export interface LocalTuning {
  /** The round's. */
  readonly folder: string;
  readonly options: RunOptions;
  /** The round's own, so that no two rounds draw the same rows. */
  readonly seed: number;
  readonly adapter: TaskAdapter;
  /** The adapter that it begins with; not asked for where a run goes on. */
  readonly begins: () => Promise<Parameters>;
  readonly events: RunEvents;
}

/** What a member has tuned. */
export interface LocallyTuned {
  /** The trained tensors. */
  readonly tuned: Map<string, Parameter>;
  /** Tokens that passed through the model. */
  readonly tokens: number;
  /** Seconds of the steps. */
  readonly seconds: number;
  /** Of the last step. */
  readonly loss?: number;
}

/** The same for the same beginning, however often it was stopped. @throws InputError if the run cannot be begun, or was stopped. */
export async function tuneLocally(tuning: LocalTuning): Promise<LocallyTuned> {
  const run = join(tuning.folder, "run");
  const output = await outputOfRun(run, tuning);
  const file = await openSafetensorsFile(join(output, "adapter_model.safetensors"));
  const tuned = new Map<string, Parameter>();
  for (const [name, { dims, isFrozen }] of tuning.adapter.initial)
    if (!isFrozen) tuned.set(name, { dims, data: await file.readFloat32(peftPrefix + name) });
  file.close();
  const steps = openRun(run).metrics.filter((line) => "loss" in line);
  const sum = (of: (step: (typeof steps)[number]) => number) =>
    steps.reduce((total, step) => total + of(step), 0);
  const last = steps.at(-1);
  return {
    ...{ tuned, tokens: sum(({ tokens }) => tokens), seconds: sum(({ seconds }) => seconds) },
    ...(last && { loss: last.loss }),
  };
}

async function outputOfRun(
  run: string,
  { folder, options, seed, adapter, begins, events }: LocalTuning,
): Promise<string> {
  if (existsSync(runFolder(run).config)) {
    const begun = openRun(run);
    return begun.result ?? outputOf(await begun.resume(events));
  }
  makeFolder(folder);
  const beginning = join(folder, "begins");
  await adapter.write(beginning, await begins());
  return outputOf(await fineTune({ ...options, adapter: beginning, seed, out: run }, events));
}

function outputOf({ output, folder }: RunResult): string {
  if (output === undefined)
    throw new InputError(`The run in ${folder} was stopped; give the same command again to go on.`);
  return output;
}

/** The folder of a member's round. */
export function roundFolder(folder: string, round: number): string {
  return join(folder, `round-${String(round).padStart(5, "0")}`);
}
