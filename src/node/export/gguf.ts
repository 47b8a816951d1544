/** @file Export as GGUF, for llama.cpp and what is built on it: a whole model, or an adapter alone. */

import type { AdaptedModel } from "../../core/adapters/adapted-model.ts";
import type { TokenizedExample } from "../../core/data/batch.ts";
import type { GgufFileType } from "../../core/models/gguf-tensor-types.ts";
import type { Model } from "../../core/models/model.ts";
import type { Device } from "../../core/runtime/device.ts";
import { readGgufAdapter, writeGgufAdapter } from "../adapters/gguf-files.ts";
import { readAdapter } from "../adapters/peft-files.ts";
import { openModel } from "../models/open-model.ts";
import { checkGgufPath, writeGgufModel } from "../models/write-gguf.ts";
import { checkLogits, float32Tolerance, type LogitCheck } from "./logit-check.ts";
import { mergeWeights } from "./merged-weights.ts";
import { describeModelfile, writeWithModelfile } from "./modelfile.ts";

/**
 * How far logits may differ, as a share of their spread: some 16 times half a step of a code for the largest weight of a block
 * (float16 has 11 bits, the others as many as their names say), since errors of one layer go through those after it.
 */
const tolerances: Readonly<Record<GgufFileType, number>> = {
  f32: float32Tolerance,
  f16: 2 ** -7,
  q8_0: 2 ** -4,
  q5_k_m: 2 ** -1,
  q4_k_m: 1,
  q4_0: 1,
};

export interface GgufOptions {
  /** How matrices are stored. Default "f16". */
  readonly type?: GgufFileType;
  /** What the check reads, such as the data that the model was tuned on. Default: a page of plain English. */
  readonly examples?: readonly TokenizedExample[];
}

/**
 * Writes a model, merged with its adapter if it has one, as a GGUF file with a Modelfile beside it, and checks it: the file is
 * opened again and its predictions are compared.
 *
 * @throws InputError if a file exists, GGUF cannot express the model or its tokenizer, or the file computes something
 * else.
 * @example
 * const model = await openAdaptedModel("fixtures/embedded-model", { adapter: "runs/faq/adapter" });
 * const { verdict } = await exportGguf(openDevice("cpu"), model, "faq.gguf", { type: "q8_0" });
 */
export async function exportGguf(
  device: Device,
  model: AdaptedModel,
  path: string,
  { type = "f16", examples }: GgufOptions = {},
): Promise<LogitCheck> {
  checkGgufPath(path);
  return writeWithModelfile(path, describeModelfile(path, model.tokenizer), async (temporary) => {
    const merged = mergeWeights(device, model);
    await writeGgufModel(temporary, model, type, (name) => merged.tensor(name));
    await merged.release();
    const written = await openModel(temporary, { storage: type === "f32" ? "float32" : "float16" });
    return checkLogits(device, model, written, {
      path,
      tolerance: tolerances[type],
      ...(examples && { examples }),
    });
  });
}

/**
 * Writes the adapter in `folder` (PEFT's layout) as a GGUF file that llama.cpp applies to the base model's, with a
 * Modelfile beside it, and checks it: the file is read again and the predictions with it are compared.
 *
 * @throws InputError if a file exists, the adapter does not belong to the base model, GGUF cannot express it, or the
 * file computes something else.
 * @example
 * const base = await openModel("fixtures/embedded-model");
 * await exportGgufAdapter(openDevice("cpu"), base, "runs/faq/adapter", "faq-lora.gguf");
 */
export async function exportGgufAdapter(
  device: Device,
  base: Model,
  folder: string,
  path: string,
  { examples }: Pick<GgufOptions, "examples"> = {},
): Promise<LogitCheck> {
  checkGgufPath(path);
  const { config } = base;
  const adapter = await readAdapter(folder, config, base.fingerprint);
  return writeWithModelfile(path, describeModelfile(path, base.tokenizer, base.path), async (temporary) => {
    await writeGgufAdapter(temporary, adapter, config);
    const original = { ...base, adapter };
    const written = { ...base, adapter: await readGgufAdapter(temporary, config) };
    return checkLogits(device, original, written, {
      path,
      tolerance: float32Tolerance,
      ...(examples && { examples }),
    });
  });
}
