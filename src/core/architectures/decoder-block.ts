/** @file The graph of one decoder block: attention and the gated feed-forward layer, each with its residual. */

import { add, mul } from "../graph/operators/elementwise.ts";
import { reshape } from "../graph/operators/movement.ts";
import { rmsNorm, rotate, silu } from "../graph/operators/neural-network.ts";
import type { Dim, Tensor } from "../graph/tensor.ts";
import type { Attention } from "./attention.ts";
import type { ModelConfig } from "./config.ts";

/** What all blocks share: where the tokens stand and how they attend to each other. */
export interface BlockContext {
  readonly attention: Attention;
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
  context: BlockContext,
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
  { attention, positions, cos, sin }: BlockContext,
  parts: BlockParts,
  norm: (name: string, value: Tensor, size: number) => Tensor,
): Tensor {
  const { headDim } = config;
  const [batch, length] = x.shape as [Dim, Dim, Dim];
  const project = (name: string, headCount: number): Tensor => {
    const projected = parts.linear(`self_attn.${name}_proj`, x);
    if (!config.queryKeyNorm) return projected;
    const perHead = reshape(projected, [batch, length, headCount, headDim]);
    return reshape(norm(`self_attn.${name}_norm.weight`, perHead, headDim), projected.shape);
  };
  const query = rotate(project("q", config.numAttentionHeads), positions, cos, sin);
  const key = rotate(project("k", config.numKeyValueHeads), positions, cos, sin);
  return attention(query, key, parts.linear("self_attn.v_proj", x));
}
