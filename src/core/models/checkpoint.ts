/** @file A model's files, with its configuration, tokenizer and tensors: those of a Hugging Face folder. */

import type { ModelConfig } from "../architectures/architecture.ts";
import { parseConfig } from "../architectures/architectures.ts";
import { InputError } from "../errors.ts";
import { readJsonFile, type SourceFolder } from "../formats/byte-source.ts";
import { encodeFloat16 } from "../formats/float16.ts";
import { openSafetensorsModel } from "../formats/safetensors.ts";
import type { WeightFile } from "../formats/weight-file.ts";
import { readBnbNF4 } from "../quantization/bnb-checkpoint.ts";
import { dequantizeNF4, type NF4Tensor } from "../quantization/nf4.ts";
import { openFolderTokenizer } from "../tokenization/hugging-face.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import { checkStoredTensors, nameLikeLanguageModel, untieStoredHead } from "./stored-tensors.ts";

/** A model whose tensors are read when they are asked for. */
export interface Checkpoint {
  readonly path: string;
  readonly config: ModelConfig;
  /** @throws InputError if the tokenizer is missing, damaged or not supported. */
  tokenizer(): Promise<Tokenizer>;
  /** Whether there is a tensor of that Hugging Face name. */
  has(name: string): boolean;
  /**
   * A tensor by its Hugging Face name, as float32 in Hugging Face's order of elements.
   *
   * @throws InputError if it is missing or of another shape.
   */
  read(name: string, shape: readonly number[]): Promise<Float32Array>;
  /** Whether the file holds the tensor in float32; 16-bit and quantized numbers lose next to nothing in float16. */
  holdsFloat32(name: string): boolean;
  /**
   * The tensor as float16, read some rows at a time.
   *
   * @throws InputError if it is missing, of another shape, or has values beyond float16's range.
   */
  readFloat16(name: string, shape: readonly number[]): Promise<Uint16Array>;
  /** The same tensor where the file holds it in NF4; undefined where it does not. */
  readNF4(name: string, shape: readonly number[]): Promise<NF4Tensor | undefined>;
  close(): void;
}

/** @throws InputError if the folder holds no config.json of a supported model. */
export async function readFolderConfig(folder: SourceFolder): Promise<ModelConfig> {
  if (!folder.files.has("config.json")) {
    throw new InputError(`${folder.name} holds no config.json, so it is not a Hugging Face model folder.`);
  }
  const json = await readJsonFile(folder, "config.json", "download it again");
  return parseConfig(json, `${folder.name}/config.json`);
}

/**
 * Opens a Hugging Face model folder.
 *
 * @throws InputError if it is damaged or not supported.
 *
 * @example
 * const { blobFolder } = await import("slimtune/web");
 * const names = ["config.json", "tokenizer.json", "model.safetensors"];
 * const files = names.map(async (name) => new File([await (await fetch(name)).blob()], name));
 * const checkpoint = await openFolderCheckpoint(blobFolder(await Promise.all(files), "the model"));
 * console.log(checkpoint.config.numHiddenLayers);
 */
export async function openFolderCheckpoint(folder: SourceFolder): Promise<Checkpoint> {
  const path = folder.name;
  const described = await readFolderConfig(folder);
  const file = nameLikeLanguageModel(await openSafetensorsModel(folder));
  const config = await closingOnError(file, async () => {
    const config = await untieStoredHead(described, file);
    checkStoredTensors(config, file);
    return config;
  });
  const readNF4 = async (name: string, shape: readonly number[]) => {
    const quantized = await readBnbNF4(file, name);
    if (quantized) checkShape(path, name, quantized.shape, shape);
    return quantized;
  };
  return {
    path,
    config,
    tokenizer: () => openFolderTokenizer(folder),
    has: (name) => file.tensors.has(name),
    async read(name, shape) {
      const quantized = await readNF4(name, shape);
      if (quantized) return dequantizeNF4(quantized);
      checkShape(path, name, file.tensors.get(name)?.shape, shape);
      return file.readFloat32(name);
    },
    holdsFloat32: (name) => ["F32", "F64"].includes(file.tensors.get(name)?.dtype ?? ""),
    async readFloat16(name, shape) {
      const quantized = await readNF4(name, shape);
      if (quantized) return toFloat16(dequantizeNF4(quantized), name);
      checkShape(path, name, file.tensors.get(name)?.shape, shape);
      return readRowsAsFloat16(file, name, name);
    },
    readNF4,
    close: () => file.close(),
  };
}

export async function closingOnError<T>(file: WeightFile, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Elements decoded at a time. */
const decodedElements = 2 ** 22;

/** The bits of float16's two infinities. */
const infinities = [0x7c00, 0xfc00];

/** The tensor `stored` of a file, so that its float32 values never exist as a whole. */
export async function readRowsAsFloat16(
  file: WeightFile,
  stored: string,
  name: string,
): Promise<Uint16Array> {
  const { shape, dtype } = file.tensors.get(stored)!;
  if (dtype === "F16") {
    const { buffer, byteOffset, byteLength } = await file.readBytes(stored);
    const bits = new Uint16Array(buffer, byteOffset, byteLength / 2);
    if (infinities.some((infinity) => bits.includes(infinity))) throw beyondFloat16(name);
    return bits;
  }
  const [count, ...inner] = shape as [number, ...number[]];
  const width = inner.reduce((product, size) => product * size, 1);
  const step = Math.max(1, Math.floor(decodedElements / width));
  const values = new Uint16Array(count * width);
  for (let start = 0; start < count; start += step) {
    const part = await file.readFloat32(stored, { start, end: Math.min(count, start + step) });
    values.set(toFloat16(part, name), start * width);
  }
  return values;
}

export function toFloat16(values: Float32Array, name: string): Uint16Array {
  if (values.some((value) => Math.abs(value) > 65_504)) throw beyondFloat16(name);
  return encodeFloat16(values);
}

function beyondFloat16(name: string): InputError {
  return new InputError(
    `The tensor "${name}" has values beyond float16's range; choose the storage float32.`,
  );
}

export function checkShape(
  path: string,
  name: string,
  found: readonly number[] | undefined,
  expected: readonly number[],
): void {
  if (!found) throw new InputError(`${path} lacks the tensor "${name}".`);
  if (found.join() !== expected.join()) {
    throw new InputError(
      `${path}: the tensor "${name}" has the shape [${found.join(", ")}], but the model's configuration asks for [${expected.join(", ")}].`,
    );
  }
}
