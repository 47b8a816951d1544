/** @file Gemma 2 (Gemma Team 2024): Gemma 3's blocks without norms of query and key heads, with soft caps of scores and logits. */

import * as z from "zod";
import { InputError } from "../errors.ts";
import { withRole } from "../formats/known-keys.ts";
import { add } from "../graph/operators/elementwise.ts";
import { fastGelu } from "../graph/operators/neural-network.ts";
import type { Architecture } from "./architecture.ts";
import {
  checkActivation,
  configSchema,
  parseFields,
  positive,
  readLayers,
  readLayerTypes,
  readRotary,
  readSizes,
  writeSizes,
} from "./config-file.ts";
import { everyFamily } from "./config-keys.ts";
import { geluNames, gemmaNorms, normsAroundOne, queryPreAttnScalar, windowOf } from "./gemma3.ts";
import { llamaBlockNames } from "./llama.ts";
import { gatedFeedForward, hiddenNorms, llamaModules, normsOf, selfAttention } from "./parts.ts";

const schema = configSchema.extend({
  hidden_activation: z.string(),
  query_pre_attn_scalar: positive,
  attn_logit_softcapping: positive.nullish(),
  final_logit_softcapping: positive.nullish(),
});

/** Whether a layer has a window, where the file does not say: every other, the first included. */
const hasWindow = (layer: number) => layer % 2 === 0;

export const gemma2: Architecture = {
  modelType: "gemma2",
  className: "Gemma2ForCausalLM",
  keys: {
    ...everyFamily,
    ...withRole(
      "used",
      "attn_logit_softcapping",
      "final_logit_softcapping",
      "hidden_activation",
      "query_pre_attn_scalar",
      "sliding_window",
    ),
    // Older files hold an activation that is not the one that is used, and sizes of a cache.
    ...withRole("harmless", "cache_implementation", "hidden_act", "sliding_window_size"),
    ...withRole([false], "attention_bias", "use_bidirectional_attention"),
  },
  defaults: {
    vocab_size: 256_000,
    hidden_size: 2304,
    intermediate_size: 9216,
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    hidden_activation: "gelu_pytorch_tanh",
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: true,
    query_pre_attn_scalar: 256,
    sliding_window: 4096,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
  },
  readConfig(json, file) {
    const fields = parseFields(schema, json, file);
    checkActivation(fields.hidden_activation, file, geluNames);
    const sizes = readSizes(fields, file);
    const layer_types = readLayerTypes(fields, file, hasWindow);
    const rotary = readRotary(fields, sizes, file);
    return {
      ...sizes,
      layers: readLayers({ ...fields, layer_types }, file, rotary, fields.sliding_window),
      attentionScale: 1 / Math.sqrt(fields.query_pre_attn_scalar),
      embeddingScale: Math.sqrt(fields.hidden_size),
      normOffset: 1,
      ...(fields.attn_logit_softcapping && { attentionSoftcap: fields.attn_logit_softcapping }),
      ...(fields.final_logit_softcapping && { logitSoftcap: fields.final_logit_softcapping }),
    };
  },
  writeConfig(config) {
    const { hidden_act: _, ...sizes } = writeSizes(config);
    return {
      ...sizes,
      hidden_activation: geluNames[0],
      query_pre_attn_scalar: queryPreAttnScalar(config),
      layer_types: config.layers.map(({ slidingWindow }) =>
        slidingWindow === undefined ? "full_attention" : "sliding_attention",
      ),
      sliding_window: windowOf(config) ?? null,
      attn_logit_softcapping: config.attentionSoftcap ?? null,
      final_logit_softcapping: config.logitSoftcap ?? null,
    };
  },
  linearModules: (config) => llamaModules(config),
  norms: (config) => hiddenNorms(config, ...gemmaNorms),
  block(config, x, context, parts) {
    const norm = normsOf(config, parts);
    const attended = selfAttention(norm("input_layernorm", x), context, parts);
    const residual = add(x, norm("post_attention_layernorm", attended));
    const mlp = gatedFeedForward(norm("pre_feedforward_layernorm", residual), parts, fastGelu);
    return add(residual, norm("post_feedforward_layernorm", mlp));
  },
  gguf: {
    architecture: "gemma2",
    blockNames: {
      ...llamaBlockNames,
      post_attention_layernorm: "post_attention_norm",
      pre_feedforward_layernorm: "ffn_norm",
      post_feedforward_layernorm: "post_ffw_norm",
    },
    keys: withRole("used", "{arch}.attn_logit_softcapping", "{arch}.final_logit_softcapping"),
    readConfig(_file, read) {
      const [layers, hidden, heads] = ["block_count", "embedding_length", "attention.head_count"].map(read);
      return {
        hidden_activation: geluNames[0],
        sliding_window: read("attention.sliding_window"),
        query_pre_attn_scalar: ggufScalar(
          layers!,
          hidden! / heads!,
          read("attention.key_length") ?? hidden! / heads!,
        ),
        attn_logit_softcapping: read("attn_logit_softcapping"),
        final_logit_softcapping: read("final_logit_softcapping"),
      };
    },
    writeConfig(config) {
      const { numHiddenLayers, hiddenSize, numAttentionHeads, headDim } = config;
      const { attentionSoftcap, logitSoftcap } = config;
      const hasPattern = config.layers.every(
        ({ slidingWindow }, layer) => (slidingWindow !== undefined) === hasWindow(layer),
      );
      const scalar = ggufScalar(numHiddenLayers, hiddenSize / numAttentionHeads, headDim);
      const hasScalar = Math.abs(queryPreAttnScalar(config) - scalar) <= 1e-6;
      if (!hasPattern || !hasScalar || attentionSoftcap === undefined || logitSoftcap === undefined) {
        throw new InputError(
          `GGUF's architecture "gemma2" has a window in every other layer, scales attention by the size of its heads, and caps scores and logits, unlike this model; export it as safetensors.`,
        );
      }
      return {
        "attention.sliding_window": windowOf(config)!,
        attn_logit_softcapping: { float32: attentionSoftcap },
        final_logit_softcapping: { float32: logitSoftcap },
      };
    },
    conversion: normsAroundOne,
  },
};

/** What llama.cpp takes the root of to scale attention: in the model of 27 billion parameters another size than the heads'. */
function ggufScalar(layers: number, hiddenPerHead: number, headDim: number): number {
  return layers === 46 ? hiddenPerHead : headDim;
}
