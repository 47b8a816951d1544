/** @file A GGUF file as a model's files: a module of its own, since a page loads it only for such a file. */

import type { ByteSource } from "../formats/byte-source.ts";
import { openGguf } from "../formats/gguf.ts";
import { openGgufTokenizer } from "../tokenization/gguf.ts";
import { type Checkpoint, checkShape, closingOnError, readRowsAsFloat16, toFloat16 } from "./checkpoint.ts";
import { checkGgufTensors, ggufConversion, ggufTensorName, readGgufConfig } from "./gguf-model.ts";

/**
 * Opens a GGUF file, which closes its source when it is closed or not valid.
 *
 * @throws InputError if it is damaged or not supported.
 *
 * @example
 * const { openUrl } = await import("slimtune/web");
 * const checkpoint = await openGgufCheckpoint(await openUrl("https://example.org/model.gguf"));
 * console.log(checkpoint.config.numHiddenLayers);
 */
export async function openGgufCheckpoint(source: ByteSource): Promise<Checkpoint> {
  const path = source.name;
  const file = await openGguf(source);
  const config = await closingOnError(file, async () => {
    const config = await readGgufConfig(file);
    checkGgufTensors(config, file);
    return config;
  });
  const find = (name: string, shape: readonly number[]): string => {
    const stored = ggufTensorName(config, name);
    checkShape(path, stored, file.tensors.get(stored)?.shape, shape);
    return stored;
  };
  const read = async (name: string, shape: readonly number[]): Promise<Float32Array> => {
    const values = await file.readFloat32(find(name, shape));
    return ggufConversion(config, name)?.toHuggingFace(values) ?? values;
  };
  return {
    path,
    config,
    tokenizer: async () => openGgufTokenizer(file.metadata),
    has: (name) => file.tensors.has(ggufTensorName(config, name)),
    read,
    holdsFloat32: (name) => file.tensors.get(ggufTensorName(config, name))?.dtype === "F32",
    readFloat16: async (name, shape) =>
      ggufConversion(config, name)
        ? toFloat16(await read(name, shape), name)
        : readRowsAsFloat16(file, find(name, shape), name),
    readNF4: async () => undefined,
    close: () => file.close(),
  };
}
