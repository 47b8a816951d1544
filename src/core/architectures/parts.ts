/** @file What the blocks of most families are made of: attention with its projections, and the gated feed-forward layer. */

import { add, mul } from "../graph/operators/elementwise.ts";
import { reshape, separate } from "../graph/operators/movement.ts";
import { rmsNorm, silu } from "../graph/operators/neural-network.ts";
import { constant, type Dim, scalar, type Tensor } from "../graph/tensor.ts";
import type { BlockContext, BlockParts, LinearModule, ModelConfig, VectorParameter } from "./architecture.ts";
import type { KeysAndValues } from "./attention.ts";

/** Normalizes the last axis of a tensor by the vector `name` of the block. */
export type Norm = (name: string, x: Tensor, size?: number) => Tensor;

/** Root-mean-square norms of a block, by the names of their weights [hiddenSize], or of another size. */
export function normsOf(config: ModelConfig, parts: BlockParts): Norm {
  return (name, x, size = config.hiddenSize) => normalize(config, x, parts.vector(`${name}.weight`, size));
}

/** Root-mean-square normalization by a weight, with what the family adds to it. */
export function normalize({ rmsNormEps, normOffset }: ModelConfig, x: Tensor, weight: Tensor): Tensor {
  return rmsNorm(x, normOffset ? add(weight, scalar(normOffset)) : weight, rmsNormEps);
}

/** The final norm of hidden rows [N, hiddenSize], so scaled that its product with the output layer gives the logits. */
export function normalizeFinally(config: ModelConfig, rows: Tensor, weight: Tensor): Tensor {
  const normalized = normalize(config, rows, weight);
  return config.logitScale === undefined ? normalized : mul(normalized, scalar(config.logitScale));
}

/** Names and sizes of norms' weights [hiddenSize]. */
export function hiddenNorms(config: ModelConfig, ...names: readonly string[]): VectorParameter[] {
  return names.map((name) => ({ name: `${name}.weight`, size: config.hiddenSize }));
}

export interface Biases {
  /** Of the query, key and value projections. */
  readonly queryKeyValue?: boolean;
  /** Of the attention's output projection. */
  readonly output?: boolean;
  readonly mlp?: boolean;
}

/** Four projections of attention, and the three layers of a gated feed-forward layer. */
export function llamaModules(config: ModelConfig, biases: Biases = {}): LinearModule[][] {
  const { hiddenSize, intermediateSize, headDim } = config;
  const queries = config.numAttentionHeads * headDim;
  const keys = config.numKeyValueHeads * headDim;
  const linear = (
    name: string,
    inFeatures: number,
    outFeatures: number,
    bias: boolean | undefined,
  ): LinearModule => ({ name, inFeatures, outFeatures, bias: bias === true });
  return [
    [
      linear("self_attn.q_proj", hiddenSize, queries, biases.queryKeyValue),
      linear("self_attn.k_proj", hiddenSize, keys, biases.queryKeyValue),
      linear("self_attn.v_proj", hiddenSize, keys, biases.queryKeyValue),
    ],
    [linear("self_attn.o_proj", queries, hiddenSize, biases.output)],
    [
      linear("mlp.gate_proj", hiddenSize, intermediateSize, biases.mlp),
      linear("mlp.up_proj", hiddenSize, intermediateSize, biases.mlp),
    ],
    [linear("mlp.down_proj", intermediateSize, hiddenSize, biases.mlp)],
  ];
}

/**
 * Attention of x [B, S, hiddenSize], with its projections.
 *
 * @param adjust what is done to queries and keys before the rotation, by the name of their projection: "q" or "k"
 */
export function selfAttention(
  x: Tensor,
  context: BlockContext,
  parts: BlockParts,
  adjust: (projection: "q" | "k", projected: Tensor) => Tensor = (_projection, projected) => projected,
): Tensor {
  return attend(x, context, parts, (rows) => ({
    query: adjust("q", parts.linear("self_attn.q_proj", rows)),
    keys: adjust("k", parts.linear("self_attn.k_proj", rows)),
    values: parts.linear("self_attn.v_proj", rows),
  }));
}

/**
 * Attention of x [B, S, hiddenSize] by what `project` makes of it, and the output projection.
 *
 * @param project queries [..., heads * headDim] and keys and values [..., groups * headDim] of rows [..., hiddenSize], not rotated
 */
export function attend(
  x: Tensor,
  { attention, rotate }: BlockContext,
  parts: BlockParts,
  project: (rows: Tensor) => KeysAndValues & { readonly query: Tensor },
): Tensor {
  const { query, keys, values } = project(x);
  const rotated = rotate(query);
  const attended = attention(rotated, rotate(keys), values);
  return parts.linear("self_attn.o_proj", parts.extendAttention(attended, rotated, project));
}

/** Normalizes each head of queries and keys [B, S, heads * headDim] by itself, by "self_attn.q_norm" and "self_attn.k_norm". */
export function normalizeHeads({ headDim }: ModelConfig, norm: Norm) {
  return (projection: "q" | "k", projected: Tensor): Tensor => {
    const [batch, length, width] = projected.shape as [Dim, Dim, number];
    const perHead = reshape(projected, [batch, length, width / headDim, headDim]);
    return reshape(norm(`self_attn.${projection}_norm`, perHead, headDim), projected.shape);
  };
}

/** The gated feed-forward layer (Shazeer 2020) of x [B, S, hiddenSize]. */
export function gatedFeedForward(
  x: Tensor,
  parts: BlockParts,
  activation: (x: Tensor) => Tensor = silu,
): Tensor {
  const gate = parts.linear("mlp.gate_proj", x);
  const up = parts.linear("mlp.up_proj", x);
  return parts.linear("mlp.down_proj", mul(activation(gate), up));
}

/** What a fused layer gives, x [B, S, sum of widths], as parts of these widths. */
export function divide(x: Tensor, widths: readonly number[]): readonly Tensor[] {
  const sizes = constant("int64", [widths.length], BigInt64Array.from(widths, BigInt));
  return separate(x, 2, sizes, widths);
}

/** A block that normalizes what it gives to attention and to the feed-forward layer, as Llama's (Touvron et al. 2023). */
export function preNormBlock(
  x: Tensor,
  norm: Norm,
  attend: (x: Tensor) => Tensor,
  feedForward: (x: Tensor) => Tensor,
): Tensor {
  const residual = add(x, attend(norm("input_layernorm", x)));
  return add(residual, feedForward(norm("post_attention_layernorm", residual)));
}
