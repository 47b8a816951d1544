/** @file What a tuning method does to a model: the tensors it trains, and how a linear layer computes with them. */

import type { KeysAndValues } from "../architectures/attention.ts";
import { InputError } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { StoredWeight } from "../models/linear.ts";
import type { Random } from "../random.ts";

/** A tensor of an adapter. */
export interface ParameterSpec {
  /** Name within the adapted module, such as "lora_A.weight". */
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether it stays as it begins. Default false. */
  readonly isFrozen?: boolean;
  /** Whether its first axis is that of the layer's outputs. Default false. */
  readonly isByOutput?: boolean;
  /**
   * Its values at the start.
   *
   * @param weight reads the base model's weight of a linear layer or the embedding, [out, in] in row-major order
   */
  initialize(random: Random, weight: () => Promise<Float32Array>): Float32Array | Promise<Float32Array>;
}

/** A tensor that the adapters of several layers share. It is not trained, and follows from the settings alone. */
export interface SharedSpec {
  /** Its full name. */
  readonly name: string;
  readonly shape: readonly number[];
  derive(): Float32Array;
}

/** How one linear layer is adapted. Layers with equal signatures are computed by the same program. */
export interface LinearAdapter {
  readonly signature: string;
  readonly parameters: readonly ParameterSpec[];
  /** Frozen tensors that it shares with the adapters of other layers. Default: none. */
  readonly shared?: readonly SharedSpec[];
  /** Share of the adapter's inputs that are dropped while training. */
  readonly dropout: number;
  /**
   * The tensors that `forward` computes with, if they are not the adapter's own: values that follow from these and the
   * weight alone, so that they are computed once where nothing is trained.
   *
   * @param weight the base model's [out, in]
   */
  prepare?(weight: Tensor, parameters: AdapterTensors): AdapterTensors;
  /**
   * The layer's output before its bias is added, in place of x W^T.
   *
   * @param x [B, S, in]
   * @param dropped x after dropout, the adapter's own input; x itself where nothing is dropped
   * @param tensors the adapter's tensors by name, or what `prepare` made of them
   */
  forward(x: Tensor, dropped: Tensor, weight: StoredWeight, tensors: AdapterTensors): Tensor;
  /** The layer's bias [out] in place of the base model's, in `forward` and merged. Default: the same. */
  bias?(bias: Tensor, tensors: AdapterTensors): Tensor;
  /** Its rank r and factor s where all that it does is W + s B A, with "lora_A.weight" and "lora_B.weight". */
  readonly lowRank?: { readonly r: number; readonly scale: number };
  /** The plain weight [out, in] that computes the same, from the base model's `weight` [out, in]. */
  merge(weight: Tensor, parameters: AdapterTensors): Tensor;
}

/** An adapter's tensors in the graph, by their names within the module; shared ones by their full names. */
export type AdapterTensors = Readonly<Record<string, Tensor>>;

/** How the attention of a block is adapted. Blocks with equal signatures are computed by the same program. */
export interface AttentionAdapter {
  readonly signature: string;
  readonly parameters: readonly ParameterSpec[];
  /**
   * The tensors that `forward` computes with, if they are not the adapter's own: values that follow from these and the
   * block's weights alone, so that they are computed once where nothing is trained.
   *
   * @param project what the block's projections make of rows [1, m, hiddenSize]: keys and values [1, m, groups * headDim], not rotated
   */
  prepare?(tensors: AdapterTensors, project: (rows: Tensor) => KeysAndValues): AdapterTensors;
  /**
   * What is added to attention's output, before the output projection.
   *
   * @param query [B, S, heads * headDim], rotated
   * @param tensors the adapter's tensors by name, or what `prepare` made of them
   * @returns [B, S, heads * headDim]
   */
  forward(query: Tensor, tensors: AdapterTensors): Tensor;
  /** A part of what `forward` gives, on which a loss may be in the last block. Default: there is none. */
  contribution?(query: Tensor, tensors: AdapterTensors): Tensor;
}

/** How the embedding is adapted. */
export interface EmbeddingAdapter {
  readonly parameters: readonly ParameterSpec[];
  /**
   * The rows of some tokens, [N, hiddenSize].
   *
   * @param rows the base model's
   * @param tokens int64 [N]
   */
  forward(rows: Tensor, tokens: Tensor, tensors: AdapterTensors): Tensor;
  /** The plain embedding that computes the same, from the base model's `weight` [vocabSize, hiddenSize]. */
  merge(weight: Tensor, tensors: AdapterTensors): Tensor;
}

/** Rows of the embedding or the output layer that are trained in place of the whole. */
export interface TrainedRows {
  /** Name of the trained tensor [indices, hiddenSize]. */
  readonly name: string;
  readonly indices: readonly number[];
}

/** Names of the modules outside the blocks. */
export const embeddingModule = "model.embed_tokens";
export const outputModule = "lm_head";
/** Name of attention within a block. */
export const attentionModule = "self_attn";

/** A tuning method applied to one model. */
export interface Adaptation {
  /**
   * The adapter of the linear layer `name` (its full name, such as "model.layers.0.self_attn.q_proj" or, where it is not the
   * embedding, "lm_head"), or undefined where the layer stays as it is.
   */
  adapterOf(name: string, outFeatures: number, inFeatures: number): LinearAdapter | undefined;
  /** The adapter of the attention of block `layer`. Default: none. */
  attentionAdapterOf?(layer: number): AttentionAdapter | undefined;
  /** Default: none. */
  readonly embedding?: EmbeddingAdapter | undefined;
  /** The trained rows of the base model's tensor `name`; those of a tied embedding are the output layer's too. Default: none. */
  rowsOf?(name: string): TrainedRows | undefined;
  /** Whether the base model's own tensor `name` is trained. A block's must be stored in float32. */
  trains(name: string): boolean;
}

/** The model as it is: nothing is trained. */
export const frozen: Adaptation = { adapterOf: () => undefined, trains: () => false };

/** Full tuning: every weight of the base model is trained. */
export const full: Adaptation = { adapterOf: () => undefined, trains: () => true };

/**
 * Makes sure that the weights of a plain model can compute what the adaptation does.
 *
 * @throws InputError if they cannot.
 */
export function checkMergeable({ attentionAdapterOf }: Adaptation): void {
  if (!attentionAdapterOf) return;
  throw new InputError(
    "Adaption prompts add to attention what no weight of a plain model computes, so they cannot be merged, nor written as GGUF; use the base model with the adapter (--adapter).",
  );
}
