/** @file Checkpoints: everything from which a run goes on exactly as if it had not stopped. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Parameters, trainedOf } from "../../core/adapters/parameters.ts";
import { InputError } from "../../core/errors.ts";
import type { Moments } from "../../core/training/adamw.ts";
import { initialProgress } from "../../core/training/loop.ts";
import { noUsage, resourceUsageSchema } from "../efficiency/resource-watch.ts";
import { readJson } from "../files/structured.ts";
import { remove, writeFolderWhole, writeWhole } from "../files/write.ts";
import { openSafetensorsFile, writeSafetensors } from "../formats/safetensors.ts";

const progressSchema = z.strictObject({
  /** Optimizer steps done. */
  step: z.int().min(0),
  /** Whether the evaluation after this step, where one is due, is done: an interruption may have cut it off. */
  evaluated: z.boolean().default(true),
  trained_tokens: z.int().min(0),
  tokens: z.int().min(0),
  /** Examples that were trained on. */
  samples: z.int().min(0),
  /** Wall time of the steps so far. */
  seconds: z.number().min(0),
  /** What the loop used so far, with its evaluations and checkpoints. */
  usage: resourceUsageSchema,
  /** The best evaluation so far. */
  best: z.strictObject({ step: z.int().min(0), eval_loss: z.number() }).nullable(),
  /** Evaluations since the best one. */
  evaluations_without_improvement: z.int().min(0),
});

/** How far a run has come, with what it used. */
export type RunProgress = z.infer<typeof progressSchema>;

export const initialRunProgress: RunProgress = { ...initialProgress, usage: noUsage };

const folderPattern = /^step-(\d{8})$/;

function folderName(step: number): string {
  return `step-${String(step).padStart(8, "0")}`;
}

/** Writes a checkpoint into `folder` under the number of its step, and removes all but the two newest and the best. */
export async function writeCheckpoint(
  folder: string,
  progress: RunProgress,
  parameters: Parameters,
  moments: Moments,
): Promise<void> {
  const tensors = [...trainedOf(parameters)].flatMap(([key, { dims, data }]) =>
    [
      ["parameter", data],
      ["exp_avg", moments.expAvg.get(key)!],
      ["exp_avg_sq", moments.expAvgSq.get(key)!],
    ].map(([kind, values]) => ({
      name: `${kind}.${key}`,
      dtype: "float32" as const,
      shape: dims,
      data: values as Float32Array,
    })),
  );
  await writeFolderWhole(join(folder, folderName(progress.step)), async (temporary) => {
    await writeSafetensors(join(temporary, "state.safetensors"), tensors);
    writeWhole(join(temporary, "progress.json"), `${JSON.stringify(progress, null, 2)}\n`);
  });
  removeOldCheckpoints(folder, progress.best?.step);
}

/** Steps of the checkpoints in `folder`, oldest first. */
export function listCheckpoints(folder: string): number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => folderPattern.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

/** Removes all checkpoints but the two newest and the best. */
export function removeOldCheckpoints(folder: string, best: number | undefined): void {
  const steps = listCheckpoints(folder);
  for (const step of steps.slice(0, -2)) {
    if (step !== best) remove(join(folder, folderName(step)));
  }
  // Of former versions.
  for (const name of readdirSync(folder)) {
    if (name.endsWith(".tmp")) remove(join(folder, name));
  }
}

/**
 * Reads the checkpoint of `step` into `parameters` and, where given, `moments`, in place.
 *
 * @throws InputError if it does not hold these parameters.
 */
export async function readCheckpoint(
  folder: string,
  step: number,
  parameters: Parameters,
  moments?: Moments,
): Promise<RunProgress> {
  const path = join(folder, folderName(step));
  const file = await openSafetensorsFile(join(path, "state.safetensors"));
  const read = async (kind: string, name: string, into: Float32Array) => {
    const values = file.tensors.has(`${kind}.${name}`)
      ? await file.readFloat32(`${kind}.${name}`)
      : undefined;
    if (values?.length !== into.length) {
      throw new InputError(
        `The checkpoint ${path} does not fit the run's configuration: "${kind}.${name}" is missing or of another size.`,
      );
    }
    into.set(values);
  };
  try {
    for (const [name, { data }] of trainedOf(parameters)) {
      await read("parameter", name, data);
      if (!moments) continue;
      await read("exp_avg", name, moments.expAvg.get(name)!);
      await read("exp_avg_sq", name, moments.expAvgSq.get(name)!);
    }
  } finally {
    file.close();
  }
  return readJson(
    join(path, "progress.json"),
    progressSchema,
    `remove ${path} to go on from the checkpoint before`,
  );
}
