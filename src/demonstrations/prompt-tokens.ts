/** @file What prompts cost, in tokens. */

import { commonLength } from "../core/engine/key-values.ts";

/**
 * @param prompts tokens of each
 * @returns of a prompt on average: its tokens, and those of them that are left to compute if each beginning that prompts have in
 *   common is computed once
 */
export function countPromptTokens(prompts: readonly (readonly number[])[]): {
  readonly read: number;
  readonly own: number;
} {
  const sorted = [...prompts].sort((a, b) => {
    const common = commonLength(a, b);
    return (a[common] ?? -1) - (b[common] ?? -1);
  });
  const read = sorted.reduce((sum, { length }) => sum + length, 0);
  const shared = sorted.reduce((sum, ids, i) => sum + (i === 0 ? 0 : commonLength(sorted[i - 1]!, ids)), 0);
  return { read: read / prompts.length, own: (read - shared) / prompts.length };
}
