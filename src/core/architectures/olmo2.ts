/** @file OLMo 2 (OLMo Team 2024): Llama's parts with norms after attention and feed-forward, and of all heads' queries and keys. */

import { withRole } from "../formats/known-keys.ts";
import { add } from "../graph/operators/elementwise.ts";
import type { Architecture } from "./architecture.ts";
import { writeSizes } from "./config-file.ts";
import { everyFamily } from "./config-keys.ts";
import { type LlamaConfig, llamaBlockNames, readLlamaConfig } from "./llama.ts";
import { gatedFeedForward, hiddenNorms, llamaModules, normsOf, selfAttention } from "./parts.ts";

export const olmo2: Architecture<LlamaConfig> = {
  modelType: "olmo2",
  className: "Olmo2ForCausalLM",
  keys: { ...everyFamily, ...withRole("used", "attention_bias"), ...withRole([], "sliding_window") },
  defaults: {
    vocab_size: 50_304,
    hidden_size: 4096,
    intermediate_size: 11_008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    hidden_act: "silu",
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    attention_bias: false,
  },
  readConfig: (json, file) => readLlamaConfig(json, file, () => undefined),
  writeConfig: (config) => ({ ...writeSizes(config), attention_bias: config.attentionBias }),
  linearModules: (config) =>
    llamaModules(config, { queryKeyValue: config.attentionBias, output: config.attentionBias }),
  norms: (config) => [
    ...hiddenNorms(config, "post_attention_layernorm", "post_feedforward_layernorm"),
    { name: "self_attn.q_norm.weight", size: config.numAttentionHeads * config.headDim },
    { name: "self_attn.k_norm.weight", size: config.numKeyValueHeads * config.headDim },
  ],
  block(config, x, context, parts) {
    const norm = normsOf(config, parts);
    const attended = selfAttention(x, context, parts, (projection, projected) =>
      norm(`self_attn.${projection}_norm`, projected, projected.shape[2] as number),
    );
    const residual = add(x, norm("post_attention_layernorm", attended));
    return add(residual, norm("post_feedforward_layernorm", gatedFeedForward(residual, parts)));
  },
  gguf: {
    architecture: "olmo2",
    blockNames: {
      ...llamaBlockNames,
      "self_attn.q_norm": "attn_q_norm",
      "self_attn.k_norm": "attn_k_norm",
      post_attention_layernorm: "post_attention_norm",
      post_feedforward_layernorm: "post_ffw_norm",
    },
    readConfig: ({ tensors }) => ({ attention_bias: tensors.has("blk.0.attn_q.bias") }),
  },
};
