/** @file What layers that attend alike share: masks, by their window, and rotary tables. */

import type { BlockContext, ModelConfig } from "../architectures/architecture.ts";
import type { Attention } from "../architectures/attention.ts";
import { createRotaryTables, longTextLength, type Rotary } from "../architectures/rotary.ts";
import { rotate } from "../graph/operators/neural-network.ts";
import { type Dim, input, type Tensor } from "../graph/tensor.ts";
import { concatenate } from "../models/matrix-rows.ts";
import { asConstant, float32, type HostTensor, int64 } from "../runtime/device.ts";

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

/** Where tokens stand. */
export interface TokenPositions {
  readonly rows: number;
  /** Tokens per row: S. */
  readonly length: number;
  /** Position of each token in its text, [rows * length]. */
  readonly positionIds: Int32Array;
}

export interface RotaryTables {
  /** Positions that the tables have. */
  readonly positions: number;
  readonly feeds: Readonly<Record<string, HostTensor>>;
}

/** The tables of all rotations as inputs of programs, those for long texts after those for others. */
export function createTables(config: ModelConfig, positions: number): RotaryTables {
  const feeds: Record<string, HostTensor> = {};
  for (const [index, rotary] of listRotaries(config).entries()) {
    const parts = longTextLength(rotary) === undefined ? [false] : [false, true];
    const tables = parts.map((isLong) => createRotaryTables(rotary, positions, isLong));
    const dims = [positions * parts.length, rotary.dim / 2];
    for (const name of ["cos", "sin"] as const)
      feeds[`${name}.${index}`] = asConstant(float32(concatenate(tables.map((table) => table[name])), dims));
  }
  return { positions, feeds };
}

/** The tokens' rows in the tables of each rotation, as inputs of programs beside the tables. */
export function rotaryFeeds(
  config: ModelConfig,
  tables: RotaryTables,
  { rows, length, positionIds }: TokenPositions,
): Record<string, HostTensor> {
  const feeds: Record<string, HostTensor> = { ...tables.feeds };
  for (const [index, rotary] of listRotaries(config).entries()) {
    const longest = longTextLength(rotary);
    const places =
      longest === undefined ? positionIds : moveLongTexts(positionIds, longest, tables.positions);
    feeds[`positions.${index}`] = int64(places, [rows, length]);
  }
  return feeds;
}

/** Moves the tokens of texts longer than `longest` to the second half of the tables. A text ends where a position does not rise. */
function moveLongTexts(positionIds: Int32Array, longest: number, offset: number): Int32Array {
  const moved = positionIds.slice();
  for (let start = 0, i = 1; i <= moved.length; i++) {
    if (i < moved.length && positionIds[i]! > positionIds[i - 1]!) continue;
    if (positionIds[i - 1]! >= longest) for (let j = start; j < i; j++) moved[j]! += offset;
    start = i;
  }
  return moved;
}

/**
 * How many tokens a text may have that is computed with a cache: beyond the length from which on a text is rotated otherwise, the
 * keys that are kept would have to be computed anew.
 */
export function longestCachedText(config: ModelConfig): number {
  const longest = listRotaries(config).map(
    (rotary) => longTextLength(rotary) ?? config.maxPositionEmbeddings,
  );
  return Math.min(config.maxPositionEmbeddings, ...longest);
}

/**
 * The contexts of blocks over rows of S tokens, with the inputs of {@link rotaryFeeds}.
 *
 * @param length S
 * @returns the context of a block that attends in a way, with that attention
 */
export function layerContexts(
  config: ModelConfig,
  length: Dim,
): (kind: AttentionKind, attention: Attention) => BlockContext {
  const rotations = listRotaries(config).map(({ dim }, index) => {
    const table = (name: string) => input(`${name}.${index}`, "float32", ["positions", dim / 2]);
    const [cos, sin] = [table("cos"), table("sin")];
    const positions = input(`positions.${index}`, "int64", ["B", length]);
    return (x: Tensor) => rotate(x, positions, cos, sin, config.headDim);
  });
  return ({ rotary }, attention) => ({ attention, rotate: rotations[rotary] ?? ((x) => x) });
}
