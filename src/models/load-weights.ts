/** @file Reads a checkpoint's weights into memory, in the form in which they are stored there. */

import { createHash } from "node:crypto";
import { InputError } from "../errors.ts";
import { encodeFloat16 } from "../formats/float16.ts";
import { type NF4Tensor, quantizeNF4 } from "../quantization/nf4.ts";
import { float32, type HostTensor } from "../runtime/device.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Storage, storedTensorNames } from "./linear.ts";
import { listLinearModules, listVectors, nameInLayer } from "./modules.ts";
import { embeddingName, headName, type ModelWeights, normName } from "./weights.ts";

export interface LoadOptions {
  /** How the linear weights of the blocks are kept. Default "float32". */
  readonly storage?: Storage;
  /** Whether the scales of NF4 blocks are quantized as well. Default true. */
  readonly doubleQuantization?: boolean;
  /** Called after each block, with the share of the model that is loaded. */
  readonly onProgress?: (share: number) => void;
}

/**
 * Reads all weights. Norms and biases are kept in float32; the embedding and the output layer in float16 if that is
 * the storage, else in float32 (NF4 leaves them as they are, as bitsandbytes does).
 *
 * @throws InputError if a tensor is missing, of another shape, or beyond float16's range.
 */
export function loadWeights(checkpoint: Checkpoint, options: LoadOptions = {}): ModelWeights {
  const { storage = "float32", doubleQuantization = true, onProgress } = options;
  const { config } = checkpoint;
  const modules = listLinearModules(config);
  const vectors = listVectors(config);

  const blocks = Array.from({ length: config.numHiddenLayers }, (_, layer) => {
    const tensors: Record<string, HostTensor> = {};
    for (const { name, size } of vectors) {
      tensors[name] = float32(checkpoint.read(nameInLayer(layer, name), [size]), [size]);
    }
    for (const { name, outFeatures, inFeatures } of modules) {
      const weight = `${name}.weight`;
      const dims = [outFeatures, inFeatures];
      const fullName = nameInLayer(layer, weight);
      const quantized = storage === "nf4" ? checkpoint.readNF4(fullName, dims) : undefined;
      Object.assign(
        tensors,
        quantized
          ? nf4Tensors(weight, quantized)
          : storeWeight(weight, checkpoint.read(fullName, dims), dims, storage, doubleQuantization, fullName),
      );
    }
    onProgress?.((layer + 1) / config.numHiddenLayers);
    return tensors;
  });

  const tableShape = [config.vocabSize, config.hiddenSize];
  const tableStorage = storage === "float16" ? "float16" : "float32";
  const readTable = (name: string): HostTensor =>
    storeWeight(name, checkpoint.read(name, tableShape), tableShape, tableStorage, false, name)[name]!;
  // Where the two are tied, a file may hold either.
  const tied = config.tieWordEmbeddings;
  const embedding = readTable(tied && !checkpoint.has(embeddingName) ? headName : embeddingName);
  return {
    storage,
    block: (layer) => blocks[layer]!,
    embedding,
    norm: float32(checkpoint.read(normName, [config.hiddenSize]), [config.hiddenSize]),
    head: tied ? embedding : readTable(headName),
  };
}

/** One weight [out, in] as the tensors in which it is kept. */
function storeWeight(
  name: string,
  values: Float32Array,
  dims: readonly number[],
  storage: Storage,
  doubleQuantization: boolean,
  fullName: string,
): Record<string, HostTensor> {
  switch (storage) {
    case "float32":
      return { [name]: float32(values, dims) };
    case "float16": {
      if (values.some((value) => Math.abs(value) > 65_504)) {
        throw new InputError(
          `The tensor "${fullName}" has values beyond float16's range; choose the storage float32.`,
        );
      }
      return { [name]: { dtype: "float16", dims, data: encodeFloat16(values) } };
    }
    case "nf4": {
      if (values.length % 64 !== 0) {
        throw new InputError(
          `The tensor "${fullName}" has ${values.length} elements, which is no multiple of NF4's blocks of 64.`,
        );
      }
      return nf4Tensors(name, quantizeNF4(values, { doubleQuantization }));
    }
  }
}

function nf4Tensors(name: string, { codes, absmax }: NF4Tensor): Record<string, HostTensor> {
  const [codesName, absmaxName] = storedTensorNames(name, "nf4") as [string, string];
  return {
    [codesName]: { dtype: "uint8", dims: [codes.length], data: codes },
    [absmaxName]: float32(absmax, [absmax.length]),
  };
}

/** Identifies a base model by its norms' weights, which every storage and file format keeps exactly. */
export function fingerprintModel(checkpoint: Checkpoint): string {
  const { config } = checkpoint;
  const hash = createHash("sha256");
  const add = (name: string, size: number) => {
    const values = checkpoint.read(name, [size]);
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  };
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    for (const { name, size } of listVectors(config)) add(nameInLayer(layer, name), size);
  }
  add(normName, config.hiddenSize);
  return hash.digest("hex");
}
