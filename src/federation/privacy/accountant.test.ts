import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { epsilonOf, type NoisyRounds } from "./accountant.ts";

interface Golden extends NoisyRounds {
  readonly delta: number;
  /** By Rényi divergences of whole orders, of dp-accounting's own orders, and by privacy loss distributions, which are tighter. */
  readonly whole_orders: number;
  readonly default_orders: number;
  readonly loss_distribution: number;
}

// Made by reference/privacy_accounting.py with Google's dp-accounting.
const golden: readonly Golden[] = JSON.parse(
  readFileSync("fixtures/federation/privacy-accounting.json", "utf8"),
);
const wholeOrders = [...Array.from({ length: 62 }, (_, i) => 2 + i), 128, 256, 512, 1024];

test.each(golden)("$samplingRate $noiseMultiplier $rounds: epsilon is that of dp-accounting", (each) => {
  const ofWhole = epsilonOf(each, each.delta, wholeOrders);
  expect(Math.abs(ofWhole - each.whole_orders)).toBeLessThan(1e-6 * each.whole_orders);
  // dp-accounting bounds the divergences of fractional orders from above, and we compute them.
  const epsilon = epsilonOf(each, each.delta);
  expect(epsilon).toBeLessThan(each.default_orders * (1 + 1e-9));
  expect(epsilon).toBeGreaterThan(each.loss_distribution);
});

test("no rounds reveal nothing", () => {
  expect(epsilonOf({ samplingRate: 0.5, noiseMultiplier: 1, rounds: 0 }, 1e-5)).toBe(0);
});

describe("what gives no guarantee is refused:", () => {
  const usual = { samplingRate: 0.1, noiseMultiplier: 1, rounds: 10 };
  test.each<[Partial<NoisyRounds>, number, RegExp]>([
    [{ samplingRate: 0 }, 1e-5, /sampling rate of 0/],
    [{ samplingRate: 1.1 }, 1e-5, /sampling rate of 1\.1/],
    [{ noiseMultiplier: 0 }, 1e-5, /noise multiplier of 0 gives no privacy/],
    [{ noiseMultiplier: Number.NaN }, 1e-5, /noise multiplier of NaN/],
    [{ rounds: 1.5 }, 1e-5, /1\.5 rounds/],
    [{}, 0, /delta of 0/],
    [{}, 1, /delta of 1/],
  ])("%o with delta %d", (change, delta, message) => {
    expect(() => epsilonOf({ ...usual, ...change }, delta)).toThrow(message);
  });
});
