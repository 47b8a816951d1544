/** @file The folder of a tuning run: where its files are, and when a run may be begun or resumed in it. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import { methodOf } from "../../core/adapters/methods.ts";
import { InputError } from "../../core/errors.ts";
import { warn } from "../../core/warnings.ts";
import type { Efficiency } from "../efficiency/efficiency.ts";
import { isNewFolder } from "../files/folder.ts";
import { readJson, readYaml } from "../files/structured.ts";
import { writeWhole } from "../files/write.ts";
import { findUnjudged } from "./rollouts.ts";
import { parseRunConfig, type RunConfig } from "./run-config.ts";

export interface RunFolder {
  readonly path: string;
  /** Every option of the run. */
  readonly config: string;
  /** Hashes of the base model and the data. */
  readonly inputs: string;
  /** A teacher's answers to the prompts of the data, where these have none, and what they answer. */
  readonly answers: string;
  readonly answersOf: string;
  /** The log-probabilities that the model gave the texts before the run, where the objective needs them. */
  readonly reference: string;
  /** Answers that the model has written in each step, with their rewards, where it learns from its own. */
  readonly rollouts: string;
  readonly metrics: string;
  /** What is ahead of the run, in counts. */
  readonly plan: string;
  /** The model's answers to the prompts of `sample_prompts`. */
  readonly samples: string;
  /** EfficientLLM's quantities. */
  readonly efficiency: string;
  /** Checkpoints, from which an interrupted run goes on. */
  readonly checkpoints: string;
  /** The result, in PEFT's layout. */
  readonly adapter: string;
  /** The result of tuning the model's own weights, a model folder. */
  readonly model: string;
  /** TensorBoard's event files. */
  readonly tensorboard: string;
}

export function runFolder(path: string): RunFolder {
  return {
    path,
    config: join(path, "config.yaml"),
    inputs: join(path, "inputs.json"),
    answers: join(path, "answers.jsonl"),
    answersOf: join(path, "answers.json"),
    reference: join(path, "reference.safetensors"),
    rollouts: join(path, "rollouts"),
    metrics: join(path, "metrics.jsonl"),
    plan: join(path, "plan.json"),
    samples: join(path, "samples.jsonl"),
    efficiency: join(path, "efficiency.json"),
    checkpoints: join(path, "checkpoint"),
    adapter: join(path, "adapter"),
    model: join(path, "model"),
    tensorboard: join(path, "tensorboard"),
  };
}

const identitySchema = z
  .object({
    modelFingerprint: z.string(),
    dataSha256: z.string(),
    /** Of what is trained on: all examples' token ids and masks. Older runs have none. */
    tokensSha256: z.string().exactOptional(),
    adapterSha256: z.string().exactOptional(),
    teacherFingerprint: z.string().exactOptional(),
    keepTextSha256: z.string().exactOptional(),
    rewardSha256: z.string().exactOptional(),
  })
  .readonly();

/** What identifies a run's base model and data, and the adapter that it goes on with, so that it is not resumed with others. */
export type RunIdentity = z.infer<typeof identitySchema>;

/** @throws InputError if a run's inputs.json is missing or damaged. */
export function readIdentity({ inputs }: RunFolder): RunIdentity {
  return readJson(inputs, identitySchema, "restore it, or begin a new run");
}

/** @throws InputError if the folder of a new run has something in it already. */
export function checkRunFolder(path: string): void {
  // What a run leaves that was ended before it had its configuration.
  if (isNewFolder(path, ["inputs.json", "answers.json", "answers.jsonl"])) return;
  const hint = existsSync(runFolder(path).config) ? `go on with it by \`slimtune resume ${path}\`, or ` : "";
  throw new InputError(`The output folder ${path} is not empty; ${hint}choose another one.`);
}

/** Writes the identity and, last, the configuration of a new run into its folder. */
export function beginRun(config: RunConfig, inputs: RunIdentity): RunFolder {
  const folder = runFolder(config.out);
  writeIdentity(folder, inputs);
  writeWhole(folder.config, stringify(config));
  return folder;
}

function writeIdentity({ inputs: path }: RunFolder, inputs: RunIdentity): void {
  const { modelFingerprint, dataSha256, tokensSha256, adapterSha256 } = inputs;
  const { teacherFingerprint, keepTextSha256, rewardSha256 } = inputs;
  const identity = {
    modelFingerprint,
    dataSha256,
    tokensSha256,
    adapterSha256,
    teacherFingerprint,
    keepTextSha256,
    rewardSha256,
  };
  writeWhole(path, `${JSON.stringify(identity, null, 2)}\n`);
}

/** Writes the run's efficiency.json anew, so that one can be read whole at any time. */
export function writeEfficiency({ efficiency: path }: RunFolder, efficiency: Efficiency): void {
  writeWhole(path, `${JSON.stringify(efficiency, null, 2)}\n`);
}

/**
 * Makes sure that a run that is resumed goes on with the same model and data. Where answers wait for their rewards, since one of them
 * failed, their module may have been corrected: that is warned of, and recorded.
 *
 * @throws InputError if something changed.
 */
export function checkInputs(folder: RunFolder, identity: RunIdentity): void {
  const recorded = readIdentity(folder);
  const isSame = (key: keyof RunIdentity) => recorded[key] === identity[key];
  const corrected = isSame("rewardSha256") ? undefined : findUnjudged(folder.rollouts);
  const names = {
    modelFingerprint: "model",
    dataSha256: "data",
    adapterSha256: "adapter",
    teacherFingerprint: "teacher",
    keepTextSha256: "text of keep_text",
    ...(corrected === undefined && { rewardSha256: "module of reward" }),
  };
  const [, changed] = Object.entries(names).find(([key]) => !isSame(key as keyof RunIdentity)) ?? [];
  if (changed) {
    throw new InputError(
      `The ${changed} of the run in ${folder.path} changed since it was begun, so it cannot be resumed; restore the ${changed}, or begin a new run.`,
    );
  }
  if (recorded.tokensSha256 !== undefined && !isSame("tokensSha256")) {
    throw new InputError(
      `The tokens that the run in ${folder.path} is trained on changed since it was begun, though its data did not, so it cannot be resumed; restore the model's tokenizer and chat template, and the version of slimtune, or begin a new run.`,
    );
  }
  if (corrected === undefined) return;
  warn(
    `The module of reward of the run in ${folder.path} changed since it was begun; from step ${corrected + 1} on answers are judged by it as it is now.`,
  );
  writeIdentity(folder, identity);
}

/**
 * Opens the folder of a run that was begun.
 *
 * @throws InputError if there is none.
 */
export function openRunFolder(path: string): { folder: RunFolder; config: RunConfig } {
  const folder = runFolder(path);
  if (!existsSync(folder.config)) {
    throw new InputError(`${path} holds no config.yaml, so it is not the folder of a run.`);
  }
  return { folder, config: { ...parseRunConfig(readYaml(folder.config), folder.config), out: path } };
}

/** Where the result of a finished run is; undefined if the run is not finished. */
export function findResult({ adapter, model }: RunFolder, { method }: RunConfig): string | undefined {
  const [result, lastFile] =
    methodOf(method).yields === "adapter" ? [adapter, "adapter_config.json"] : [model, "config.json"];
  return existsSync(join(result, lastFile)) ? result : undefined;
}
