/** @file Qwen2 and Qwen2.5 (Yang et al. 2024): Llama's blocks with biases of queries, keys and values, and windows of some layers. */

import { type KeyTable, withRole } from "../formats/known-keys.ts";
import type { Architecture } from "./architecture.ts";
import { type ConfigFields, writeSizes } from "./config-file.ts";
import { everyFamily } from "./config-keys.ts";
import { type LlamaConfig, llama, llamaBlockNames, readLlamaConfig } from "./llama.ts";
import { llamaModules } from "./parts.ts";

export const qwenDefaults = {
  vocab_size: 151_936,
  hidden_size: 4096,
  intermediate_size: 22_016,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  hidden_act: "silu",
  max_position_embeddings: 32_768,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
  use_sliding_window: false,
  sliding_window: 4096,
  max_window_layers: 28,
};

export const qwenKeys: KeyTable = {
  ...everyFamily,
  ...withRole("used", "max_window_layers", "sliding_window", "use_sliding_window"),
};

export function qwenWindow({ use_sliding_window, sliding_window }: ConfigFields): number | null | undefined {
  return use_sliding_window ? sliding_window : undefined;
}

export const qwen2: Architecture<LlamaConfig> = {
  ...llama,
  modelType: "qwen2",
  className: "Qwen2ForCausalLM",
  // Its projections have biases whatever the file says.
  keys: { ...qwenKeys, ...withRole("harmless", "attention_bias") },
  defaults: qwenDefaults,
  readConfig: (json, file) => readLlamaConfig(json, file, qwenWindow),
  writeConfig: writeSizes,
  linearModules: (config) => llamaModules(config, { queryKeyValue: true }),
  gguf: { architecture: "qwen2", blockNames: llamaBlockNames },
};
