/**
 * @file Gemma 3 (Gemma Team 2025), the text model: norms before and after attention and feed-forward, kept around 0; windows in
 * most layers, which have a rotation of their own.
 */

import * as z from "zod";
import { InputError } from "../errors.ts";
import { withRole } from "../formats/known-keys.ts";
import { add } from "../graph/operators/elementwise.ts";
import { fastGelu } from "../graph/operators/neural-network.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Architecture, BlockParts, ModelConfig, TensorConversion } from "./architecture.ts";
import {
  checkActivation,
  parseFields,
  positive,
  readSizes,
  readTypedLayers,
  typedConfigSchema,
  writeSizes,
  writeTypedLayers,
} from "./config-file.ts";
import { everyFamily } from "./config-keys.ts";
import { llamaBlockNames } from "./llama.ts";
import {
  gatedFeedForward,
  hiddenNorms,
  llamaModules,
  type Norm,
  normalizeHeads,
  normsOf,
  selfAttention,
} from "./parts.ts";

/** Names of the activation in Transformers. */
export const geluNames = ["gelu_pytorch_tanh"];

const schema = typedConfigSchema.extend({
  hidden_activation: z.string(),
  query_pre_attn_scalar: positive,
  final_logit_softcapping: positive.nullish(),
  rope_theta: positive.default(1_000_000),
  rope_local_base_freq: positive.default(10_000),
  sliding_window_pattern: z.int().min(1).default(6),
});

export const gemmaNorms = [
  "input_layernorm",
  "post_attention_layernorm",
  "pre_feedforward_layernorm",
  "post_feedforward_layernorm",
] as const;

export const gemmaBlockNames = {
  ...llamaBlockNames,
  post_attention_layernorm: "post_attention_norm",
  pre_feedforward_layernorm: "ffn_norm",
  post_feedforward_layernorm: "post_ffw_norm",
} as const;

export const gemma3: Architecture = {
  modelType: "gemma3_text",
  className: "Gemma3ForCausalLM",
  keys: {
    ...everyFamily,
    ...withRole(
      "used",
      "final_logit_softcapping",
      "hidden_activation",
      "query_pre_attn_scalar",
      "rope_local_base_freq",
      "sliding_window",
      "sliding_window_pattern",
    ),
    // What the files hold beside the types of layers, and how Transformers keeps its cache.
    ...withRole("harmless", "_sliding_window_pattern", "cache_implementation"),
    // Transformers computes without a cap of the scores, whatever the file says.
    ...withRole("harmless", "attn_logit_softcapping"),
    ...withRole([], "hidden_act"),
    ...withRole([false], "attention_bias", "use_bidirectional_attention"),
  },
  defaults: {
    vocab_size: 262_208,
    hidden_size: 2304,
    intermediate_size: 9216,
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    hidden_activation: "gelu_pytorch_tanh",
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: true,
    query_pre_attn_scalar: 256,
    sliding_window: 4096,
  },
  readConfig(json, file) {
    const fields = parseFields(schema, json, file);
    checkActivation(fields.hidden_activation, file, geluNames);
    const sizes = readSizes(fields, file);
    return {
      ...sizes,
      layers: readTypedLayers(
        fields,
        sizes,
        file,
        (layer) => (layer + 1) % fields.sliding_window_pattern !== 0,
        fields.rope_local_base_freq,
      ),
      ...gemmaFactors(fields),
    };
  },
  writeConfig(config) {
    const { hidden_act: _, rope_theta: __, rope_scaling: ___, ...sizes } = writeSizes(config);
    return {
      ...sizes,
      hidden_activation: geluNames[0],
      query_pre_attn_scalar: queryPreAttnScalar(config),
      final_logit_softcapping: config.logitSoftcap ?? null,
      ...writeTypedLayers(config),
    };
  },
  linearModules: (config) => llamaModules(config),
  norms: (config) => [
    ...hiddenNorms(config, ...gemmaNorms),
    { name: "self_attn.q_norm.weight", size: config.headDim },
    { name: "self_attn.k_norm.weight", size: config.headDim },
  ],
  block(config, x, context, parts) {
    const norm = normsOf(config, parts);
    return gemmaBlock(x, norm, parts, (hidden) =>
      selfAttention(hidden, context, parts, normalizeHeads(config, norm)),
    );
  },
  gguf: {
    architecture: "gemma3",
    blockNames: {
      ...gemmaBlockNames,
      "self_attn.q_norm": "attn_q_norm",
      "self_attn.k_norm": "attn_k_norm",
    },
    keys: { "{arch}.rope.freq_base_swa": "used" },
    readConfig: (_file, read) => ({
      ...readGemmaGguf(read, layersOf27B),
      sliding_window_pattern: ggufPattern,
      rope_local_base_freq: read("rope.freq_base_swa"),
    }),
    writeConfig(config) {
      const { layers, logitSoftcap } = config;
      const lacks = (difference: string) =>
        new InputError(
          `GGUF's architecture "gemma3" ${difference}, unlike this model; export it as safetensors.`,
        );
      if (layers.some(({ slidingWindow }, layer) => (slidingWindow !== undefined) !== hasGgufWindow(layer)))
        throw lacks(`has a window in all but every ${ggufPattern}th layer`);
      if (!hasGgufScalar(config, layersOf27B)) throw lacks("scales attention by the size of its heads");
      if (layers.some(({ slidingWindow, rotary }) => slidingWindow !== undefined && rotary!.theta !== 10_000))
        throw lacks("rotates layers with a window at the base 10,000");
      if (logitSoftcap !== undefined) throw lacks("has no cap of the logits");
      return { "attention.sliding_window": windowOf(config) ?? 0 };
    },
    conversion: normsAroundOne,
  },
  languagePartOf: "gemma3",
};

