/** @file What a model's `config.json` says of the parts that families share. */

import * as z from "zod";
import { InputError } from "../errors.ts";
import { quote } from "../formats/weight-file.ts";
import type { LayerAttention, ModelConfig } from "./architecture.ts";
import type { Rotary } from "./rotary.ts";

export const size = z.int().min(1).max(10_000_000);
export const positive = z.number().positive().finite();

/** The rotary embedding's keys of the types that are supported. */
const ropeParameters = z.strictObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: positive.optional(),
  partial_rotary_factor: z.number().optional(),
  factor: positive.nullish(),
  low_freq_factor: positive.optional(),
  high_freq_factor: positive.optional(),
  original_max_position_embeddings: size.nullish(),
  attention_factor: positive.nullish(),
  beta_fast: positive.nullish(),
  beta_slow: positive.nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().optional(),
  short_factor: z.array(positive).optional(),
  long_factor: z.array(positive).optional(),
});
type RopeParameters = z.infer<typeof ropeParameters>;

/** The keys of families made like Llama; other families extend it. */
export const configSchema = z.looseObject({
  model_type: z.string(),
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: z.int().min(1).max(1000),
  num_attention_heads: z.int().min(1).max(10_000),
  num_key_value_heads: z.int().min(1).max(10_000).nullish(),
  head_dim: z.int().min(2).max(10_000).nullish(),
  max_position_embeddings: size,
  rms_norm_eps: positive,
  hidden_act: z.string().optional(),
  rope_theta: positive.default(10_000),
  rope_scaling: z.looseObject({}).nullish(),
  rope_parameters: z.looseObject({}).nullish(),
  partial_rotary_factor: z.number().min(0).max(1).nullish(),
  sliding_window: z.int().min(0).nullish(),
  use_sliding_window: z.boolean().optional(),
  max_window_layers: z.int().min(0).optional(),
  layer_types: z.array(z.string()).nullish(),
  tie_word_embeddings: z.boolean(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
});

export type ConfigFields = z.infer<typeof configSchema>;

/** Values of `json` by a schema. @throws InputError that names `file` and the first bad value's key. */
export function parseFields<T extends z.ZodType>(
  schema: T,
  json: unknown,
  file: string,
  key?: string,
): z.infer<T> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const path = [...(key === undefined ? [] : [key]), ...issue.path].join(".");
  throw new InputError(`${file} has a bad value at "${path}": ${issue.message}.`);
}

/** Names of the activation x · sigmoid(x) in Transformers. */
const siluNames = ["silu", "swish"];

/** @throws InputError if `name` is none of the `supported` activations. Default: SiLU, by its names. */
export function checkActivation(name: string | undefined, file: string, supported = siluNames): void {
  if (name === undefined || supported.includes(name)) return;
  throw new InputError(
    `${file} asks for the activation ${quote(name)}; only ${quote(supported[0]!)} is supported.`,
  );
}

/** What {@link readSizes} reads: all of a configuration but how its layers attend. */
export type Sizes = Omit<ModelConfig, "layers">;

/** @throws InputError if heads cannot be divided among the key-value heads, or are of an odd size. */
export function readSizes(fields: ConfigFields, file: string): Sizes {
  const numAttentionHeads = fields.num_attention_heads;
  const numKeyValueHeads = fields.num_key_value_heads ?? numAttentionHeads;
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw new InputError(
      `${file} has ${numAttentionHeads} attention heads, which ${numKeyValueHeads} key-value heads cannot share evenly.`,
    );
  }
  const headDim = fields.head_dim ?? fields.hidden_size / numAttentionHeads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw new InputError(
      `${file} gives heads of ${headDim} elements; the rotary embedding needs an even number.`,
    );
  }
  return {
    modelType: fields.model_type,
    vocabSize: fields.vocab_size,
    hiddenSize: fields.hidden_size,
    intermediateSize: fields.intermediate_size,
    numHiddenLayers: fields.num_hidden_layers,
    numAttentionHeads,
    numKeyValueHeads,
    headDim,
    maxPositionEmbeddings: fields.max_position_embeddings,
    rmsNormEps: fields.rms_norm_eps,
    tieWordEmbeddings: fields.tie_word_embeddings,
    attentionScale: 1 / Math.sqrt(headDim),
  };
}

