/** @file What a model is called in GGUF: its configuration as metadata, and its tensors' names. */

import type { GgufConventions, ModelConfig, TensorConversion } from "../architectures/architecture.ts";
import { architectureOf, architectures, parseConfig } from "../architectures/architectures.ts";
import { embeddingName, headName, listTensors, normName } from "../architectures/modules.ts";
import type { Rotary } from "../architectures/rotary.ts";
import { InputError } from "../errors.ts";
import type { GgufFile } from "../formats/gguf.ts";
import type { GgufValueToWrite } from "../formats/gguf-encoding.ts";
import { checkKeys } from "../formats/known-keys.ts";
import { quote } from "../formats/weight-file.ts";
import { ggufKeys } from "./gguf-keys.ts";
import { refuseSurplus } from "./stored-tensors.ts";

/** GGUF's name of a model's architecture. */
export function ggufArchitecture(config: ModelConfig): string {
  return architectureOf(config).gguf.architecture;
}

const outerNames: Readonly<Record<string, string>> = {
  [embeddingName]: "token_embd.weight",
  [normName]: "output_norm.weight",
  [headName]: "output.weight",
};

/** GGUF's names of the tensor that Hugging Face calls `name`: one, or several that have its rows evenly. */
export function ggufTensorNames(config: ModelConfig, name: string): readonly string[] {
  const outer = outerNames[name];
  if (outer !== undefined) return [outer];
  const [, layer, part, kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  const translated = architectureOf(config).gguf.blockNames[part ?? ""];
  if (translated === undefined) throw new Error(`GGUF has no name for the tensor "${name}".`);
  return [translated].flat().map((one) => `blk.${layer}.${one}.${kind}`);
}

/** The one name of {@link ggufTensorNames}. @throws InputError if there are several. */
export function ggufTensorName(config: ModelConfig, name: string): string {
  const [first, ...others] = ggufTensorNames(config, name);
  if (others.length === 0) return first!;
  throw new InputError(
    `GGUF divides the tensor "${name}" into ${[first, ...others].join(" and ")}, which an adapter cannot express; merge it into the model instead (--format gguf).`,
  );
}

/** How GGUF keeps the tensor that Hugging Face calls `name` otherwise; undefined where it is the same. */
export function ggufConversion(config: ModelConfig, name: string): TensorConversion | undefined {
  return architectureOf(config).gguf.conversion?.(name, config);
}

/**
 * Reads a GGUF file's metadata as a configuration.
 *
 * @throws InputError if the architecture is not supported or a key is missing.
 */
export async function readGgufConfig(file: GgufFile): Promise<ModelConfig> {
  const { metadata, path } = file;
  const name = metadata.get("general.architecture");
  const architecture = architectures.find(({ gguf }) => gguf.architecture === name);
  if (!architecture) {
    const supported = [...new Set(architectures.map(({ gguf }) => gguf.architecture))];
    throw new InputError(
      `${path} holds a model of the architecture "${name}", which is not supported; supported are ${supported.join(", ")}.`,
    );
  }
  const { gguf, modelType } = architecture;
  checkKeys(metadata, { ...ggufKeys, ...gguf.keys }, path, (key) => nameInTable(key, gguf.architecture));
  const optional = (key: string) => readNumber(file, `${name}.${key}`);
  const required = (key: string): number => {
    const value = optional(key);
    if (value === undefined) throw new InputError(`${path} lacks the metadata "${name}.${key}".`);
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
      `${path} has heads of ${headDim} elements, but ${value} as "${name}.${key}", which is not supported.`,
    );
  };
  const own = gguf.readConfig?.(file, optional) ?? {};
  expectHeadDim("attention.value_length", hiddenSize / heads);
  if (!("partial_rotary_factor" in own)) expectHeadDim("rope.dimension_count", headDim);
  const context = required("context_length");
  const window = optional("attention.sliding_window") ?? 0;
  if (!("sliding_window" in own) && window > 0 && window < context) {
    throw new InputError(
      `${path} has a sliding window of ${window} tokens in a context of ${context}, which is not supported in GGUF files; use the model's Hugging Face folder.`,
    );
  }
  const config = parseConfig(
    {
      model_type: modelType,
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
      rope_scaling: readScaling(file, `${name}.rope`),
      tie_word_embeddings: !file.tensors.has("output.weight"),
      ...own,
    },
    path,
  );
  return { ...config, ...(await readRotations(file, gguf, config, optional)) };
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
  const read = (key: string) => readNumber(file, `${prefix}.${key}`);
  const factor = read("scaling.factor") ?? read("scale_linear") ?? 0;
  if (type === "none" || (type === "linear" && (factor === 0 || factor === 1))) return undefined;
  if (type !== "yarn") return { rope_type: type, factor };
  return {
    rope_type: type,
    factor,
    original_max_position_embeddings: read("scaling.original_context_length"),
    beta_fast: read("scaling.yarn_beta_fast"),
    beta_slow: read("scaling.yarn_beta_slow"),
  };
}

