/** @file Mistral (Jiang et al. 2023): Llama's blocks with a window of attention. */

import { withRole } from "../formats/known-keys.ts";
import type { Architecture } from "./architecture.ts";
import { everyFamily } from "./config-keys.ts";
import { type LlamaConfig, llama, readLlamaConfig } from "./llama.ts";

export const mistral: Architecture<LlamaConfig> = {
  ...llama,
  modelType: "mistral",
  className: "MistralForCausalLM",
  keys: {
    ...everyFamily,
    ...withRole("used", "sliding_window"),
    ...withRole([false], "attention_bias"),
    ...withRole("harmless", "max_window_layers", "use_sliding_window"),
  },
  defaults: {
    vocab_size: 32_000,
    hidden_size: 4096,
    intermediate_size: 14_336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    hidden_act: "silu",
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    sliding_window: 4096,
  },
  readConfig: ({ max_window_layers: _, ...json }, file) =>
    readLlamaConfig(json, file, ({ sliding_window }) => sliding_window),
};