/**
 * The rotary embedding's base and scaling. As in Transformers, `rope_scaling` takes the place of all `rope_parameters`, unless it
 * is empty, and a base in them comes before the one beside them.
 *
 * @param options whether the family may rotate a part of each head
 * @throws InputError for a type of scaling that is not supported, or one that lacks a value.
 */
export function readRotary(
  fields: ConfigFields,
  { headDim }: Pick<Sizes, "headDim">,
  file: string,
  { isPartial = false } = {},
): Rotary {
  for (const { rope_type, type = "default" } of [fields.rope_scaling ?? {}, fields.rope_parameters ?? {}]) {
    if (Object.hasOwn(scalings, String(rope_type ?? type))) continue;
    throw new InputError(
      `${file} scales the rotary embedding by ${JSON.stringify(rope_type ?? type)}, which is not supported; supported are ${Object.keys(scalings).join(", ")}.`,
    );
  }
  const key = Object.keys(fields.rope_scaling ?? {}).length > 0 ? "rope_scaling" : "rope_parameters";
  const rope = parseFields(ropeParameters, fields[key] ?? {}, file, key);
  const part = rope.partial_rotary_factor ?? (isPartial ? fields.partial_rotary_factor : undefined) ?? 1;
  if (part !== 1 && !isPartial) {
    throw new InputError(
      `${file} rotates only a part of each head ("partial_rotary_factor": ${part}), which is not supported.`,
    );
  }
  const type = rope.rope_type ?? rope.type ?? undefined;
  const theta = rope.rope_theta ?? fields.rope_theta;
  const read = scalings[(type ?? "default") as keyof typeof scalings];
  if (type === undefined && (rope.factor ?? 1) !== 1) {
    throw new InputError(
      `${file} gives a factor of the rotary embedding (${rope.factor}) but no type of scaling; add "rope_type", such as "linear".`,
    );
  }
  const rotary = { dim: Math.floor(headDim * part), theta, scaling: read(rope, fields, file) };
  checkFactors(rotary, file);
  return rotary;
}

/** @throws InputError if there are not as many factors as frequencies. */
export function checkFactors({ dim, scaling }: Rotary, file: string): void {
  if (scaling?.type !== "longrope") return;
  const wrong = [scaling.shortFactors, scaling.longFactors].find(({ length }) => length !== dim / 2);
  if (!wrong) return;
  throw new InputError(
    `${file} gives ${wrong.length} factors of the rotary frequencies, but ${dim / 2} are needed.`,
  );
}

type ReadScaling = (rope: RopeParameters, fields: ConfigFields, file: string) => Rotary["scaling"];

/** Hugging Face's types of scaling. */
const scalings = {
  default: (rope, _fields, file) => {
    if ((rope.factor ?? 1) === 1) return undefined;
    throw new InputError(
      `${file} gives a factor of the rotary embedding (${rope.factor}) but the type "default", which has none; change "rope_type", such as to "linear".`,
    );
  },
  linear: (rope, _fields, file) => ({ type: "linear", factor: need(rope, "factor", file) }),
  llama3: (rope, fields, file) => ({
    type: "llama3",
    factor: need(rope, "factor", file),
    lowFreqFactor: need(rope, "low_freq_factor", file),
    highFreqFactor: need(rope, "high_freq_factor", file),
    originalMaxPositionEmbeddings: rope.original_max_position_embeddings ?? fields.max_position_embeddings,
  }),
  yarn: (rope, fields) => {
    const original = rope.original_max_position_embeddings ?? fields.max_position_embeddings;
    const factor = rope.factor ?? fields.max_position_embeddings / original;
    return {
      type: "yarn",
      factor,
      originalMaxPositionEmbeddings: original,
      betaFast: rope.beta_fast ?? 32,
      betaSlow: rope.beta_slow ?? 1,
      attentionFactor: rope.attention_factor ?? yarnAttentionFactor(factor, rope),
      truncate: rope.truncate ?? true,
    };
  },
  longrope: (rope, fields, file) => {
    const original = rope.original_max_position_embeddings ?? fields.max_position_embeddings;
    const factor = rope.factor ?? fields.max_position_embeddings / original;
    const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
    return {
      type: "longrope",
      shortFactors: Float32Array.from(need(rope, "short_factor", file)),
      longFactors: Float32Array.from(need(rope, "long_factor", file)),
      originalMaxPositionEmbeddings: original,
      attentionFactor: rope.attention_factor ?? usual,
    };
  },
  dynamic: (rope, fields, file) => ({
    type: "dynamic",
    factor: need(rope, "factor", file),
    maxPositionEmbeddings: fields.max_position_embeddings,
  }),
} satisfies Record<string, ReadScaling>;

