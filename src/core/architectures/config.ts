/** @file What a model's `config.json` says, checked and brought into one form for all families. */

import { z } from "zod";
import { InputError } from "../errors.ts";
import { checkKeys } from "../formats/known-keys.ts";
import { quote } from "../formats/weight-file.ts";
import { type Family, families, type ModelType, modelTypes } from "./families.ts";

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

const size = z.int().min(1).max(10_000_000);
const positive = z.number().positive().finite();

/** The rotary embedding's keys of the types that are supported. */
const ropeParameters = z.strictObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: positive.optional(),
  partial_rotary_factor: z.number().optional(),
  factor: positive.nullish(),
  low_freq_factor: positive.optional(),
  high_freq_factor: positive.optional(),
  original_max_position_embeddings: size.optional(),
});

const configSchema = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: z.int().min(1).max(1000),
  num_attention_heads: z.int().min(1).max(10_000),
  num_key_value_heads: z.int().min(1).max(10_000).nullish(),
  head_dim: z.int().min(2).max(10_000).nullish(),
  max_position_embeddings: size,
  rms_norm_eps: positive,
  hidden_act: z.string(),
  rope_theta: positive.default(10_000),
  rope_scaling: z.looseObject({}).nullish(),
  rope_parameters: z.looseObject({}).nullish(),
  sliding_window: z.int().min(0).nullish(),
  use_sliding_window: z.boolean().optional(),
  max_window_layers: z.int().min(0).optional(),
  layer_types: z.array(z.string()).nullish(),
  tie_word_embeddings: z.boolean(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
});

type Config = z.infer<typeof configSchema>;

const ropeTypes = ["default", "linear", "llama3"];

/** Names of the activation x · sigmoid(x) in Transformers. */
const siluNames = ["silu", "swish"];

/**
 * Reads the parsed `config.json` of a Hugging Face model. Keys that it leaves out have the values that Transformers gives them.
 *
 * @param file where the configuration comes from, for messages
 * @throws InputError for an architecture, activation, rotary scaling or other setting that is not supported, or a broken value.
 */
export function parseConfig(json: unknown, file: string): ModelConfig {
  const modelType = z.looseObject({ model_type: z.string() }).safeParse(json).data?.model_type;
  if (modelType === undefined)
    throw new InputError(`${file} names no "model_type", so it is not a model's configuration.`);
  if (!Object.hasOwn(families, modelType)) {
    throw new InputError(
      `${file} describes a ${quote(modelType)} model, which is not supported; supported are ${modelTypes.join(", ")}.`,
    );
  }
  const family = families[modelType as ModelType];
  const given = json as Record<string, unknown>;
  checkKeys(Object.entries(given), family.keys, file);
  checkQuantization(given.quantization_config, file);
  const config = parse(configSchema, { ...family.defaults, ...given }, file);
  checkArchitectures(config, file);
  if (!siluNames.includes(config.hidden_act)) {
    throw new InputError(
      `${file} asks for the activation ${quote(config.hidden_act)}; only "silu" is supported.`,
    );
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
  const configuredBias = family.attentionBias === "as configured" && config.attention_bias === true;
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
    ...readRotation(config, file),
    slidingWindow: readSlidingWindow(config, family, file),
    tieWordEmbeddings: config.tie_word_embeddings,
    queryKeyValueBias: configuredBias || family.attentionBias === "query, key, value",
    outputBias: configuredBias,
    mlpBias: config.mlp_bias === true,
    queryKeyNorm: family.queryKeyNorm,
  };
}

function parse<T extends z.ZodType>(schema: T, value: unknown, file: string, key?: string): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const path = [...(key === undefined ? [] : [key]), ...issue.path].join(".");
  throw new InputError(`${file} has a bad value at "${path}": ${issue.message}.`);
}

/** Refuses models with another head than the one that predicts the next token. */
function checkArchitectures({ architectures }: Config, file: string): void {
  const other = architectures?.find((name) => !/(?:ForCausalLM|Model)$/i.test(name));
  if (other !== undefined) {
    throw new InputError(
      `${file} describes a ${quote(other)}, which is no language model; choose one "…ForCausalLM".`,
    );
  }
}

const quantizationSchema = z.looseObject({
  quant_method: z.string().optional(),
  load_in_4bit: z.boolean().optional(),
  load_in_8bit: z.boolean().optional(),
});

