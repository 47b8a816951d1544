/** @file The graph of one decoder block: attention and the gated feed-forward layer, each with its residual. */

import { add, mul, sub } from "../graph/operators/elementwise.ts";
import { matmul } from "../graph/operators/matmul.ts";
import { concat, reshape, split, transpose } from "../graph/operators/movement.ts";
import { rmsNorm, rotate, silu } from "../graph/operators/neural-network.ts";
import { reduceSum, softmax } from "../graph/operators/reduction.ts";
import { type Dim, multiplyDim, type Tensor, withDerivative } from "../graph/tensor.ts";
import type { ModelConfig } from "./config.ts";

/** What all blocks share: where the tokens stand and which of them see each other. */
export interface AttentionContext {
  /**
   * For each of n equal chunks of C = S / n queries, float32 [B, 1, C, (i + 1) C]: 0 where the query (row) may attend
   * to the key (column), else a large negative number. Keys after a chunk's end are never seen, nor multiplied by.
   */
  readonly masks: readonly Tensor[];
  /** int64 [B, S] */
  readonly positions: Tensor;
  /** float32 [positions, headDim / 2] */
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** The parts of a block by name; how a linear layer is stored and adapted is not the block's concern. */
export interface BlockParts {
  /** Applies the linear layer `name`, such as "self_attn.q_proj", to x [B, S, in]. */
  linear(name: string, x: Tensor): Tensor;
  /** The vector `name`, such as "input_layernorm.weight". */
  vector(name: string, size: number): Tensor;
}

/** One block of a Llama-like decoder (Touvron et al. 2023): x [B, S, hiddenSize] to the same shape. */
export function buildDecoderBlock(
  config: ModelConfig,
  x: Tensor,
  context: AttentionContext,
  parts: BlockParts,
): Tensor {
  const norm = (name: string, value: Tensor, size: number) =>
    rmsNorm(value, parts.vector(name, size), config.rmsNormEps);

  const attentionInput = norm("input_layernorm.weight", x, config.hiddenSize);
  const attended = attend(config, attentionInput, context, parts, norm);
  const residual = add(x, parts.linear("self_attn.o_proj", attended));

  const mlpInput = norm("post_attention_layernorm.weight", residual, config.hiddenSize);
  const gate = parts.linear("mlp.gate_proj", mlpInput);
  const up = parts.linear("mlp.up_proj", mlpInput);
  return add(residual, parts.linear("mlp.down_proj", mul(silu(gate), up)));
}

function attend(
  config: ModelConfig,
  x: Tensor,
  context: AttentionContext,
  parts: BlockParts,
  norm: (name: string, value: Tensor, size: number) => Tensor,
): Tensor {
  const { numAttentionHeads: heads, numKeyValueHeads: groups, headDim } = config;
  const [batch, length] = x.shape as [Dim, Dim, Dim];

  const project = (name: string, headCount: number): Tensor => {
    const projected = parts.linear(`self_attn.${name}_proj`, x);
    if (!config.queryKeyNorm) return projected;
    const perHead = reshape(projected, [batch, length, headCount, headDim]);
    return reshape(norm(`self_attn.${name}_norm.weight`, perHead, headDim), projected.shape);
  };
  const { positions, cos, sin } = context;
  const query = rotate(project("q", heads), positions, cos, sin);
  const key = rotate(project("k", groups), positions, cos, sin);
  const value = parts.linear("self_attn.v_proj", x);

  const chunk = context.masks[0]!.shape[2]!;
  const inChunks = (tensor: Tensor, axis: number) => split(tensor, axis, context.masks.length, chunk);
  const toHeads = (tensor: Tensor) =>
    transpose(reshape(tensor, [batch, length, groups, headDim]), [0, 2, 1, 3]);
  const keys = inChunks(toHeads(key), 2);
  const values = inChunks(toHeads(value), 2);
  // Queries that share a key-value head stand in the rows of one matrix, so no key or value is repeated.
  const perGroup = heads / groups;
  const attended = inChunks(query, 1).map((part, index) => {
    const perHead = reshape(part, [batch, chunk, groups, perGroup, headDim]);
    const output = scaledDotProductAttention(
      reshape(transpose(perHead, [0, 2, 3, 1, 4]), [batch, groups, multiplyDim(perGroup, chunk), headDim]),
      concat(keys.slice(0, index + 1), 2),
      concat(values.slice(0, index + 1), 2),
      context.masks[index]!,
      perGroup,
    );
    const outputPerHead = reshape(output, [batch, groups, perGroup, chunk, headDim]);
    return reshape(transpose(outputPerHead, [0, 3, 1, 2, 4]), [batch, chunk, heads * headDim]);
  });
  return concat(attended, 1);
}

/**
 * softmax(Q K^T / sqrt(d) + mask) V (Vaswani et al. 2017, equation 1).
 *
 * @param query [B, groups, perGroup * C, d]
 * @param key [B, groups, K, d]
 * @param value [B, groups, K, d]
 * @param mask [B, 1, C, K], the same for all heads
 */
function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  mask: Tensor,
  perGroup: number,
): Tensor {
  const [batch, groups, , headDim] = key.shape as [Dim, number, Dim, number];
  const [, , queries, keys] = mask.shape as [Dim, Dim, Dim, Dim];
  const alpha = 1 / Math.sqrt(headDim);
  const scores = matmul(query, key, { transB: true, alpha });
  const masked = add(reshape(scores, [batch, groups * perGroup, queries, keys]), mask);
  const weights = reshape(softmax(masked), scores.shape);
  const output = matmul(weights, value);
  return withDerivative([query, key, value], [output], (_node, [dOutput]) => {
    // The row sums of P ∘ dP equal those of O ∘ dO (Dao et al. 2022, appendix B.2), which are much smaller.
    const dWeights = matmul(dOutput!, value, { transB: true });
    const rowSums = reduceSum(mul(output, dOutput!), [-1], { keepDims: true });
    const dScores = mul(weights, sub(dWeights, rowSums));
    return [
      matmul(dScores, key, { alpha }),
      matmul(dScores, query, { transA: true, alpha }),
      matmul(weights, dOutput!, { transA: true }),
    ];
  })[0]!;
}
