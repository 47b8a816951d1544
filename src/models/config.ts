/** @file What a model's `config.json` says, checked and brought into one form for all families. */

import { z } from "zod";
import { InputError } from "../errors.ts";

/** Scaling of the rotary frequencies, as Llama 3.1 defines it (Hugging Face's rope type "llama3"). */
export interface Llama3RopeScaling {
  readonly type: "llama3";
  readonly factor: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  readonly originalMaxPositionEmbeddings: number;
}

/** All frequencies divided by one factor (rope type "linear"). */
export interface LinearRopeScaling {
  readonly type: "linear";
  readonly factor: number;
}

/** Each frequency divided by a factor of its own, as GGUF files hold the scaling of Llama 3. */
export interface FactorsRopeScaling {
  readonly type: "factors";
  /** [headDim / 2] */
  readonly factors: Float32Array;
}

/** The architecture of a decoder of the Llama kind. Sizes are numbers of elements. */
export interface ModelConfig {
  readonly modelType: ModelType;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly maxPositionEmbeddings: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: Llama3RopeScaling | LinearRopeScaling | FactorsRopeScaling | undefined;
  /** Positions before its own that a token attends to, itself included; undefined for all. */
  readonly slidingWindow: number | undefined;
  readonly tieWordEmbeddings: boolean;
  /** Biases of the query, key and value projections. */
  readonly queryKeyValueBias: boolean;
  /** Bias of the attention's output projection. */
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** RMS normalization of each query and key head before the rotation. */
  readonly queryKeyNorm: boolean;
}

/** What sets a family apart. A new one is a line here, as long as its blocks are built from the same parts. */
const families = {
  llama: { attentionBias: "as configured", mlpBias: true, queryKeyNorm: false, slidingWindow: false },
  mistral: { attentionBias: "none", mlpBias: false, queryKeyNorm: false, slidingWindow: true },
  qwen2: { attentionBias: "query, key, value", mlpBias: false, queryKeyNorm: false, slidingWindow: true },
  qwen3: { attentionBias: "as configured", mlpBias: false, queryKeyNorm: true, slidingWindow: true },
} as const;

export type ModelType = keyof typeof families;
export const modelTypes = Object.keys(families) as ModelType[];

const size = z.int().min(1).max(10_000_000);
const positive = z.number().positive().finite();

const ropeParameters = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: positive.optional(),
  factor: positive.optional(),
  low_freq_factor: positive.optional(),
  high_freq_factor: positive.optional(),
  original_max_position_embeddings: size.optional(),
});

const configSchema = z.looseObject({
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: z.int().min(1).max(1000),
  num_attention_heads: z.int().min(1).max(10_000),
  num_key_value_heads: z.int().min(1).max(10_000).nullish(),
  head_dim: z.int().min(2).max(10_000).nullish(),
  max_position_embeddings: size.default(2048),
  rms_norm_eps: positive.default(1e-6),
  hidden_act: z.string().default("silu"),
  rope_theta: positive.nullish(),
  rope_scaling: ropeParameters.nullish(),
  rope_parameters: ropeParameters.nullish(),
  sliding_window: size.nullish(),
  use_sliding_window: z.boolean().optional(),
  max_window_layers: z.int().min(0).nullish(),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
});

/**
 * Reads the parsed `config.json` of a Hugging Face model.
 *
 * @param file where the configuration comes from, for messages
 * @throws InputError for an architecture, activation or rotary scaling that is not supported, or a broken value.
 */
export function parseConfig(json: unknown, file: string): ModelConfig {
  const modelType = z.looseObject({ model_type: z.string() }).safeParse(json).data?.model_type;
  if (modelType === undefined)
    throw new InputError(`${file} names no "model_type", so it is not a model's configuration.`);
  if (!Object.hasOwn(families, modelType)) {
    throw new InputError(
      `${file} describes a "${modelType}" model, which is not supported; supported are ${modelTypes.join(", ")}.`,
    );
  }
  const family = families[modelType as ModelType];
  const parsed = configSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new InputError(`${file} has a bad value at "${issue.path.join(".")}": ${issue.message}.`);
  }
  const config = parsed.data;
  if (config.hidden_act !== "silu") {
    throw new InputError(`${file} asks for the activation "${config.hidden_act}"; only "silu" is supported.`);
  }
  const numKeyValueHeads = config.num_key_value_heads ?? config.num_attention_heads;
  if (config.num_attention_heads % numKeyValueHeads !== 0) {
    throw new InputError(
      `${file} has ${config.num_attention_heads} attention heads, which ${numKeyValueHeads} key-value heads cannot share evenly.`,
    );
  }
  const headDim = config.head_dim ?? config.hidden_size / config.num_attention_heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw new InputError(
      `${file} gives heads of ${headDim} elements; the rotary embedding needs an even number.`,
    );
  }
  const rope = { ...config.rope_scaling, ...config.rope_parameters };
  const configuredBias = family.attentionBias === "as configured" && config.attention_bias;
  return {
    modelType: modelType as ModelType,
    vocabSize: config.vocab_size,
    hiddenSize: config.hidden_size,
    intermediateSize: config.intermediate_size,
    numHiddenLayers: config.num_hidden_layers,
    numAttentionHeads: config.num_attention_heads,
    numKeyValueHeads,
    headDim,
    maxPositionEmbeddings: config.max_position_embeddings,
    rmsNormEps: config.rms_norm_eps,
    ropeTheta: rope.rope_theta ?? config.rope_theta ?? 10_000,
    ropeScaling: readRopeScaling(rope, file),
    slidingWindow: family.slidingWindow ? readSlidingWindow(config, modelType, file) : undefined,
    tieWordEmbeddings: config.tie_word_embeddings,
    queryKeyValueBias: configuredBias || family.attentionBias === "query, key, value",
    outputBias: configuredBias,
    mlpBias: family.mlpBias && config.mlp_bias,
    queryKeyNorm: family.queryKeyNorm,
  };
}

function readRopeScaling(rope: z.infer<typeof ropeParameters>, file: string): ModelConfig["ropeScaling"] {
  const type = rope.rope_type ?? rope.type ?? "default";
  const need = (key: keyof typeof rope): number => {
    const value = rope[key];
    if (typeof value !== "number")
      throw new InputError(`${file} scales the rotary embedding but gives no "${String(key)}".`);
    return value;
  };
  switch (type) {
    case "default":
      return undefined;
    case "linear":
      return { type, factor: need("factor") };
    case "llama3":
      return {
        type,
        factor: need("factor"),
        lowFreqFactor: need("low_freq_factor"),
        highFreqFactor: need("high_freq_factor"),
        originalMaxPositionEmbeddings: need("original_max_position_embeddings"),
      };
    default:
      throw new InputError(
        `${file} scales the rotary embedding by "${type}", which is not supported; supported are default, linear, llama3.`,
      );
  }
}

function readSlidingWindow(
  config: z.infer<typeof configSchema>,
  modelType: string,
  file: string,
): number | undefined {
  const window = config.sliding_window ?? undefined;
  if (window === undefined || modelType === "mistral") return window;
  if (config.use_sliding_window !== true) return undefined;
  // Qwen gives the window to the layers from `max_window_layers` on.
  const full = config.max_window_layers ?? config.num_hidden_layers;
  if (full >= config.num_hidden_layers) return undefined;
  if (full === 0) return window;
  throw new InputError(
    `${file} gives a sliding window to some layers only ("max_window_layers": ${full}), which is not supported.`,
  );
}