/** Refuses weights that are quantized in a way that is not read, by its name: all but bitsandbytes' 4 bits. */
function checkQuantization(given: unknown, file: string): void {
  if (given === undefined || given === null) return;
  const config = parse(quantizationSchema, given, file, "quantization_config");
  const method = config.quant_method ?? (config.load_in_4bit || config.load_in_8bit ? "bitsandbytes" : "");
  if (method === "bitsandbytes" && config.load_in_4bit === true) return;
  const name =
    method === "bitsandbytes" ? "bitsandbytes (8 bits)" : method === "" ? "an unnamed method" : method;
  throw new InputError(
    `${file} says that the weights are quantized by ${name}, which is not read; choose the model before quantization, or one in bitsandbytes' NF4 or as GGUF.`,
  );
}

/**
 * The rotary embedding's base and scaling. As in Transformers, `rope_scaling` takes the place of all `rope_parameters`, unless it
 * is empty, and a base in them comes before the one beside them.
 */
function readRotation(config: Config, file: string): Pick<ModelConfig, "ropeTheta" | "ropeScaling"> {
  for (const { rope_type, type = "default" } of [config.rope_scaling ?? {}, config.rope_parameters ?? {}]) {
    if (ropeTypes.includes(String(rope_type ?? type))) continue;
    throw new InputError(
      `${file} scales the rotary embedding by ${JSON.stringify(rope_type ?? type)}, which is not supported; supported are ${ropeTypes.join(", ")}.`,
    );
  }
  const key = Object.keys(config.rope_scaling ?? {}).length > 0 ? "rope_scaling" : "rope_parameters";
  const parameters = parse(ropeParameters, config[key] ?? {}, file, key);
  if ((parameters.partial_rotary_factor ?? 1) !== 1) {
    throw new InputError(
      `${file} rotates only a part of each head ("partial_rotary_factor": ${parameters.partial_rotary_factor}), which is not supported.`,
    );
  }
  return {
    ropeTheta: parameters.rope_theta ?? config.rope_theta,
    ropeScaling: readRopeScaling(parameters, config, file),
  };
}

function readRopeScaling(
  rope: z.infer<typeof ropeParameters>,
  config: Config,
  file: string,
): ModelConfig["ropeScaling"] {
  const need = (key: "factor" | "low_freq_factor" | "high_freq_factor"): number => {
    const value = rope[key];
    if (typeof value !== "number")
      throw new InputError(`${file} scales the rotary embedding but gives no "${key}".`);
    return value;
  };
  const type = rope.rope_type ?? rope.type;
  switch (type) {
    case "linear":
      return { type, factor: need("factor") };
    case "llama3":
      return {
        type,
        factor: need("factor"),
        lowFreqFactor: need("low_freq_factor"),
        highFreqFactor: need("high_freq_factor"),
        originalMaxPositionEmbeddings:
          rope.original_max_position_embeddings ?? config.max_position_embeddings,
      };
    default:
      if ((rope.factor ?? 1) === 1) return undefined;
      throw new InputError(
        `${file} gives a factor of the rotary embedding (${rope.factor}) but no type of scaling; add "rope_type", such as "linear".`,
      );
  }
}

/** The window of attention of all layers, which must have the same. */
function readSlidingWindow(config: Config, family: Family, file: string): number | undefined {
  const isOptional = family.slidingWindow === "as configured";
  const window = isOptional && !config.use_sliding_window ? undefined : config.sliding_window;
  const first = isOptional ? config.max_window_layers! : 0;
  const types = listLayerTypes(config, file, (layer) => typeof window === "number" && layer >= first);
  const sliding = types.filter((type) => type === "sliding_attention").length;
  if (sliding === 0) return undefined;
  if (sliding < types.length) {
    const name = family.slidingWindow === "all layers" ? ' (a "ministral")' : "";
    throw new InputError(
      `${file} gives a sliding window to ${sliding} of its ${types.length} layers only${name}, which is not supported.`,
    );
  }
  if (!window)
    throw new InputError(`${file} gives its layers a sliding window, but no size of it ("sliding_window").`);
  return window;
}

/** Each layer's type of attention, by `hasWindow` where the file does not say. "attention" is an older name of full attention. */
function listLayerTypes(config: Config, file: string, hasWindow: (layer: number) => boolean): string[] {
  const count = config.num_hidden_layers;
  const types =
    config.layer_types ??
    Array.from({ length: count }, (_, layer) => (hasWindow(layer) ? "sliding_attention" : "full_attention"));
  if (types.length !== count) {
    throw new InputError(
      `${file} gives ${types.length} "layer_types" for ${count} layers ("num_hidden_layers").`,
    );
  }
  const other = types.find((type) => !["full_attention", "attention", "sliding_attention"].includes(type));
  if (other !== undefined)
    throw new InputError(`${file} has layers of the type ${quote(other)}, which is not supported.`);
  return types;
}
