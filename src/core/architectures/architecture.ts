/** @file What a family of models is to the rest: its configuration, the parts it is made of, and the graph of its blocks. */

import type { GgufFile } from "../formats/gguf.ts";
import type { GgufValueToWrite } from "../formats/gguf-encoding.ts";
import type { KeyTable } from "../formats/known-keys.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Attention, KeysAndValues } from "./attention.ts";
import type { Rotary } from "./rotary.ts";

/**
 * Sizes and factors that every family has. Sizes are numbers of elements. A family's own configuration may say more, which none
 * but its {@link Architecture} reads.
 */
export interface ModelConfig {
  /** Hugging Face's name of the family ("model_type"). */
  readonly modelType: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly maxPositionEmbeddings: number;
  readonly rmsNormEps: number;
  readonly tieWordEmbeddings: boolean;
  /** How each layer attends, [numHiddenLayers]. Layers that attend alike are computed by the same programs. */
  readonly layers: readonly LayerAttention[];
  /** Factor of the scores of attention. */
  readonly attentionScale: number;
  /** Factor of the embedding's rows. Default 1. */
  readonly embeddingScale?: number;
  /** Factor of the logits. Default 1. */
  readonly logitScale?: number;
  /** Scores of attention s become c tanh(s / c) before the mask. Default: they stay as they are. */
  readonly attentionSoftcap?: number;
  /** Logits l become c tanh(l / c). Default: they stay as they are. */
  readonly logitSoftcap?: number;
  /** What is added to the norms' weights, as Gemma's are kept around 0. Default 0. */
  readonly normOffset?: number;
}

/** How a layer attends: what it sees, and how it knows where that stands. */
export interface LayerAttention {
  /** Positions before its own that a token attends to, itself included; undefined for all. */
  readonly slidingWindow: number | undefined;
  /** Undefined where queries and keys are not rotated. */
  readonly rotary: Rotary | undefined;
}

export interface LinearModule {
  /** Name within the block, such as "self_attn.q_proj". */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly bias: boolean;
}

/** A vector of a block, such as a norm's weight. */
export interface VectorParameter {
  /** Name within the block, such as "input_layernorm.weight". */
  readonly name: string;
  readonly size: number;
}

/** How the tokens of a block attend to each other, and where they stand. */
export interface BlockContext {
  readonly attention: Attention;
  /** Rotates x [B, S, heads * headDim] by the tokens' positions; leaves it as it is in a layer without rotation. */
  rotate(x: Tensor): Tensor;
}

/** The parts of a block by name; how a linear layer is stored and adapted is not the block's concern. */
export interface BlockParts {
  /** Applies the linear layer `name`, such as "self_attn.q_proj", to x [B, S, in]. */
  linear(name: string, x: Tensor): Tensor;
  /** The vector `name`, such as "input_layernorm.weight". */
  vector(name: string, size: number): Tensor;
  /**
   * What attention gives, before the output projection, with what a tuning method adds to it.
   *
   * @param attended [B, S, heads * headDim]
   * @param query of the same shape, rotated
   * @param project what the block's projections make of rows [1, m, hiddenSize]: keys and values [1, m, groups * headDim], not rotated
   */
  extendAttention(attended: Tensor, query: Tensor, project: (rows: Tensor) => KeysAndValues): Tensor;
}

/** A family of models. `C` is its configuration. */
export interface Architecture<C extends ModelConfig = ModelConfig> {
  /** Hugging Face's name of the family ("model_type"). */
  readonly modelType: string;
  /** Transformers' class, as config.json names it ("architectures"). */
  readonly className: string;
  /** How each key of its config.json is read. */
  readonly keys: KeyTable;
  /** Values of the keys that a file leaves out, as in Transformers' configuration class. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /**
   * @param json of config.json, its keys checked and the defaults filled in
   * @param file where it comes from, for messages
   * @throws InputError for a setting that is not supported, or a broken value.
   */
  readConfig(json: Readonly<Record<string, unknown>>, file: string): C;
  /** The config.json of a model that came without one. @throws InputError if it cannot say what the model computes. */
  writeConfig(config: C): Record<string, unknown>;
  /** The linear layers of a block in the order in which they are applied, those together that are given the same inputs. */
  linearModules(config: C): readonly (readonly LinearModule[])[];
  /** The vectors of a block but the biases of linear layers. */
  norms(config: C): readonly VectorParameter[];
  /** One block: x [B, S, hiddenSize] to the same shape. */
  block(config: C, x: Tensor, context: BlockContext, parts: BlockParts): Tensor;
  readonly gguf: GgufConventions<C>;
  /** The multimodal family of whose models it is the language part: the "model_type", whose "text_config" describes it. */
  readonly languagePartOf?: string;
}

/** What llama.cpp calls a family's parts, and how its files keep them. */
export interface GgufConventions<C extends ModelConfig = ModelConfig> {
  /** The value of "general.architecture". Of families that share it, the first in the table reads such files. */
  readonly architecture: string;
  /**
   * Names of a block's parts by Hugging Face's, such as "attn_q" of "self_attn.q_proj"; several of one whose rows are divided
   * evenly among them.
   */
  readonly blockNames: Readonly<Record<string, string | readonly string[]>>;
  /** How keys are read beside those that all architectures share; "{arch}" stands for the architecture. */
  readonly keys?: KeyTable;
  /** How scalings are kept that are not said by the keys that all architectures share. */
  readonly rotary?: GgufRotary;
  /**
   * What config.json would say beside what all architectures share.
   *
   * @param read a number of the metadata, without the architecture's prefix
   */
  readConfig?(file: GgufFile, read: (key: string) => number | undefined): Record<string, unknown>;
  /**
   * Metadata beside those that all architectures share, without the architecture's prefix.
   *
   * @throws InputError if the architecture lacks a part that the model has.
   */
  writeConfig?(config: C): Readonly<Record<string, GgufValueToWrite>>;
  /** How the tensor that Hugging Face calls `name` is kept otherwise than there; undefined where it is the same. */
  conversion?(name: string, config: C): TensorConversion | undefined;
}

/** A rotary embedding in GGUF. */
export interface GgufRotary {
  /**
   * The rotation with the scaling that the file gives it, or none where it does not rotate.
   *
   * @param read a number of the metadata, without the architecture's prefix
   * @throws InputError if it is damaged, or contradicts another scaling.
   */
  read(
    file: GgufFile,
    rotary: Rotary,
    read: (key: string) => number | undefined,
  ): Promise<Rotary | undefined>;
  /** What a file holds of a scaling: metadata without the architecture's prefix, and tensors; undefined of any other scaling. */
  write(rotary: Rotary):
    | {
        readonly metadata: Readonly<Record<string, GgufValueToWrite>>;
        readonly tensors: Readonly<Record<string, Float32Array>>;
      }
    | undefined;
}

/** Maps a tensor's elements, in row-major order, and those of a matrix whose rows belong to the same outputs. */
export interface TensorConversion {
  toHuggingFace(values: Float32Array): Float32Array;
  toGguf(values: Float32Array): Float32Array;
}
