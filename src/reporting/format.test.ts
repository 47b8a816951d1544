import { expect, test } from "vitest";
import {
  formatNumber,
  formatRange,
  formatSeconds,
  formatShare,
  formatSigned,
  joinWords,
  scorePrinter,
} from "./format.ts";

test("numbers have 3 significant digits unless told, and no negative zero", () => {
  expect([1234.5, 245.31, 18.04, 0.5523, 0.000123, 0].map((value) => formatNumber(value))).toEqual([
    "1235",
    "245",
    "18.0",
    "0.552",
    "0.000123",
    "0.00",
  ]);
  expect(formatNumber(-0.04, 1)).toBe("0.0");
  expect(formatSigned(-0.04, 1)).toBe("0.0");
  expect(formatSigned(0.04, 1)).toBe("0.0");
  expect(formatSigned(4.06, 1)).toBe("+4.1");
  expect(formatSigned(-4.06, 1)).toBe("−4.1");
  expect(formatRange({ low: -1.26, high: 3 }, 1)).toBe("[−1.3, 3.0]");
});

test("durations and shares", () => {
  expect([4.21, 48.4, 750, 11_520].map(formatSeconds)).toEqual(["4.2 s", "48 s", "12.5 min", "3.2 h"]);
  expect([0.0182, 0.96, 1].map(formatShare)).toEqual(["1.82 %", "96.0 %", "100 %"]);
});

test("scores between 0 and 1 are printed in points, others in their own unit", () => {
  const gsm8k = scorePrinter(true, { value: 0.06, low: 0.04, high: 0.09 });
  const wikitext = scorePrinter(false, { value: 21.47, low: 20.12, high: 23.05 });
  expect([gsm8k.score(0.06), gsm8k.change(0.0726), gsm8k.size(-0.0726)]).toEqual([
    "6.0",
    "+7.3",
    "7.3 points",
  ]);
  expect([wikitext.score(21.47), wikitext.change(-0.84), wikitext.size(-0.84)]).toEqual([
    "21.47",
    "−0.84",
    "0.84",
  ]);
});

test("words are joined as in a sentence", () => {
  expect([[], ["a"], ["a", "b"], ["a", "b", "c"]].map(joinWords)).toEqual(["", "a", "a and b", "a, b and c"]);
});
