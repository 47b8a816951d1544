/** @file Models of real shapes with random weights, for timing, as Hugging Face folders that every program reads. */

import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseConfig } from "../src/core/architectures/architectures.ts";
import { listTensors } from "../src/core/architectures/modules.ts";
import { encodeFloat16 } from "../src/core/formats/float16.ts";
import type { TensorToWrite } from "../src/core/formats/safetensors.ts";
import { createRandom } from "../src/core/random.ts";
import { cachePath } from "../src/node/cache-folder.ts";
import { writeSafetensors } from "../src/node/formats/safetensors.ts";

const llama = { architectures: ["LlamaForCausalLM"], model_type: "llama", rms_norm_eps: 1e-5 } as const;
const qwen2 = {
  architectures: ["Qwen2ForCausalLM"],
  model_type: "qwen2",
  rms_norm_eps: 1e-6,
  rope_theta: 1_000_000,
  max_position_embeddings: 32_768,
  vocab_size: 151_936,
  tie_word_embeddings: true,
} as const;

/** Shapes as their config.json gives them. */
const shapes = {
  "SmolLM2-135M": {
    ...llama,
    vocab_size: 49_152,
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    max_position_embeddings: 8192,
    rope_theta: 100_000,
    tie_word_embeddings: true,
  },
  "Qwen2.5-0.5B": {
    ...qwen2,
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
  },
  "Qwen2.5-1.5B": {
    ...qwen2,
    hidden_size: 1536,
    intermediate_size: 8960,
    num_hidden_layers: 28,
    num_attention_heads: 12,
    num_key_value_heads: 2,
  },
  "Mistral-7B": {
    ...llama,
    architectures: ["MistralForCausalLM"],
    model_type: "mistral",
    vocab_size: 32_768,
    hidden_size: 4096,
    intermediate_size: 14_336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    max_position_embeddings: 32_768,
    rope_theta: 1_000_000,
    sliding_window: null,
    tie_word_embeddings: false,
  },
} as const;

export type ShapeName = keyof typeof shapes;

/**
 * The folder of a model of this shape, which is written to the user's folder of caches the first time: matrices in float16,
 * normal with the deviation 0.02 that models begin with, and the tokenizer of the embedded model.
 */
export async function randomModel(name: ShapeName): Promise<string> {
  const folder = cachePath("random-models", name);
  if (existsSync(folder)) return folder;
  const temporary = `${folder}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  process.stderr.write(`writing random weights of the shape of ${name}\n`);
  const shape = { hidden_act: "silu", initializer_range: 0.02, torch_dtype: "float16", ...shapes[name] };
  writeFileSync(join(temporary, "config.json"), `${JSON.stringify(shape, undefined, 2)}\n`);
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(join("fixtures/embedded-model", file), join(temporary, file));
  const tensors = listTensors(parseConfig(shapes[name], name)).map(
    ({ name: tensor, shape: dims }, seed): TensorToWrite => ({
      name: tensor,
      dtype: "float16",
      shape: dims,
      data: () =>
        dims.length === 1
          ? encodeFloat16(new Float32Array(dims[0]!).fill(tensor.endsWith("bias") ? 0 : 1))
          : drawMatrix(dims[0]! * dims[1]!, seed),
    }),
  );
  await writeSafetensors(join(temporary, "model.safetensors"), tensors);
  renameSync(temporary, folder);
  return folder;
}

/** So many numbers are drawn; larger matrices repeat them from a place of their own, which is as good for timing. */
const drawn = 2 ** 22;
let normal: Uint16Array | undefined;

function drawMatrix(size: number, seed: number): Uint16Array {
  normal ??= drawNormal();
  const values = new Uint16Array(size);
  const random = createRandom(seed);
  for (let start = 0; start < size; ) {
    const from = random.below(drawn);
    const part = normal.subarray(from, Math.min(drawn, from + size - start));
    values.set(part, start);
    start += part.length;
  }
  return values;
}

function drawNormal(): Uint16Array {
  const random = createRandom(0);
  const values = Float32Array.from({ length: drawn }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
    return 0.02 * radius * Math.cos(2 * Math.PI * random.uniform());
  });
  return encodeFloat16(values);
}