/** Peng et al. 2023, section 3.4, and DeepSeek's two coefficients of it, as in Transformers. */
function yarnAttentionFactor(factor: number, { mscale, mscale_all_dim }: RopeParameters): number {
  const scale = (coefficient: number) => (factor <= 1 ? 1 : 0.1 * coefficient * Math.log(factor) + 1);
  return mscale && mscale_all_dim ? scale(mscale) / scale(mscale_all_dim) : scale(1);
}

function need<K extends "factor" | "low_freq_factor" | "high_freq_factor" | "short_factor" | "long_factor">(
  rope: RopeParameters,
  key: K,
  file: string,
): NonNullable<RopeParameters[K]> {
  const value = rope[key];
  if (value !== undefined && value !== null) return value;
  throw new InputError(`${file} scales the rotary embedding but gives no "${key}".`);
}

/** Each layer's type of attention, by `hasWindow` where the file does not say. "attention" is an older name of full attention. */
export function readLayerTypes(
  fields: ConfigFields,
  file: string,
  hasWindow: (layer: number) => boolean,
): ("full_attention" | "sliding_attention")[] {
  const count = fields.num_hidden_layers;
  const types =
    fields.layer_types ??
    Array.from({ length: count }, (_, layer) => (hasWindow(layer) ? "sliding_attention" : "full_attention"));
  if (types.length !== count) {
    throw new InputError(
      `${file} gives ${types.length} "layer_types" for ${count} layers ("num_hidden_layers").`,
    );
  }
  return types.map((type) => {
    if (type === "sliding_attention") return type;
    if (type === "full_attention" || type === "attention") return "full_attention";
    throw new InputError(`${file} has layers of the type ${quote(type)}, which is not supported.`);
  });
}

/**
 * How each layer attends, all with one rotation.
 *
 * @param window of the layers that have one; none if it is not a number
 * @param first layer that has it, where the file gives no types of layers
 * @throws InputError if the file gives layers a window but no size of it.
 */
export function readLayers(
  fields: ConfigFields,
  file: string,
  rotary: Rotary,
  window?: number | null,
  first = 0,
): LayerAttention[] {
  const types = readLayerTypes(fields, file, (layer) => typeof window === "number" && layer >= first);
  if (types.includes("sliding_attention") && !window)
    throw new InputError(`${file} gives its layers a sliding window, but no size of it ("sliding_window").`);
  const sliding = { slidingWindow: window ?? undefined, rotary };
  const full = { slidingWindow: undefined, rotary };
  return types.map((type) => (type === "sliding_attention" ? sliding : full));
}

const ropeOfType = z.looseObject({}).nullish();

/** The keys of families whose layers with a window have a rotation of their own. */
export const typedConfigSchema = configSchema.extend({
  rope_parameters: z.strictObject({ full_attention: ropeOfType, sliding_attention: ropeOfType }).nullish(),
});

