import fc from "fast-check";
import { expect, test } from "vitest";
import { BoundedText, cutText } from "./bounded-text.ts";

test("a text of at most the limit stays, and of a longer one both ends do, as TATA cuts them", () => {
  expect(cutText("abcd", 4)).toBe("abcd");
  expect(cutText("abcde", 4)).toBe("ab...de");
  expect(cutText(`${"a".repeat(300)}${"b".repeat(300)}`, 400)).toBe(
    `${"a".repeat(200)}...${"b".repeat(200)}`,
  );
});

test("a character is kept whole or not at all", () => {
  expect(cutText("a😀bc😀d", 4)).toBe("a...d");
});

test("it does not matter in which pieces a text comes", () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.integer({ min: 2, max: 20 }), (pieces, limit) => {
      const bounded = new BoundedText(limit);
      for (const piece of pieces) bounded.append(piece);
      expect(String(bounded)).toBe(cutText(pieces.join(""), limit));
    }),
  );
});
