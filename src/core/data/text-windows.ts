/** @file Stretches of a long text, drawn at random. */

import { createRandom } from "../random.ts";
import type { TokenizedExample } from "./batch.ts";

/** Name of the random stream drawn here. */
const windowStream = 7;

export interface WindowOptions {
  /** Tokens of a window, those at its beginning included. */
  readonly length: number;
  readonly count: number;
  /** Tokens with which the model begins a text. */
  readonly beginning: readonly number[];
  readonly seed: number;
  /** Number of the draw. */
  readonly draw: number;
}

/**
 * Windows of a text that begin anywhere in it: a function of the seed and the draw alone.
 *
 * @param ids the text's tokens, at least a window of them
 */
export function drawWindows(
  ids: readonly number[],
  { length, count, beginning, seed, draw }: WindowOptions,
): TokenizedExample[] {
  const random = createRandom(seed, windowStream, draw);
  const size = length - beginning.length;
  return Array.from({ length: count }, () => {
    const start = random.below(ids.length - size + 1);
    return {
      ids: Int32Array.from([...beginning, ...ids.slice(start, start + size)]),
      trained: new Uint8Array(length),
    };
  });
}
