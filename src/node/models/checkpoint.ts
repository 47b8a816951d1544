/** @file A model's files: a Hugging Face folder or a GGUF file, with its configuration, tokenizer and tensors. */

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { parseConfig } from "../../core/architectures/architectures.ts";
import { InputError } from "../../core/errors.ts";
import { encodeFloat16 } from "../../core/formats/float16.ts";
import { openGguf } from "../../core/formats/gguf.ts";
import { openSafetensorsModel } from "../../core/formats/safetensors.ts";
import type { WeightFile } from "../../core/formats/weight-file.ts";
import {
  checkGgufTensors,
  ggufConversion,
  ggufTensorName,
  readGgufConfig,
} from "../../core/models/gguf-model.ts";
import {
  checkStoredTensors,
  nameLikeLanguageModel,
  untieStoredHead,
} from "../../core/models/stored-tensors.ts";
import { readBnbNF4 } from "../../core/quantization/bnb-checkpoint.ts";
import { dequantizeNF4, type NF4Tensor } from "../../core/quantization/nf4.ts";
import { openGgufTokenizer } from "../../core/tokenization/gguf.ts";
import { openHuggingFaceTokenizer } from "../../core/tokenization/hugging-face.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import { readText } from "../files/read.ts";
import { parseJson } from "../files/structured.ts";

/** A model on disk, opened. The tensors are read when asked for. */
export interface Checkpoint {
  readonly path: string;
  readonly config: ModelConfig;
  /** @throws InputError if the tokenizer is missing, damaged or not supported. */
  tokenizer(): Tokenizer;
  /** Whether there is a tensor of that Hugging Face name. */
  has(name: string): boolean;
  /**
   * A tensor by its Hugging Face name, as float32 in Hugging Face's order of elements.
   *
   * @throws InputError if it is missing or of another shape.
   */
  read(name: string, shape: readonly number[]): Float32Array;
  /** Whether the file holds the tensor in float32; 16-bit and quantized numbers lose next to nothing in float16. */
  holdsFloat32(name: string): boolean;
  /**
   * The tensor as float16, read some rows at a time.
   *
   * @throws InputError if it is missing, of another shape, or has values beyond float16's range.
   */
  readFloat16(name: string, shape: readonly number[]): Uint16Array;
  /** The same tensor where the file holds it in NF4; undefined where it does not. */
  readNF4(name: string, shape: readonly number[]): NF4Tensor | undefined;
  close(): void;
}

/**
 * Opens a model's folder or GGUF file.
 *
 * @throws InputError if there is none at `path`, or it is damaged or not supported.
 */
export function openCheckpoint(path: string): Checkpoint {
  if (!existsSync(path)) throw new InputError(`There is no model at ${path}.`);
  return statSync(path).isDirectory() ? openFolder(path) : openGgufFile(path);
}

/** @throws InputError if `folder` holds no config.json of a supported model. */
export function readFolderConfig(folder: string): ModelConfig {
  const path = join(folder, "config.json");
  if (!existsSync(path)) {
    throw new InputError(`${folder} holds no config.json, so it is not a Hugging Face model folder.`);
  }
  return parseConfig(parseJson(readText(path), path, "download it again"), path);
}

function openFolder(folder: string): Checkpoint {
  const described = readFolderConfig(folder);
  const file = nameLikeLanguageModel(openSafetensorsModel(folder));
  const config = closingOnError(file, () => {
    const config = untieStoredHead(described, file);
    checkStoredTensors(config, file);
    return config;
  });
  const readNF4 = (name: string, shape: readonly number[]) => {
    const quantized = readBnbNF4(file, name);
    if (quantized) checkShape(folder, name, quantized.shape, shape);
    return quantized;
  };
  return {
    path: folder,
    config,
    tokenizer: () => openHuggingFaceTokenizer(folder),
    has: (name) => file.tensors.has(name),
    read(name, shape) {
      const quantized = readNF4(name, shape);
      if (quantized) return dequantizeNF4(quantized);
      checkShape(folder, name, file.tensors.get(name)?.shape, shape);
      return file.readFloat32(name);
    },
    holdsFloat32: (name) => ["F32", "F64"].includes(file.tensors.get(name)?.dtype ?? ""),
    readFloat16(name, shape) {
      const quantized = readNF4(name, shape);
      if (quantized) return toFloat16(dequantizeNF4(quantized), name);
      checkShape(folder, name, file.tensors.get(name)?.shape, shape);
      return readRowsAsFloat16(file, name, name);
    },
    readNF4,
    close: () => file.close(),
  };
}

function openGgufFile(path: string): Checkpoint {
  if (!path.endsWith(".gguf")) {
    throw new InputError(`${path} is neither a model folder nor a .gguf file.`);
  }
  const file = openGguf(path);
  const config = closingOnError(file, () => {
    const config = readGgufConfig(file);
    checkGgufTensors(config, file);
    return config;
  });
  const find = (name: string, shape: readonly number[]): string => {
    const stored = ggufTensorName(config, name);
    checkShape(path, stored, file.tensors.get(stored)?.shape, shape);
    return stored;
  };
  const read = (name: string, shape: readonly number[]): Float32Array => {
    const values = file.readFloat32(find(name, shape));
    return ggufConversion(config, name)?.toHuggingFace(values) ?? values;
  };
  return {
    path,
    config,
    tokenizer: () => openGgufTokenizer(file.metadata),
    has: (name) => file.tensors.has(ggufTensorName(config, name)),
    read,
    holdsFloat32: (name) => file.tensors.get(ggufTensorName(config, name))?.dtype === "F32",
    readFloat16: (name, shape) =>
      ggufConversion(config, name)
        ? toFloat16(read(name, shape), name)
        : readRowsAsFloat16(file, find(name, shape), name),
    readNF4: () => undefined,
    close: () => file.close(),
  };
}

function closingOnError<T>(file: WeightFile, read: () => T): T {
  try {
    return read();
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
function readRowsAsFloat16(file: WeightFile, stored: string, name: string): Uint16Array {
  const { shape, dtype } = file.tensors.get(stored)!;
  if (dtype === "F16") {
    const { buffer, byteOffset, byteLength } = file.readBytes(stored);
    const bits = new Uint16Array(buffer, byteOffset, byteLength / 2);
    if (infinities.some((infinity) => bits.includes(infinity))) throw beyondFloat16(name);
    return bits;
  }
  const [count, ...inner] = shape as [number, ...number[]];
  const width = inner.reduce((product, size) => product * size, 1);
  const step = Math.max(1, Math.floor(decodedElements / width));
  const values = new Uint16Array(count * width);
  for (let start = 0; start < count; start += step) {
    const part = file.readFloat32(stored, { start, end: Math.min(count, start + step) });
    values.set(toFloat16(part, name), start * width);
  }
  return values;
}

function toFloat16(values: Float32Array, name: string): Uint16Array {
  if (values.some((value) => Math.abs(value) > 65_504)) throw beyondFloat16(name);
  return encodeFloat16(values);
}

function beyondFloat16(name: string): InputError {
  return new InputError(
    `The tensor "${name}" has values beyond float16's range; choose the storage float32.`,
  );
}

function checkShape(
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
