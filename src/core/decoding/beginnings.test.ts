import fc from "fast-check";
import { expect, test } from "vitest";
import { openModel } from "../../node/models/open-model.ts";
import { commonLength, copyTokens, createKeyValues, type KeyValues } from "../engine/key-values.ts";
import { createBeginnings } from "./beginnings.ts";

const { config: whole } = await openModel("fixtures/embedded-model");
const config = { ...whole, numHiddenLayers: 2, numKeyValueHeads: 2, headDim: 3 };
const bytesPerToken = 2 * 2 * 2 * 3 * 4;

/** Keys and values of a text in the second of three rows, each of which tells the text up to its token. */
function keysOf(ids: readonly number[]): KeyValues {
  const keyValues = createKeyValues(config, 3, ids.length + 1);
  for (const [kind, layers] of [keyValues.keys, keyValues.values].entries()) {
    for (const [layer, data] of layers.entries()) {
      for (let group = 0; group < 2; group++) {
        for (let token = 0; token < ids.length; token++) {
          const told = ids.slice(0, token + 1).reduce((sum, id) => 4 * sum + id + 1, 0);
          const start = ((2 + group) * (ids.length + 1) + token) * 3;
          data.set([told, token, 100 * kind + 10 * layer + group], start);
        }
      }
    }
  }
  return keyValues;
}

const texts = fc.array(fc.array(fc.nat(2), { minLength: 1, maxLength: 7 }), { minLength: 1, maxLength: 25 });

test("whatever is kept, the longest beginning of a text is found, with its keys and values", () => {
  fc.assert(
    fc.property(texts, fc.array(fc.nat(2), { minLength: 1, maxLength: 7 }), (kept, text) => {
      const beginnings = createBeginnings<number>(config, Number.POSITIVE_INFINITY);
      for (const [number, ids] of kept.entries())
        beginnings.keep(ids, { keyValues: keysOf(ids), row: 1 }, number % 2 === 0 ? number : undefined);
      const { length, value, copyTo } = beginnings.find(text);
      expect(length).toBe(Math.max(...kept.map((ids) => commonLength(ids, text))));
      const last = kept.findLastIndex((ids, number) => number % 2 === 0 && `${ids}` === `${text}`);
      expect(value).toBe(last < 0 ? undefined : last);
      for (let count = 0; count <= length; count++) {
        const copied = createKeyValues(config, 3, count + 1);
        copyTo(copied, 1, count);
        expect(copied).toEqual(keysOf(text.slice(0, count)));
      }
      const distinct = new Set(kept.flatMap((ids) => ids.map((_, i) => `${ids.slice(0, i + 1)}`)));
      expect(beginnings.bytes).toBe(distinct.size * bytesPerToken);
    }),
  );
});

test("what is kept stays within its bytes, but for the last text, and what was used lately stays", () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: 1, max: 20 }), (kept, most) => {
      const beginnings = createBeginnings(config, most * bytesPerToken);
      for (const [number, ids] of kept.entries()) {
        beginnings.keep(ids, { keyValues: keysOf(ids), row: 1 });
        expect(beginnings.find(ids).length).toBe(ids.length);
        // The last text stays, with a longer one that it is part of.
        const longer = kept.slice(0, number + 1).filter((text) => commonLength(text, ids) === ids.length);
        const mostTokens = Math.max(most, ...longer.map((text) => text.length));
        expect(beginnings.bytes).toBeLessThanOrEqual(mostTokens * bytesPerToken);
      }
    }),
  );
  const beginnings = createBeginnings(config, 6 * bytesPerToken);
  const keep = (...ids: number[]) => beginnings.keep(ids, { keyValues: keysOf(ids), row: 1 });
  const lengthOf = (...ids: number[]) => beginnings.find(ids).length;
  keep(0, 0, 0);
  keep(0, 0, 1);
  keep(1, 1);
  expect(lengthOf(0, 0, 0)).toBe(3);
  // The oldest leaf goes, and not what it has begun with.
  keep(2);
  expect([lengthOf(0, 0, 1), lengthOf(1, 1), lengthOf(2)]).toEqual([2, 2, 1]);
});

test("what goes on from a text is kept with it, or not at all", () => {
  const beginnings = createBeginnings<number>(config, Number.POSITIVE_INFINITY);
  const [text, row] = [[0, 1, 2, 0, 1], 1];
  const full = keysOf(text);
  const rest = createKeyValues(config, 3, 3);
  copyTokens(config, full, { row, start: 3 }, rest, { row, start: 0 }, 2);
  beginnings.keep(text, { keyValues: rest, row, from: 3 });
  expect(beginnings.find(text).length).toBe(0);
  beginnings.keep(text.slice(0, 3), { keyValues: full, row });
  beginnings.keep(text, { keyValues: rest, row, from: 3 }, 7);
  const { length, value, copyTo } = beginnings.find(text);
  expect([length, value]).toEqual([5, 7]);
  const copied = createKeyValues(config, 3, 6);
  copyTo(copied, row, 5);
  expect(copied).toEqual(full);
});

test("with no bytes nothing is kept", () => {
  const beginnings = createBeginnings<number>(config, 0);
  beginnings.keep([1], { keyValues: keysOf([1]), row: 1 }, 5);
  expect(beginnings.find([1])).toMatchObject({ length: 0, value: undefined });
  expect(beginnings.bytes).toBe(0);
});
