/** @file Qwen3 (Yang et al. 2025): Qwen2 with norms of query and key heads in place of biases. */

import { InputError } from "../errors.ts";
import { withRole } from "../formats/known-keys.ts";
import type { Architecture } from "./architecture.ts";
import { writeSizes } from "./config-file.ts";
import { type LlamaConfig, llama, llamaBlockNames, readLlamaConfig } from "./llama.ts";
import { gatedFeedForward, normalizeHeads, normsOf, preNormBlock, selfAttention } from "./parts.ts";
import { qwenDefaults, qwenKeys, qwenWindow } from "./qwen2.ts";

export const qwen3: Architecture<LlamaConfig> = {
  ...llama,
  modelType: "qwen3",
  className: "Qwen3ForCausalLM",
  keys: { ...qwenKeys, ...withRole("used", "attention_bias") },
  defaults: { ...qwenDefaults, head_dim: 128, attention_bias: false },
  readConfig: (json, file) => readLlamaConfig(json, file, qwenWindow),
  writeConfig: (config) => ({ ...writeSizes(config), attention_bias: config.attentionBias }),
  norms: (config) => [
    ...llama.norms(config),
    { name: "self_attn.q_norm.weight", size: config.headDim },
    { name: "self_attn.k_norm.weight", size: config.headDim },
  ],
  block(config, x, context, parts) {
    const norm = normsOf(config, parts);
    return preNormBlock(
      x,
      norm,
      (hidden) => selfAttention(hidden, context, parts, normalizeHeads(config, norm)),
      (hidden) => gatedFeedForward(hidden, parts),
    );
  },
  gguf: {
    architecture: "qwen3",
    blockNames: {
      ...llamaBlockNames,
      "self_attn.q_norm": "attn_q_norm",
      "self_attn.k_norm": "attn_k_norm",
    },
    readConfig: ({ tensors }) => ({ attention_bias: tensors.has("blk.0.attn_q.bias") }),
    writeConfig({ attentionBias }) {
      if (!attentionBias) return {};
      throw new InputError(
        'GGUF\'s architecture "qwen3" has no biases of the attention, which this model has; export it as safetensors.',
      );
    },
  },
};