/**
 * How each layer attends, with a rotation for those with a window and another for those without. A scaling beside the rotations is
 * that of the latter.
 *
 * @param hasWindow where the file gives no types of layers
 * @param slidingTheta base of the frequencies of layers with a window, where `rope_parameters` give none
 * @throws InputError as {@link readLayers} and {@link readRotary}
 */
export function readTypedLayers(
  fields: z.infer<typeof typedConfigSchema>,
  sizes: Sizes,
  file: string,
  hasWindow: (layer: number) => boolean,
  slidingTheta: number,
): LayerAttention[] {
  const { full_attention, sliding_attention } = fields.rope_parameters ?? {};
  const full = readRotary({ ...fields, rope_parameters: full_attention }, sizes, file);
  const sliding = readRotary(
    { ...fields, rope_scaling: null, rope_theta: slidingTheta, rope_parameters: sliding_attention },
    sizes,
    file,
  );
  const layer_types = readLayerTypes(fields, file, hasWindow);
  const layers = readLayers({ ...fields, layer_types }, file, full, fields.sliding_window);
  const windowed = { slidingWindow: fields.sliding_window ?? undefined, rotary: sliding };
  return layers.map((layer) => (layer.slidingWindow === undefined ? layer : windowed));
}

/** What says the layers of {@link readTypedLayers} in a config.json. */
export function writeTypedLayers({ layers }: ModelConfig): Record<string, unknown> {
  const full = layers.find(({ slidingWindow }) => slidingWindow === undefined)?.rotary;
  const windowed = layers.find(({ slidingWindow }) => slidingWindow !== undefined);
  return {
    layer_types: layers.map(({ slidingWindow }) =>
      slidingWindow === undefined ? "full_attention" : "sliding_attention",
    ),
    sliding_window: windowed?.slidingWindow ?? null,
    rope_parameters: {
      ...(full && { full_attention: writeRotary(full) }),
      ...(windowed && { sliding_attention: writeRotary(windowed.rotary) }),
    },
  };
}

/** The config.json of what {@link readSizes} reads, with the rotation of all layers. */
export function writeSizes(config: ModelConfig): Record<string, unknown> {
  const { rope_theta, ...scaling } = writeRotary(config.layers[0]!.rotary);
  return {
    model_type: config.modelType,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    num_key_value_heads: config.numKeyValueHeads,
    head_dim: config.headDim,
    hidden_act: "silu",
    max_position_embeddings: config.maxPositionEmbeddings,
    rms_norm_eps: config.rmsNormEps,
    rope_theta,
    rope_scaling: scaling.rope_type === "default" ? null : scaling,
    tie_word_embeddings: config.tieWordEmbeddings,
  };
}

/** A rotation as `rope_parameters` say it. @throws InputError if they cannot. */
export function writeRotary({ theta, scaling }: Pick<Rotary, "theta" | "scaling"> = plainRotary) {
  return { rope_theta: theta, ...writeScaling(scaling) };
}

const plainRotary = { theta: 10_000, scaling: undefined };

function writeScaling(scaling: Rotary["scaling"]): { rope_type: string; [key: string]: unknown } {
  switch (scaling?.type) {
    case undefined:
      return { rope_type: "default" };
    case "linear":
    case "dynamic":
      return { rope_type: scaling.type, factor: scaling.factor };
    case "longrope":
      return {
        rope_type: "longrope",
        short_factor: [...scaling.shortFactors],
        long_factor: [...scaling.longFactors],
        attention_factor: scaling.attentionFactor,
        original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
      };
    case "yarn":
      return {
        rope_type: "yarn",
        factor: scaling.factor,
        original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        attention_factor: scaling.attentionFactor,
        truncate: scaling.truncate,
      };
    case "llama3":
      return {
        rope_type: "llama3",
        factor: scaling.factor,
        low_freq_factor: scaling.lowFreqFactor,
        high_freq_factor: scaling.highFreqFactor,
        original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
      };
    case "factors":
      throw new InputError(
        "The model's rotary scaling is given by factors of its own, which a config.json cannot say; merge onto the Hugging Face folder of the model instead.",
      );
  }
}
