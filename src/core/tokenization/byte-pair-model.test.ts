import fc from "fast-check";
import { expect, test } from "vitest";
import { type BytePairModel, createWordEncoder } from "./byte-pair-model.ts";

/** Merges by the definition: again and again the first of the list that applies, where it does so first. */
function joinOneByOne(tokens: string[], merges: readonly (readonly [string, string])[]): string[] {
  for (const [left, right] of merges) {
    const place = tokens.findIndex((token, i) => token === left && tokens[i + 1] === right);
    if (place >= 0) return joinOneByOne(tokens.toSpliced(place, 2, left + right), merges);
  }
  return tokens;
}

test("neighbours are joined by the first merge there is, from the left", () => {
  const token = fc.string({ unit: fc.constantFrom("a", "b", "😀"), minLength: 1, maxLength: 3 });
  const pairs = fc.uniqueArray(fc.tuple(token, token), { selector: String, maxLength: 12 });
  const word = fc.string({ unit: fc.constantFrom("a", "b", "😀"), maxLength: 30 });
  fc.assert(
    fc.property(pairs, word, (merges, text) => {
      const tokens = [...new Set(["a", "b", "😀", ...merges.flatMap(([a, b]) => [a, b, a + b])])];
      const ids = (side: (pair: readonly [string, string]) => string) =>
        Int32Array.from(merges, (pair) => tokens.indexOf(side(pair)));
      const model: BytePairModel = {
        vocabulary: new Map(tokens.map((name, id) => [name, id])),
        merges: { left: ids(([a]) => a), right: ids(([, b]) => b), joined: ids(([a, b]) => a + b) },
        unkToken: undefined,
        fuseUnk: false,
        byteFallback: false,
        ignoreMerges: false,
      };
      const encoded = createWordEncoder(model, "a model")(text);
      expect(encoded.map((id) => tokens[id])).toEqual(joinOneByOne(Array.from(text), merges));
    }),
  );
});