/** llama.cpp adds to Gemma's norms what they are kept without. */
export function normsAroundOne(name: string): TensorConversion | undefined {
  if (!name.endsWith("norm.weight")) return undefined;
  return {
    toHuggingFace: (values) => values.map((value) => value - 1),
    toGguf: (values) => values.map((value) => value + 1),
  };
}

/** Of so many layers llama.cpp's last has no window. */
const ggufPattern = 6;

function hasGgufWindow(layer: number): boolean {
  return (layer + 1) % ggufPattern !== 0;
}

/** Layers of the model of 27 billion parameters. */
const layersOf27B = 62;

/** What of a Gemma's config.json are factors of its computation. */
export function gemmaFactors(fields: {
  readonly hidden_size: number;
  readonly query_pre_attn_scalar: number;
  readonly final_logit_softcapping?: number | null | undefined;
}) {
  return {
    attentionScale: 1 / Math.sqrt(fields.query_pre_attn_scalar),
    embeddingScale: Math.sqrt(fields.hidden_size),
    normOffset: 1,
    ...(fields.final_logit_softcapping && { logitSoftcap: fields.final_logit_softcapping }),
  };
}

/** A block that normalizes what it gives to attention and to the feed-forward layer, and what they give. */
export function gemmaBlock(x: Tensor, norm: Norm, parts: BlockParts, attend: (x: Tensor) => Tensor): Tensor {
  const residual = add(x, norm("post_attention_layernorm", attend(norm("input_layernorm", x))));
  const mlp = gatedFeedForward(norm("pre_feedforward_layernorm", residual), parts, fastGelu);
  return add(residual, norm("post_feedforward_layernorm", mlp));
}

/**
 * What a GGUF file of Gemma says beside what all do.
 *
 * @param layersOf27B of the family's model of 27 billion parameters
 */
export function readGemmaGguf(read: (key: string) => number | undefined, layersOf27B: number) {
  const [layers, hidden, heads] = ["block_count", "embedding_length", "attention.head_count"].map(read);
  const headDim = read("attention.key_length") ?? hidden! / heads!;
  return {
    hidden_activation: geluNames[0],
    sliding_window: read("attention.sliding_window"),
    query_pre_attn_scalar: ggufScalar(layers!, hidden! / heads!, headDim, layersOf27B),
  };
}

/** Whether llama.cpp scales attention as the model does. */
export function hasGgufScalar(config: ModelConfig, layersOf27B: number): boolean {
  const { numHiddenLayers, hiddenSize, numAttentionHeads, headDim } = config;
  const scalar = ggufScalar(numHiddenLayers, hiddenSize / numAttentionHeads, headDim, layersOf27B);
  return Math.abs(queryPreAttnScalar(config) - scalar) <= 1e-6;
}

/** What llama.cpp takes the root of to scale attention: in the model of 27 billion parameters another size than the heads'. */
function ggufScalar(layers: number, hiddenPerHead: number, headDim: number, layersOf27B: number): number {
  return layers === layersOf27B ? hiddenPerHead : headDim;
}

export function queryPreAttnScalar({ attentionScale }: ModelConfig): number {
  return Math.round(1e6 / attentionScale ** 2) / 1e6;
}

export function windowOf({ layers }: ModelConfig): number | undefined {
  return layers.find(({ slidingWindow }) => slidingWindow !== undefined)?.slidingWindow;
}
