/** @file What identifies a model whose answers are kept: the files that it is computed from. */

import type { GeneratorOptions } from "../core/decoding/batch-generator.ts";
import type { Arithmetic } from "../node/decoding/arithmetic.ts";
import { hashFiles } from "../node/models/hash-files.ts";
import type { DeviceName } from "../node/runtime/onnx-runtime.ts";

/** The version of this project, with which a model's answers may change by rounding. */
export const slimtuneVersion = "0.1.0";

/** With which weights texts are written: those that are kept, or these quantized to so many bits. */
export type Bits = NonNullable<GeneratorOptions["bits"]>;

/** The model that is evaluated, and how it is computed. */
export interface ModelIdentity {
  /** The path or Hub id that it was opened by. */
  readonly name: string;
  /** Of the files of weights, configuration and tokenizer, in hexadecimal. */
  readonly sha256: string;
  /** How its weights are kept, such as "float32". */
  readonly storage: string;
  readonly bits: Bits;
  /** In which arithmetic texts are read. Default: in float32. */
  readonly arithmetic?: Exclude<Arithmetic, "float32">;
  /** Where it is computed, since devices round otherwise. Default: the CPU. */
  readonly device?: Exclude<DeviceName, "cpu">;
  readonly adapter: { readonly path: string; readonly sha256: string } | null;
}

/** Reads all files of a model and of its adapter, if it has one. */
export async function identifyModel(
  model: { readonly name: string; readonly path: string },
  {
    storage,
    bits,
    adapter,
    arithmetic = "float32",
    device = "cpu",
  }: {
    storage: string;
    bits: Bits;
    adapter: string | undefined;
    arithmetic?: Arithmetic | undefined;
    device?: DeviceName;
  },
): Promise<ModelIdentity> {
  return {
    name: model.name,
    sha256: await hashFiles(model.path),
    storage,
    bits,
    ...(arithmetic !== "float32" && { arithmetic }),
    ...(device !== "cpu" && { device }),
    adapter: adapter === undefined ? null : { path: adapter, sha256: await hashFiles(adapter) },
  };
}
