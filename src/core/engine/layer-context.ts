/** @file What layers that attend alike share: masks, by their window, and rotary tables. */

import type { BlockContext, ModelConfig } from "../architectures/architecture.ts";
import type { Attention } from "../architectures/attention.ts";
import { createRotaryTables, type Rotary } from "../architectures/rotary.ts";
import { rotate } from "../graph/operators/neural-network.ts";
import { type Dim, input, type Tensor } from "../graph/tensor.ts";
import { float32, type HostTensor } from "../runtime/device.ts";

/** How a layer attends, by the numbers of its window and its rotation among the model's. */
export interface AttentionKind {
  readonly window: number;
  /** -1 where queries and keys are not rotated. */
  readonly rotary: number;
}

/** The different windows of a model's layers, in their order; undefined for layers that see all. */
export function listWindows({ layers }: ModelConfig): (number | undefined)[] {
  return [...new Set(layers.map(({ slidingWindow }) => slidingWindow))];
}

/** The different rotations of a model's layers, in their order. */
export function listRotaries({ layers }: ModelConfig): Rotary[] {
  return [...new Set(layers.map(({ rotary }) => rotary))].filter((rotary) => rotary !== undefined);
}

export function attentionKindOf(config: ModelConfig, layer: number): AttentionKind {
  const { slidingWindow, rotary } = config.layers[layer]!;
  return {
    window: listWindows(config).indexOf(slidingWindow),
    rotary: rotary ? listRotaries(config).indexOf(rotary) : -1,
  };
}

/** The tables of all rotations for so many positions, as inputs of programs. */
export function rotaryFeeds(config: ModelConfig, positions: number): Record<string, HostTensor> {
  const feeds: Record<string, HostTensor> = {};
  for (const [index, rotary] of listRotaries(config).entries()) {
    const { cos, sin } = createRotaryTables(rotary, positions);
    const dims = [positions, rotary.dim / 2];
    feeds[`cos.${index}`] = float32(cos, dims);
    feeds[`sin.${index}`] = float32(sin, dims);
  }
  return feeds;
}

/**
 * The contexts of blocks over rows of S tokens, with the inputs "positions" and those of {@link rotaryFeeds}.
 *
 * @param length S
 * @returns the context of a block that attends in a way, with that attention
 */
export function layerContexts(
  config: ModelConfig,
  length: Dim,
): (kind: AttentionKind, attention: Attention) => BlockContext {
  const positions = input("positions", "int64", ["B", length]);
  const rotations = listRotaries(config).map(({ dim }, index) => {
    const table = (name: string) => input(`${name}.${index}`, "float32", ["positions", dim / 2]);
    const [cos, sin] = [table("cos"), table("sin")];
    return (x: Tensor) => rotate(x, positions, cos, sin, config.headDim);
  });
  return ({ rotary }, attention) => ({ attention, rotate: rotations[rotary] ?? ((x) => x) });
}
