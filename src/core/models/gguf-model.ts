/** @file What a model is called in GGUF: its configuration as metadata, its tensors' names, and the order of their rows. */

import { type ModelConfig, parseConfig } from "../architectures/config.ts";
import type { ModelType } from "../architectures/families.ts";
import { listTensors } from "../architectures/modules.ts";
import { rotaryFactors } from "../architectures/rotary.ts";
import { InputError } from "../errors.ts";
import type { GgufFile } from "../formats/gguf.ts";
import type { GgufValueToWrite } from "../formats/gguf-writer.ts";
import { checkKeys } from "../formats/known-keys.ts";
import { ggufKeys } from "./gguf-keys.ts";
import { refuseSurplus } from "./stored-tensors.ts";
import { embeddingName, headName, normName } from "./weights.ts";

/**
 * GGUF's architectures by Hugging Face's model types. Each is read as the type of the same name: Mistral's blocks are
 * Llama's, and only its window is its own.
 */
const architectures = {
  llama: "llama",
  mistral: "llama",
  qwen2: "qwen2",
  qwen3: "qwen3",
} as const satisfies Record<ModelType, ModelType>;

/** GGUF's name of a model's architecture. */
export function ggufArchitecture({ modelType }: ModelConfig): string {
  return architectures[modelType];
}

