import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, createXoshiro128, mixBits, type Random } from "./random.ts";

function draw<T>(count: number, next: () => T): T[] {
  return Array.from({ length: count }, next);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const names = fc.array(fc.integer({ min: 0, max: 2 ** 53 - 1 }), { minLength: 1, maxLength: 4 });
const open = ([seed, ...counters]: readonly number[]) => createRandom(seed!, ...counters);

test("the same name gives the same stream", () => {
  fc.assert(
    fc.property(names, (name) => {
      expect(draw(20, open(name).nextUint32)).toEqual(draw(20, open(name).nextUint32));
    }),
  );
});

test("different names give different streams: of seeds, counters, their order and their number", () => {
  fc.assert(
    fc.property(names, names, (a, b) => {
      fc.pre(a.join() !== b.join());
      expect(draw(4, open(a).nextUint32)).not.toEqual(draw(4, open(b).nextUint32));
    }),
  );
  const close = [[0], [1], [0, 0], [0, 1], [1, 0], [2 ** 32], [0, 2 ** 32], [2 ** 32 + 1], [0, 0, 0]];
  const starts = close.map((name) => draw(4, open(name).nextUint32).join());
  expect(new Set(starts).size).toBe(close.length);
});

test("streams of neighbouring counters are not correlated", () => {
  const count = 20_000;
  for (const counters of [[1], [2 ** 20], [0, 1]]) {
    const a = draw(count, createRandom(5, 0).normal);
    const b = draw(count, createRandom(5, ...counters).normal);
    // Its standard deviation is 1 / sqrt(count).
    expect(Math.abs(mean(a.map((value, i) => value * b[i]!)))).toBeLessThan(5 / Math.sqrt(count));
  }
  // First draws over counters, as dropout takes them over steps.
  const first = Array.from({ length: count }, (_, step) => createRandom(5, step).uniform());
  expect(Math.abs(mean(first) - 1 / 2)).toBeLessThan(5 / Math.sqrt(12 * count));
});

test("the generator equals the reference implementation", () => {
  // xoshiro128starstar.c 1.1 of prng.di.unimi.it from the state 1, 2, 3, 4, as frozen in the tests of rand_xoshiro.
  const expected = [
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
  ];
  expect(draw(10, createXoshiro128(Uint32Array.of(1, 2, 3, 4)))).toEqual(expected);
});

test("the mixing of bits is MurmurHash3's", () => {
  // MurmurHash3_x86_32 of no bytes is the finalizer of its seed; by mmh3 5.3.1.
  const expected: [seed: number, hash: number][] = [
    [0, 0],
    [1, 0x514e28b7],
    [2, 0x30f4c306],
    [0x9e3779b9, 0x92ca2f0e],
    [0x80000000, 0x6d3c65a0],
    [0xffffffff, 0x81f16f39],
  ];
  for (const [seed, hash] of expected) expect(mixBits(seed)).toBe(hash);
});

describe("the distributions", () => {
  const count = 200_000;
  const random: Random = createRandom(3);

  test("of uniform: in [0, 1), every sixteenth of it equally likely", () => {
    const values = draw(count, random.uniform);
    for (const value of values) if (!(value >= 0 && value < 1)) expect.fail(`${value} is not in [0, 1)`);
    expect(Math.abs(mean(values) - 1 / 2)).toBeLessThan(5 / Math.sqrt(12 * count));
    const variance = mean(values.map((value) => (value - 1 / 2) ** 2));
    // The fourth central moment is 1 / 80.
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(5 * Math.sqrt((1 / 80 - 1 / 144) / count));
    const bins = new Array<number>(16).fill(0);
    for (const value of values) bins[Math.floor(value * 16)]!++;
    const chiSquare = bins.reduce((sum, n) => sum + (n - count / 16) ** 2 / (count / 16), 0);
    // The 0.9999 quantile of chi-square with 15 degrees of freedom.
    expect(chiSquare).toBeLessThan(44.3);
  });

  test("of normal: mean, variance, skewness, kurtosis and tails of the standard normal", () => {
    const values = draw(count, random.normal);
    expect(values.every(Number.isFinite)).toBe(true);
    const moment = (power: number) => mean(values.map((value) => value ** power));
    // The variance of the k-th moment is ((2k)th moment - the k-th squared) / count.
    const bound = (variance: number) => 5 * Math.sqrt(variance / count);
    expect(Math.abs(moment(1))).toBeLessThan(bound(1));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(bound(2));
    expect(Math.abs(moment(3))).toBeLessThan(bound(15));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(bound(96));
    const outside = values.filter((value) => Math.abs(value) > 1.959964).length / count;
    expect(Math.abs(outside - 0.05)).toBeLessThan(bound(0.05 * 0.95));
  });

  test("of below: whole numbers below n, each equally likely", () => {
    const counts = new Array<number>(6).fill(0);
    for (const value of draw(count, () => random.below(6))) counts[value]!++;
    expect(counts).toHaveLength(6);
    const chiSquare = counts.reduce((sum, n) => sum + (n - count / 6) ** 2 / (count / 6), 0);
    // The 0.9999 quantile with 5 degrees of freedom.
    expect(chiSquare).toBeLessThan(25.7);
  });

  test("of below for n that divide 2^32 badly: no half is favoured", () => {
    // Without repetition a third of the values would be twice as likely.
    const n = 3 * 2 ** 30;
    const low = draw(count, () => random.below(n)).filter((value) => value < 2 ** 30).length / count;
    expect(Math.abs(low - 1 / 3)).toBeLessThan(5 * Math.sqrt(2 / 9 / count));
    expect(createRandom(0).below(1)).toBe(0);
    expect(createRandom(0).below(2 ** 32)).toBe(createRandom(0).nextUint32());
  });
});
