/** @file What a decoder makes of the tokens of many texts. */

import type { ModelConfig } from "../core/architectures/architecture.ts";
import type { Decoder } from "../core/engine/decoder.ts";
import { createKeyValues } from "../core/engine/key-values.ts";

/** Tokens that are computed at a time, padding included. */
const batchTokens = 1024;

/**
 * Reads texts side by side, those of like length together.
 *
 * @param visit called with a text's number and the last block's output of its tokens, [tokens, hiddenSize], which is used again
 * @param onText called with how many texts were read
 */
export async function readHiddenStates(
  decoder: Decoder,
  config: ModelConfig,
  tokens: readonly (readonly number[])[],
  visit: (index: number, states: Float32Array) => void,
  onText?: (done: number) => void,
): Promise<void> {
  const nothing = createKeyValues(config, 1, 0);
  const longestFirst = [...tokens.keys()].sort((a, b) => tokens[b]!.length - tokens[a]!.length);
  for (let start = 0; start < tokens.length; ) {
    const length = tokens[longestFirst[start]!]!.length;
    const batch = longestFirst.slice(start, start + Math.max(1, Math.floor(batchTokens / length)));
    const inputIds = new Int32Array(batch.length * length);
    for (const [row, index] of batch.entries()) inputIds.set(tokens[index]!, row * length);
    const { hidden } = await decoder.extend(
      {
        rows: batch.length,
        length,
        inputIds,
        positionIds: Int32Array.from(inputIds.keys(), (place) => place % length),
      },
      nothing,
      new Int32Array(batch.length),
    );
    for (const [row, index] of batch.entries()) {
      const offset = row * length * config.hiddenSize;
      const end = offset + tokens[index]!.length * config.hiddenSize;
      visit(index, hidden.data.subarray(offset, end) as Float32Array);
    }
    start += batch.length;
    onText?.(start);
  }
}
