/** @file Gemma 2 (Gemma Team 2024): Gemma 3's blocks without norms of query and key heads, with soft caps of scores and logits. */

import * as z from "zod";
import { InputError } from "../errors.ts";
import { withRole } from "../formats/known-keys.ts";
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
import {
  geluNames,
  gemmaBlock,
  gemmaBlockNames,
  gemmaFactors,
  gemmaNorms,
  hasGgufScalar,
  normsAroundOne,
  queryPreAttnScalar,
  readGemmaGguf,
  windowOf,
} from "./gemma3.ts";
import { hiddenNorms, llamaModules, normsOf, selfAttention } from "./parts.ts";

const schema = configSchema.extend({
  hidden_activation: z.string(),
  query_pre_attn_scalar: positive,
  attn_logit_softcapping: positive.nullish(),
  final_logit_softcapping: positive.nullish(),
});

/** Layers of the model of 27 billion parameters. */
const layersOf27B = 46;

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
      ...gemmaFactors(fields),
      ...(fields.attn_logit_softcapping && { attentionSoftcap: fields.attn_logit_softcapping }),
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
    return gemmaBlock(x, normsOf(config, parts), parts, (hidden) => selfAttention(hidden, context, parts));
  },
  gguf: {
    architecture: "gemma2",
    blockNames: gemmaBlockNames,
    keys: withRole("used", "{arch}.attn_logit_softcapping", "{arch}.final_logit_softcapping"),
    readConfig: (_file, read) => ({
      ...readGemmaGguf(read, layersOf27B),
      attn_logit_softcapping: read("attn_logit_softcapping"),
      final_logit_softcapping: read("final_logit_softcapping"),
    }),
    writeConfig(config) {
      const { attentionSoftcap, logitSoftcap } = config;
      const hasPattern = config.layers.every(
        ({ slidingWindow }, layer) => (slidingWindow !== undefined) === hasWindow(layer),
      );
      const hasScalar = hasGgufScalar(config, layersOf27B);
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
