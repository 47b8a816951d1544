/** @file What a tuning method does to a model: the tensors it trains, and how a linear layer computes with them. */

import type { Tensor } from "../graph/tensor.ts";
import type { StoredWeight } from "../models/linear.ts";
import type { Random } from "../random.ts";

/** A tensor that is trained. */
export interface ParameterSpec {
  /** Name within the linear layer, such as "lora_A.weight". */
  readonly name: string;
  readonly shape: readonly number[];
  /**
   * Its values at the start.
   *
   * @param weight reads the base model's weight of the layer, [out, in] in row-major order
   */
  initialize(random: Random, weight: () => Float32Array): Float32Array;
}

/** How one linear layer is adapted. Layers with equal signatures are computed by the same program. */
export interface LinearAdapter {
  readonly signature: string;
  readonly parameters: readonly ParameterSpec[];
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
   * The layer's output without its bias, in place of x W^T.
   *
   * @param x [B, S, in]
   * @param dropped x after dropout, the adapter's own input; x itself where nothing is dropped
   * @param tensors the adapter's tensors by name, or what `prepare` made of them
   */
  forward(x: Tensor, dropped: Tensor, weight: StoredWeight, tensors: AdapterTensors): Tensor;
  /** Its rank r and factor s where all that it does is W + s B A, with "lora_A.weight" and "lora_B.weight". */
  readonly lowRank?: { readonly r: number; readonly scale: number };
  /** The plain weight [out, in] that computes the same, from the base model's `weight` [out, in]. */
  merge(weight: Tensor, parameters: AdapterTensors): Tensor;
}

/** An adapter's tensors in the graph, by their names within the linear layer. */
export type AdapterTensors = Readonly<Record<string, Tensor>>;

/** A tuning method applied to one model. */
export interface Adaptation {
  /**
   * The adapter of the linear layer `name` (its full name, such as "model.layers.0.self_attn.q_proj"), or
   * undefined where the layer stays as it is.
   */
  adapterOf(name: string, outFeatures: number, inFeatures: number): LinearAdapter | undefined;
  /** Whether the base model's own tensor `name` is trained. It must be stored in float32. */
  trains(name: string): boolean;
}

/** The model as it is: nothing is trained. */
export const frozen: Adaptation = { adapterOf: () => undefined, trains: () => false };

/** Full tuning: every weight of the base model is trained. */
export const full: Adaptation = { adapterOf: () => undefined, trains: () => true };