/** The layers with the scaling that the file gives their rotation. */
async function readRotations(
  file: GgufFile,
  { rotary: conventions }: GgufConventions,
  { layers }: ModelConfig,
  read: (key: string) => number | undefined,
): Promise<Pick<ModelConfig, "layers"> | undefined> {
  if (!conventions) return undefined;
  const rotations = new Map<Rotary | undefined, Rotary | undefined>();
  for (const { rotary } of layers) {
    if (rotary && !rotations.has(rotary)) rotations.set(rotary, await conventions.read(file, rotary, read));
  }
  const kinds = new Map(layers.map((layer) => [layer, { ...layer, rotary: rotations.get(layer.rotary) }]));
  return { layers: layers.map((layer) => kinds.get(layer)!) };
}

/** The rotation of the layers that have one: of those without a window, where layers have different ones. */
function rotaryOf({ layers }: ModelConfig): Rotary | undefined {
  const rotated = layers.filter(({ rotary }) => rotary);
  return (rotated.find(({ slidingWindow }) => slidingWindow === undefined) ?? rotated[0])?.rotary;
}

/** The tensors in which GGUF keeps the scaling of the model's rotation, by name. */
export function ggufRotaryTensors(config: ModelConfig): Readonly<Record<string, Float32Array>> {
  const rotary = rotaryOf(config);
  return (rotary && architectureOf(config).gguf.rotary?.write(rotary)?.tensors) ?? {};
}

/** @throws InputError if a GGUF file lacks a tensor of its architecture, or holds one that the model has no use for. */
export function checkGgufTensors(config: ModelConfig, file: GgufFile): void {
  const expected = new Set(listTensors(config).flatMap(({ name }) => ggufTensorNames(config, name)));
  for (const name of Object.keys(ggufRotaryTensors(config))) expected.add(name);
  const missing = [...expected].find((name) => !file.tensors.has(name) && !isTied(config, name));
  if (missing !== undefined) {
    throw new InputError(
      `${file.path} holds a model of the architecture "${ggufArchitecture(config)}" by its metadata, but lacks the tensor ${quote(missing)} of such a model; convert the model again.`,
    );
  }
  refuseSurplus(config, file, (name) => expected.has(name));
}

/** Whether the file may hold another tensor in the place of this. */
function isTied({ tieWordEmbeddings }: ModelConfig, name: string): boolean {
  return tieWordEmbeddings && name === outerNames[embeddingName];
}

/**
 * A configuration as a GGUF file's metadata.
 *
 * Where llama.cpp knows no window of attention, the context is not longer than the window, within which every token is seen.
 *
 * @throws InputError if llama.cpp's architecture lacks a part that the model has.
 */
export function encodeGgufConfig(config: ModelConfig): Map<string, GgufValueToWrite> {
  const { gguf } = architectureOf(config);
  const rotary = rotaryOf(config);
  const own = gguf.writeConfig?.(config) ?? {};
  const windows = config.layers.map(({ slidingWindow }) => slidingWindow ?? config.maxPositionEmbeddings);
  const context = "attention.sliding_window" in own ? [] : windows;
  const values: Readonly<Record<string, GgufValueToWrite>> = {
    vocab_size: config.vocabSize,
    context_length: Math.min(config.maxPositionEmbeddings, ...context),
    embedding_length: config.hiddenSize,
    block_count: config.numHiddenLayers,
    feed_forward_length: config.intermediateSize,
    "attention.head_count": config.numAttentionHeads,
    "attention.head_count_kv": config.numKeyValueHeads,
    "attention.key_length": config.headDim,
    "attention.value_length": config.headDim,
    "attention.layer_norm_rms_epsilon": { float32: config.rmsNormEps },
    ...(rotary && {
      "rope.dimension_count": rotary.dim,
      "rope.freq_base": { float32: rotary.theta },
      ...(gguf.rotary?.write(rotary)?.metadata ?? encodeScaling(rotary.scaling, gguf.architecture)),
    }),
    ...own,
  };
  return new Map<string, GgufValueToWrite>([
    ["general.architecture", gguf.architecture],
    ...Object.entries(values).map(([key, value]) => [`${gguf.architecture}.${key}`, value] as const),
  ]);
}

function encodeScaling(
  scaling: Rotary["scaling"],
  architecture: string,
): Readonly<Record<string, GgufValueToWrite>> {
  switch (scaling?.type) {
    case undefined:
    // Longer texts, for which it is, are not computed.
    case "dynamic":
      return {};
    case "linear":
      return { "rope.scaling.type": "linear", "rope.scaling.factor": { float32: scaling.factor } };
    case "yarn": {
      // llama.cpp takes the paper's factor of attention, and whole bounds.
      const attentionFactor = 0.1 * Math.log(scaling.factor) + 1;
      if (!scaling.truncate || Math.abs(scaling.attentionFactor - attentionFactor) > 1e-6) {
        throw new InputError(
          "GGUF cannot say how this model's YaRN scales attention or bounds its frequencies; export it as safetensors.",
        );
      }
      return {
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": { float32: scaling.factor },
        "rope.scaling.original_context_length": scaling.originalMaxPositionEmbeddings,
        "rope.scaling.yarn_beta_fast": { float32: scaling.betaFast },
        "rope.scaling.yarn_beta_slow": { float32: scaling.betaSlow },
      };
    }
    default:
      throw new InputError(
        `GGUF's architecture "${architecture}" has no factors of the rotary frequencies, which this model has; export it as safetensors.`,
      );
  }
}
