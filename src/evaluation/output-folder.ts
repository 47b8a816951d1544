/** @file The folder of an evaluation: which one it is, its answers so far, and its results. */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { formatJson } from "../core/python/json.ts";
import { cachePath } from "../node/cache-folder.ts";
import { isNewFolder } from "../node/files/folder.ts";
import { anyFields, readJson } from "../node/files/structured.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { type Bits, type ModelIdentity, slimtuneVersion } from "./model-identity.ts";
import type { EvaluationSettings, Results } from "./results.ts";
import type { SampleLine } from "./samples.ts";
import type { PreparedTask } from "./task.ts";

export interface OutputFolder {
  readonly path: string;
  /** All that decides the answers and the scores. */
  readonly identity: string;
  /** Every answer so far. */
  readonly answers: string;
  readonly results: string;
  /** Requests that workers are answering; there until the evaluation is finished. */
  readonly shards: string;
  /** The items of a task. */
  samples(task: string): string;
}

/** The files of an evaluation in the folder `path`, whether they are there or not. */
export function outputFolder(path: string): OutputFolder {
  return {
    path,
    identity: join(path, "evaluation.json"),
    answers: join(path, "answers.jsonl"),
    results: join(path, "results.json"),
    shards: join(path, "shards"),
    samples: (task) => join(path, `samples_${task}.jsonl`),
  };
}

/** All that decides the answers and the scores of an evaluation. */
export interface EvaluationIdentity {
  readonly slimtune: string;
  /** SHA-256 of the model and of its adapter. */
  readonly model: string;
  readonly adapter: string | null;
  readonly storage: string;
  readonly bits: Bits;
  /** Where it is not in float32, or not on the CPU. */
  readonly arithmetic?: string;
  readonly device?: string;
  readonly settings: EvaluationSettings;
  /** Each task's version and the hash of its prompts, by its name. */
  readonly tasks: Readonly<Record<string, readonly [version: string, promptHash: string]>>;
}

export function identifyEvaluation(
  model: ModelIdentity,
  settings: EvaluationSettings,
  tasks: readonly PreparedTask[],
): EvaluationIdentity {
  return {
    slimtune: slimtuneVersion,
    model: model.sha256,
    adapter: model.adapter?.sha256 ?? null,
    storage: model.storage,
    bits: model.bits,
    ...(model.arithmetic && { arithmetic: model.arithmetic }),
    ...(model.device && { device: model.device }),
    settings,
    tasks: Object.fromEntries(tasks.map((task) => [task.name, [task.version, task.promptHash]])),
  };
}

/** The folder where an evaluation goes if none is named: the same for the same evaluation, so that it is resumed. */
export function defaultFolder(model: ModelIdentity, identity: EvaluationIdentity): string {
  const name = (model.adapter?.path ?? model.name).replace(/[^\w.-]+/g, "-").replace(/^[-.]+|-+$/g, "");
  const hash = createHash("sha256").update(JSON.stringify(identity)).digest("hex");
  return join("runs", `evaluate-${name}-${hash.slice(0, 8)}`);
}

const damagedIdentity = "it does not say which evaluation the folder holds, so choose another folder";

/** What an identity's entries are called in an error. */
const labels: Readonly<Record<keyof EvaluationIdentity, string>> = {
  slimtune: "version of slimtune",
  model: "model",
  adapter: "adapter",
  storage: "storage of the weights",
  bits: "number of bits for writing",
  arithmetic: "arithmetic",
  device: "device",
  settings: "set of options",
  tasks: "set of tasks or prompts",
};

/**
 * Whether an evaluation was begun in a folder.
 *
 * @throws InputError if it holds another one or anything else, or is no folder.
 */
export function isBegun(path: string, identity: EvaluationIdentity): boolean {
  const folder = outputFolder(path);
  if (existsSync(folder.identity)) {
    const begun = readJson(folder.identity, anyFields, damagedIdentity);
    for (const [key, label] of Object.entries(labels) as [keyof EvaluationIdentity, string][]) {
      if (JSON.stringify(begun[key]) !== JSON.stringify(identity[key])) {
        const details = key === "settings" ? listDifferences(begun[key], identity[key]) : "";
        throw new InputError(
          `The output folder ${path} holds an evaluation with another ${label}${details}; choose another folder.`,
        );
      }
    }
    return true;
  }
  // Former versions wrote the identity under this name first.
  if (isNewFolder(path, ["evaluation.json.tmp"])) return false;
  throw new InputError(
    `The output folder ${path} is not empty and holds no evaluation; choose another folder.`,
  );
}

/** Makes the folder of an evaluation, or opens it to go on. @throws InputError as {@link isBegun}. */
export function openOutputFolder(path: string, identity: EvaluationIdentity): OutputFolder {
  const folder = outputFolder(path);
  if (!isBegun(path, identity)) {
    makeFolder(path);
    writeWhole(folder.identity, `${JSON.stringify(identity, undefined, 2)}\n`);
  }
  return folder;
}

/** The settings that differ, as they were and as they are: " (limit 2, not 3)". */
function listDifferences(begun: unknown, settings: EvaluationSettings): string {
  const before: Readonly<Record<string, unknown>> = { ...(begun as EvaluationSettings) };
  const after: Readonly<Record<string, unknown>> = { ...settings };
  const differences = Object.keys({ ...after, ...before })
    .map((name) => [name, JSON.stringify(before[name] ?? null), JSON.stringify(after[name] ?? null)])
    .filter(([, was, is]) => was !== is);
  return ` (${differences.map(([name, was, is]) => `${name} ${was}, not ${is}`).join("; ")})`;
}

/** The day that the prompts of the evaluation in a folder name; undefined if there is none. */
export function recordedDate(path: string | undefined): string | undefined {
  if (path === undefined || !existsSync(outputFolder(path).identity)) return undefined;
  return readJson(outputFolder(path).identity, datedSchema, damagedIdentity).settings?.date;
}

const datedSchema = z.looseObject({
  settings: z.looseObject({ date: z.string().optional() }).optional(),
});

/** Writes the results, last, and the items of each task. */
export function writeResults(
  folder: OutputFolder,
  results: Results,
  samples: ReadonlyMap<string, readonly SampleLine[]>,
): void {
  for (const [task, lines] of samples) {
    writeWhole(
      folder.samples(task),
      lines.map((line) => `${formatJson(line, { separators: [",", ":"] })}\n`).join(""),
    );
  }
  writeWhole(folder.results, `${JSON.stringify(results, undefined, 2)}\n`);
}

/** The file in which a model's answers are kept for other evaluations. */
export function answerCache(identity: EvaluationIdentity): string {
  const { slimtune, model, adapter, storage, bits, arithmetic, device } = identity;
  const computed = arithmetic || device ? [{ arithmetic, device }] : [];
  const key = JSON.stringify([slimtune, model, adapter, storage, bits, ...computed]);
  const hash = createHash("sha256").update(key);
  return cachePath("answers", `${hash.digest("hex")}.jsonl`);
}
