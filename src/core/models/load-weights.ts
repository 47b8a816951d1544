/** @file Reads a checkpoint's weights into memory, in the form in which they are stored there. */

import {
  embeddingName,
  headName,
  listLinearModules,
  listVectors,
  nameInLayer,
  normName,
} from "../architectures/modules.ts";
import { InputError } from "../errors.ts";
import { areFinite, quote } from "../formats/weight-file.ts";
import { quantizeInt8 } from "../quantization/int8.ts";
import { NF4_BLOCK_SIZE, type NF4Tensor, quantizeNF4 } from "../quantization/nf4.ts";
import { float32, type HostTensor, type RowMatrix } from "../runtime/device.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Storage, storedTensorNames } from "./linear.ts";
import type { ModelWeights } from "./weights.ts";

export interface LoadOptions {
  /** How the linear weights of the blocks are kept. Default "float32". */
  readonly storage?: Storage;
  /** Whether the scales of NF4 blocks are quantized as well. Default true. */
  readonly doubleQuantization?: boolean;
  /** Called after each block, with the share of the model that is loaded. */
  readonly onProgress?: (share: number) => void;
}

/** The tensors of a block by their names within it. */
export type BlockTensors = Readonly<Record<string, HostTensor>>;

/**
 * Reads all weights. Norms and biases are kept in float32, the embedding and the output layer as
 * {@link chooseTableDtype} says.
 *
 * @throws InputError if a tensor is missing, of another shape, or beyond float16's range.
 *
 * @example
 * const { openUrl } = await import("slimtune/web");
 * const checkpoint = await openGgufCheckpoint(await openUrl("https://example.org/model.gguf"));
 * const weights = await loadWeights(checkpoint, { storage: "nf4", onProgress: console.log });
 */
export async function loadWeights(checkpoint: Checkpoint, options: LoadOptions = {}): Promise<ModelWeights> {
  const { numHiddenLayers } = checkpoint.config;
  const blocks: BlockTensors[] = [];
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    blocks.push(await loadBlock(checkpoint, layer, options));
    options.onProgress?.((layer + 1) / numHiddenLayers);
  }
  return joinWeights(checkpoint, options, async (layer) => blocks[layer]!);
}

/**
 * Blocks that are read elsewhere, and perhaps tables too, with the other weights.
 *
 * @throws InputError as {@link loadWeights}
 */
export async function joinWeights(
  checkpoint: Checkpoint,
  { storage = "float32" }: LoadOptions,
  block: ModelWeights["block"],
  readTable: (name: string) => RowMatrix | Promise<RowMatrix> = (name) =>
    loadTable(checkpoint, name, storage),
): Promise<ModelWeights> {
  const { config } = checkpoint;
  const [embeddingTable, headTable] = tableNames(checkpoint);
  const embedding = await readTable(embeddingTable);
  return {
    storage,
    block,
    embedding,
    norm: float32(await checkpoint.read(normName, [config.hiddenSize]), [config.hiddenSize]),
    head: headTable === embeddingTable ? embedding : await readTable(headTable),
  };
}

/** Names of the embedding and the output layer in the file; where they are tied, it may hold either. */
export function tableNames(checkpoint: Checkpoint): readonly [embedding: string, head: string] {
  const embedding = embeddingNameOf(checkpoint);
  return [embedding, checkpoint.config.tieWordEmbeddings ? embedding : headName];
}

/** Reads the embedding or the output layer. @throws InputError as {@link loadWeights} */
export async function loadTable(checkpoint: Checkpoint, name: string, storage: Storage): Promise<HostTensor> {
  const { vocabSize, hiddenSize } = checkpoint.config;
  return readDense(checkpoint, name, [vocabSize, hiddenSize], chooseTableDtype(checkpoint, storage, name));
}

