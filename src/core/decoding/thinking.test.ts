import { expect, test } from "vitest";
import { createRandom } from "../random.ts";
import type { DecodingStrategy } from "./sample.ts";
import { findThinkTokens, isThinking, limitThinking } from "./thinking.ts";

const [start, end] = [90, 91];
const random = createRandom(0);

/** The tokens that a model writes which wants these, with its thoughts limited. */
function write(promptIds: readonly number[], wanted: readonly number[], tokens: number): number[] {
  const ids: number[] = [];
  const inTurn: DecodingStrategy = ({ ids }) => wanted[ids.length]!;
  const limited = limitThinking({ start, end, tokens }, inTurn);
  while (ids.length < wanted.length) ids.push(limited({ promptIds, ids, random }, new Float32Array()));
  return ids;
}

test("thoughts are ended by their token once so many are written", () => {
  expect(write([1], [start, 1, 2, 3, 4, 5], 2)).toEqual([start, 1, 2, end, 4, 5]);
  expect(write([1], [7, start, 1, 2, 3], 0)).toEqual([7, start, end, 2, 3]);
});

test("they may begin in the prompt, of which nothing else counts", () => {
  expect(write([1, start], [1, 2, 3, 4, 5], 3)).toEqual([1, 2, 3, end, 5]);
  // Such as the line break that templates put behind it.
  expect(write([1, start, 9], [1, 2, 3], 1)).toEqual([1, end, 3]);
  expect(write([1, start, 9], [1, 2, 3], 0)).toEqual([end, 2, 3]);
  expect(write([start, 1, end], [1, 2, 3, 4], 1)).toEqual([1, 2, 3, 4]);
});

test("those that end before, and answers without any, stay as they are", () => {
  for (const wanted of [
    [start, 1, end, 2, 3, 4],
    [1, 2, 3, 4],
  ])
    expect(write([1], wanted, 2)).toEqual(wanted);
  expect(write([start], [1, end, 2, 3, 4], 2)).toEqual([1, end, 2, 3, 4]);
});

test("later thoughts of the same answer have the whole budget", () => {
  expect(write([1], [start, 1, end, start, 1, 2, 3], 2)).toEqual([start, 1, end, start, 1, 2, end]);
});

test("each is one token of the vocabulary, or the model has none", () => {
  const vocabulary = new Map([
    ["<think>", 5],
    ["</think>", 6],
  ]);
  const tokenizer = (isSpelled: boolean) => ({
    idOf: (token: string) => vocabulary.get(token),
    encode: (text: string) => (isSpelled || !vocabulary.has(text) ? [1, 2, 3] : [vocabulary.get(text)!]),
  });
  expect(findThinkTokens(tokenizer(false))).toEqual({ start: 5, end: 6 });
  expect(findThinkTokens(tokenizer(true))).toBeUndefined();
  expect(isThinking([1, start, 2], { start, end })).toBe(true);
  expect(isThinking([1, start, 2, end], { start, end })).toBe(false);
  expect(isThinking([], { start, end })).toBe(false);
});
