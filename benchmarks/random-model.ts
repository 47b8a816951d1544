/** @file Models of real shapes with random weights, for timing. */

import { encodeFloat16 } from "../src/formats/float16.ts";
import { type ModelConfig, parseConfig } from "../src/models/config.ts";
import { type Storage, storedTensorNames } from "../src/models/linear.ts";
import { listLinearModules, listVectors } from "../src/models/modules.ts";
import type { ModelWeights } from "../src/models/weights.ts";
import { createRandom } from "../src/random.ts";
import { float32, type HostTensor } from "../src/runtime/device.ts";

/** Shapes as their config.json gives them. */
const shapes = {
  "SmolLM2-135M": {
    model_type: "llama",
    vocab_size: 49152,
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    rope_theta: 100_000,
    tie_word_embeddings: true,
  },
  "Qwen2.5-1.5B": {
    model_type: "qwen2",
    vocab_size: 151_936,
    hidden_size: 1536,
    intermediate_size: 8960,
    num_hidden_layers: 28,
    num_attention_heads: 12,
    num_key_value_heads: 2,
    max_position_embeddings: 32_768,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    tie_word_embeddings: true,
  },
} as const;

export type ShapeName = keyof typeof shapes;

export function configOf(name: ShapeName): ModelConfig {
  return parseConfig(shapes[name], name);
}

/** Uniform numbers of about the size of trained weights. */
function drawFloats(size: number, seed: number): Float32Array {
  const random = createRandom(seed);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = (random.uniform() - 0.5) * 0.1;
  return values;
}

/** As in a bfloat16 checkpoint, from which NF4 keeps the tables in float16. */
function drawTable({ vocabSize, hiddenSize }: ModelConfig, storage: Storage): HostTensor {
  const dims = [vocabSize, hiddenSize];
  if (storage === "float32") return float32(drawFloats(vocabSize * hiddenSize, 1000), dims);
  const data = new Uint16Array(vocabSize * hiddenSize);
  for (let row = 0; row < vocabSize; row++)
    data.set(encodeFloat16(drawFloats(hiddenSize, 1000 + row)), row * hiddenSize);
  return { dtype: "float16", dims, data };
}

/** Random weights, made in the storage asked for: an NF4 model never exists in float32. */
export function createRandomWeights(config: ModelConfig, storage: Storage): ModelWeights {
  const blocks = Array.from({ length: config.numHiddenLayers }, (_, layer) => {
    const tensors: Record<string, HostTensor> = {};
    for (const { name, size } of listVectors(config))
      tensors[name] = float32(new Float32Array(size).fill(1), [size]);
    for (const { name, outFeatures, inFeatures } of listLinearModules(config)) {
      const weight = `${name}.weight`;
      const size = outFeatures * inFeatures;
      if (storage === "nf4") {
        const [codes, absmax] = storedTensorNames(weight, storage) as [string, string];
        const random = createRandom(layer);
        const words = Uint32Array.from({ length: size / 8 }, () => random.nextUint32());
        tensors[codes] = { dtype: "uint8", dims: [size / 2], data: new Uint8Array(words.buffer) };
        tensors[absmax] = float32(new Float32Array(size / 64).fill(0.05), [size / 64]);
      } else {
        tensors[weight] = float32(drawFloats(size, layer), [outFeatures, inFeatures]);
      }
    }
    return tensors;
  });
  const embedding = drawTable(config, storage);
  const norm = float32(new Float32Array(config.hiddenSize).fill(1), [config.hiddenSize]);
  return { storage, block: (layer) => blocks[layer]!, embedding, norm, head: embedding };
}