/** Reads one block. @throws InputError as {@link loadWeights} */
export async function loadBlock(
  checkpoint: Checkpoint,
  layer: number,
  { storage = "float32", doubleQuantization = true }: LoadOptions,
): Promise<BlockTensors> {
  const { config } = checkpoint;
  const tensors: Record<string, HostTensor> = {};
  for (const { name, size } of listVectors(config)) {
    tensors[name] = float32(await checkpoint.read(nameInLayer(layer, name), [size]), [size]);
  }
  for (const { name, outFeatures, inFeatures } of listLinearModules(config)) {
    const weight = `${name}.weight`;
    const fullName = nameInLayer(layer, weight);
    const dims = [outFeatures, inFeatures] as const;
    switch (storage) {
      case "nf4":
        Object.assign(
          tensors,
          nf4Tensors(weight, await readNF4(checkpoint, fullName, dims, doubleQuantization)),
        );
        break;
      case "int8":
        Object.assign(tensors, int8Tensors(weight, await readNumbers(checkpoint, fullName, dims), dims));
        break;
      default:
        tensors[weight] = await readDense(checkpoint, fullName, dims, storage);
    }
  }
  return tensors;
}

/**
 * How the embedding or the output layer `name` is kept under a storage of the blocks. NF4 and int8 leave them as the file
 * has them, as bitsandbytes does: float32 if it holds that, else float16.
 */
export function chooseTableDtype(
  checkpoint: Checkpoint,
  storage: Storage,
  name = embeddingNameOf(checkpoint),
): "float32" | "float16" {
  if (storage === "float32" || storage === "float16") return storage;
  return checkpoint.holdsFloat32(name) ? "float32" : "float16";
}

/** Where embedding and output layer are tied, a file may hold either. */
function embeddingNameOf(checkpoint: Checkpoint): string {
  const { tieWordEmbeddings } = checkpoint.config;
  return tieWordEmbeddings && !checkpoint.has(embeddingName) ? headName : embeddingName;
}

async function readDense(
  checkpoint: Checkpoint,
  name: string,
  dims: readonly number[],
  dtype: "float32" | "float16",
): Promise<HostTensor> {
  return dtype === "float32"
    ? float32(await checkpoint.read(name, dims), dims)
    : { dtype, dims, data: await checkpoint.readFloat16(name, dims) };
}

/** A weight that is to be quantized, which would hide values that are no numbers. */
async function readNumbers(
  checkpoint: Checkpoint,
  name: string,
  dims: readonly number[],
): Promise<Float32Array> {
  const values = await checkpoint.read(name, dims);
  if (areFinite(values)) return values;
  throw new InputError(
    `${checkpoint.path}: the tensor ${quote(name)} has values that are not finite numbers; the file is damaged, so load it anew.`,
  );
}

async function readNF4(
  checkpoint: Checkpoint,
  name: string,
  dims: readonly number[],
  doubleQuantization: boolean,
): Promise<NF4Tensor> {
  const stored = await checkpoint.readNF4(name, dims);
  if (stored) return stored;
  const values = await readNumbers(checkpoint, name, dims);
  if (values.length % NF4_BLOCK_SIZE !== 0) {
    throw new InputError(
      `The tensor "${name}" has ${values.length} elements, which is no multiple of NF4's blocks of ${NF4_BLOCK_SIZE}.`,
    );
  }
  return quantizeNF4(values, { doubleQuantization });
}

function nf4Tensors(name: string, { codes, absmax }: NF4Tensor): Record<string, HostTensor> {
  const [codesName, absmaxName] = storedTensorNames(name, "nf4") as [string, string];
  return {
    [codesName]: { dtype: "uint8", dims: [codes.length], data: codes },
    [absmaxName]: float32(absmax, [absmax.length]),
  };
}

function int8Tensors(
  name: string,
  values: Float32Array,
  dims: readonly [number, number],
): Record<string, HostTensor> {
  const { codes, scales } = quantizeInt8(values, dims[0]);
  const [codesName, scalesName] = storedTensorNames(name, "int8") as [string, string];
  return {
    [codesName]: { dtype: "int8", dims, data: codes },
    [scalesName]: float32(scales, [scales.length]),
  };
}

/** Identifies a base model by its norms' weights, which every storage and file format keeps exactly: their SHA-256. */
export async function fingerprintModel(checkpoint: Checkpoint): Promise<string> {
  const { config } = checkpoint;
  const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) =>
    listVectors(config).map(({ name, size }) => ({ name: nameInLayer(layer, name), size })),
  );
  const vectors = [...layers.flat(), { name: normName, size: config.hiddenSize }];
  const values = new Float32Array(vectors.reduce((sum, { size }) => sum + size, 0));
  let end = 0;
  for (const { name, size } of vectors) {
    values.set(await checkpoint.read(name, [size]), end);
    end += size;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", values));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
