/** @file Llama (Touvron et al. 2023; Llama 3: Dubey et al. 2024), and how its blocks are called in GGUF. */

import { withRole } from "../formats/known-keys.ts";
import type { Architecture, GgufConventions, ModelConfig } from "./architecture.ts";
import {
  type ConfigFields,
  checkActivation,
  configSchema,
  parseFields,
  readLayers,
  readRotary,
  readSizes,
  writeSizes,
} from "./config-file.ts";
import { everyFamily } from "./config-keys.ts";
import { ropeFreqs } from "./gguf-rotary.ts";
import { interleavedProjections } from "./gguf-rows.ts";
import {
  gatedFeedForward,
  hiddenNorms,
  llamaModules,
  normsOf,
  preNormBlock,
  selfAttention,
} from "./parts.ts";

export interface LlamaConfig extends ModelConfig {
  /** Biases of all projections of attention. */
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
}

/**
 * Reads the configuration of a family made like Llama.
 *
 * @param windowOf the window of the layers that have one
 */
export function readLlamaConfig(
  json: Readonly<Record<string, unknown>>,
  file: string,
  windowOf: (fields: ConfigFields) => number | null | undefined,
): LlamaConfig {
  const fields = parseFields(configSchema, json, file);
  checkActivation(fields.hidden_act, file);
  const sizes = readSizes(fields, file);
  return {
    ...sizes,
    layers: readLayers(
      fields,
      file,
      readRotary(fields, sizes, file),
      windowOf(fields),
      fields.max_window_layers,
    ),
    attentionBias: fields.attention_bias === true,
    mlpBias: fields.mlp_bias === true,
  };
}

/** Names in GGUF of the parts of a block like Llama's. */
export const llamaBlockNames = {
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
} as const;

/** llama.cpp's architecture "llama", which Mistral's models have too. */
export const llamaGguf: GgufConventions = {
  architecture: "llama",
  blockNames: llamaBlockNames,
  rotary: ropeFreqs,
  readConfig: ({ tensors }) => ({
    attention_bias: tensors.has("blk.0.attn_q.bias"),
    mlp_bias: tensors.has("blk.0.ffn_up.bias"),
  }),
  conversion: interleavedProjections,
};

export const llama: Architecture<LlamaConfig> = {
  modelType: "llama",
  className: "LlamaForCausalLM",
  keys: {
    ...everyFamily,
    ...withRole("used", "attention_bias", "mlp_bias"),
    ...withRole([], "sliding_window"),
    ...withRole([false], "use_sliding_window"),
    ...withRole("harmless", "max_window_layers"),
  },
  defaults: {
    vocab_size: 32_000,
    hidden_size: 4096,
    intermediate_size: 11_008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    hidden_act: "silu",
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    attention_bias: false,
    mlp_bias: false,
  },
  readConfig: (json, file) => readLlamaConfig(json, file, () => undefined),
  writeConfig: (config) => ({
    ...writeSizes(config),
    attention_bias: config.attentionBias,
    mlp_bias: config.mlpBias,
  }),
  linearModules: (config) =>
    llamaModules(config, {
      queryKeyValue: config.attentionBias,
      output: config.attentionBias,
      mlp: config.mlpBias,
    }),
  norms: (config) => hiddenNorms(config, "input_layernorm", "post_attention_layernorm"),
  block: (config, x, context, parts) =>
    preNormBlock(
      x,
      normsOf(config, parts),
      (hidden) => selfAttention(hidden, context, parts),
      (hidden) => gatedFeedForward(hidden, parts),
    ),
  gguf: llamaGguf,
};