/** GGUF's names of a block's parts, by Hugging Face's. */
const blockNames: Readonly<Record<string, string>> = {
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

const outerNames: Readonly<Record<string, string>> = {
  [embeddingName]: "token_embd.weight",
  [normName]: "output_norm.weight",
  [headName]: "output.weight",
};

/** GGUF's name of the tensor that Hugging Face calls `name`. */
export function ggufTensorName(name: string): string {
  const outer = outerNames[name];
  if (outer !== undefined) return outer;
  const [, layer, part, kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  const translated = blockNames[part ?? ""];
  if (translated === undefined) throw new Error(`GGUF has no name for the tensor "${name}".`);
  return `blk.${layer}.${translated}.${kind}`;
}

/**
 * Reads a GGUF file's metadata as a configuration.
 *
 * @throws InputError if the architecture is not supported or a key is missing.
 */
export function readGgufConfig(file: GgufFile): ModelConfig {
  const { metadata, path } = file;
  const architecture = metadata.get("general.architecture");
  const supported: readonly unknown[] = [...new Set(Object.values(architectures))];
  if (!supported.includes(architecture)) {
    throw new InputError(
      `${path} holds a model of the architecture "${architecture}", which is not supported; supported are ${supported.join(", ")}.`,
    );
  }
  checkKeys(metadata, ggufKeys, path, (key) => nameInTable(key, String(architecture)));
  const optional = (key: string) => readNumber(file, `${architecture}.${key}`);
  const required = (key: string): number => {
    const value = optional(key);
    if (value === undefined) throw new InputError(`${path} lacks the metadata "${architecture}.${key}".`);
    return value;
  };
  const embedding = file.tensors.get("token_embd.weight");
  if (!embedding) throw new InputError(`${path} lacks the tensor "token_embd.weight".`);

  const hiddenSize = required("embedding_length");
  const heads = required("attention.head_count");
  const headDim = optional("attention.key_length") ?? hiddenSize / heads;
  const expectHeadDim = (key: string, byDefault: number) => {
    const value = optional(key) ?? byDefault;
    if (value === headDim) return;
    throw new InputError(
      `${path} has heads of ${headDim} elements, but ${value} as "${architecture}.${key}", which is not supported.`,
    );
  };
  expectHeadDim("attention.value_length", hiddenSize / heads);
  expectHeadDim("rope.dimension_count", headDim);
  const context = required("context_length");
  const window = optional("attention.sliding_window") ?? 0;
  if (window > 0 && window < context) {
    throw new InputError(
      `${path} has a sliding window of ${window} tokens in a context of ${context}, which is not supported in GGUF files; use the model's Hugging Face folder.`,
    );
  }
  const config = parseConfig(
    {
      model_type: architecture,
      vocab_size: embedding.shape[0],
      hidden_size: hiddenSize,
      intermediate_size: required("feed_forward_length"),
      num_hidden_layers: required("block_count"),
      num_attention_heads: heads,
      num_key_value_heads: optional("attention.head_count_kv") ?? heads,
      head_dim: headDim,
      max_position_embeddings: context,
      rms_norm_eps: required("attention.layer_norm_rms_epsilon"),
      rope_theta: optional("rope.freq_base"),
      rope_scaling: readScaling(file, `${architecture}.rope`),
      tie_word_embeddings: !file.tensors.has("output.weight"),
      attention_bias: file.tensors.has("blk.0.attn_q.bias"),
      // Biases elsewhere than in Llama's are refused with the tensors that are left over.
      ...(architecture === "llama" && { mlp_bias: file.tensors.has("blk.0.ffn_up.bias") }),
    },
    path,
  );
  return { ...config, ...readFactors(file, config) };
}

/** A key as the table of keys has it. */
function nameInTable(key: string, architecture: string): string {
  return key.startsWith(`${architecture}.`) ? `{arch}${key.slice(architecture.length)}` : key;
}

/** A number of the metadata; one for each layer counts as one number where all are equal. */
function readNumber({ metadata, path }: GgufFile, key: string): number | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const values = new Set((Array.isArray(value) ? value : [value]).map(toNumber));
  const [first] = values;
  if (values.size === 1 && first !== undefined) return first;
  throw new InputError(
    `${path}: the metadata "${key}" is not a number, or not the same for all layers, which is not supported.`,
  );
}

function toNumber(value: unknown): number | undefined {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined;
}

/**
 * The rotary scaling as llama.cpp reads it: by "linear" where no type is given, by an older key where there is no factor, and
 * not at all by a factor of 0.
 */
function readScaling(file: GgufFile, prefix: string): object | undefined {
  const type = file.metadata.get(`${prefix}.scaling.type`) ?? "linear";
  const factor =
    readNumber(file, `${prefix}.scaling.factor`) ?? readNumber(file, `${prefix}.scale_linear`) ?? 0;
  if (type === "none" || (type === "linear" && (factor === 0 || factor === 1))) return undefined;
  return { rope_type: type, factor };
}

/** Llama 3's scaling, which is stored as the divisors of the frequencies themselves. */
function readFactors(file: GgufFile, config: ModelConfig): Pick<ModelConfig, "ropeScaling"> | undefined {
  const factors = config.modelType === "llama" ? file.tensors.get(ropeFactorsName) : undefined;
  if (!factors) return undefined;
  if (config.ropeScaling || factors.shape.join() !== String(config.headDim / 2)) {
    throw new InputError(
      `${file.path}: the tensor "${ropeFactorsName}" has the shape [${factors.shape.join(", ")}] or stands beside another rotary scaling; it must have [${config.headDim / 2}], alone.`,
    );
  }
  return { ropeScaling: { type: "factors", factors: file.readFloat32(ropeFactorsName) } };
}

/** @throws InputError if a GGUF file holds a tensor that the model has no use for. */
export function checkGgufTensors(config: ModelConfig, file: GgufFile): void {
  const expected = new Set(listTensors(config).map(({ name }) => ggufTensorName(name)));
  if (config.ropeScaling?.type === "factors") expected.add(ropeFactorsName);
  refuseSurplus(config, file, (name) => expected.has(name));
}

/** Divisors of the rotary frequencies, float32 [headDim / 2], which only "llama" files have. */
export const ropeFactorsName = "rope_freqs.weight";

/**
 * A configuration as a GGUF file's metadata.
 *
 * llama.cpp knows no window of attention for these architectures, so the context is not longer than the window, within
 * which every token is seen.
 *
 * @throws InputError if llama.cpp's architecture lacks a part that the model has.
 */
export function encodeGgufConfig(config: ModelConfig): Map<string, GgufValueToWrite> {
  const architecture = ggufArchitecture(config);
  const { ropeScaling, headDim, slidingWindow, maxPositionEmbeddings } = config;
  const lacks = (part: string) =>
    new InputError(
      `GGUF's architecture "${architecture}" has no ${part}, which this model has; export it as safetensors.`,
    );
  if (architecture === "qwen3" && config.queryKeyValueBias) throw lacks("biases of the attention");
  if (architecture !== "llama" && rotaryFactors(config)) throw lacks("factors of the rotary frequencies");
  const values: Readonly<Record<string, GgufValueToWrite>> = {
    vocab_size: config.vocabSize,
    context_length: Math.min(maxPositionEmbeddings, slidingWindow ?? maxPositionEmbeddings),
    embedding_length: config.hiddenSize,
    block_count: config.numHiddenLayers,
    feed_forward_length: config.intermediateSize,
    "attention.head_count": config.numAttentionHeads,
    "attention.head_count_kv": config.numKeyValueHeads,
    "attention.key_length": headDim,
    "attention.value_length": headDim,
    "attention.layer_norm_rms_epsilon": { float32: config.rmsNormEps },
    "rope.dimension_count": headDim,
    "rope.freq_base": { float32: config.ropeTheta },
    ...(ropeScaling?.type === "linear" && {
      "rope.scaling.type": "linear",
      "rope.scaling.factor": { float32: ropeScaling.factor },
    }),
  };
  return new Map<string, GgufValueToWrite>([
    ["general.architecture", architecture],
    ...Object.entries(values).map(([key, value]) => [`${architecture}.${key}`, value] as const),
  ]);
}

/**
 * Heads of the projection `name`, weight or bias, if a GGUF file of `architecture` keeps its rows in another order than
 * Hugging Face: "llama" keeps the two elements that the rotary embedding turns together next to each other, Hugging Face
 * the two halves of a head apart. Undefined where the orders are the same.
 */
export function interleavedHeads(
  architecture: unknown,
  name: string,
  config: ModelConfig,
): number | undefined {
  if (architecture !== "llama") return undefined;
  if (name.includes("q_proj")) return config.numAttentionHeads;
  return name.includes("k_proj") ? config.numKeyValueHeads : undefined;
}

/**
 * Puts rows from GGUF's order into Hugging Face's.
 *
 * @param rows [heads * headDim, width], or a bias with width 1
 */
export function separateHalves(rows: Float32Array, heads: number, headDim: number): Float32Array {
  const half = headDim / 2;
  return reorderRows(rows, heads, headDim, (to) => 2 * (to % half) + Math.floor(to / half));
}

/** Puts rows from Hugging Face's order into GGUF's; the inverse of {@link separateHalves}. */
export function interleaveHalves(rows: Float32Array, heads: number, headDim: number): Float32Array {
  const half = headDim / 2;
  return reorderRows(rows, heads, headDim, (to) => half * (to % 2) + Math.floor(to / 2));
}

/** Fills each row of a head from the row that `from` names. */
function reorderRows(
  rows: Float32Array,
  heads: number,
  headDim: number,
  from: (to: number) => number,
): Float32Array {
  const width = rows.length / (heads * headDim);
  const ordered = new Float32Array(rows.length);
  for (let head = 0; head < heads; head++) {
    for (let to = 0; to < headDim; to++) {
      const start = (head * headDim + from(to)) * width;
      ordered.set(rows.subarray(start, start + width), (head * headDim + to) * width);
    }
  }
  return ordered;
}
