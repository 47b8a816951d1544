import fc from "fast-check";
import { expect, test } from "vitest";
import { golden } from "./golden.fixture.ts";
import { normalQuantile } from "./normal-quantile.ts";

test("quantiles equal SciPy's to the last digits, far tails too", () => {
  for (const { p, z } of golden.normalQuantile) {
    expect(Math.abs(normalQuantile(p) - z), `p = ${p}`).toBeLessThanOrEqual(4e-15 * Math.abs(z));
  }
});

test("the distribution is symmetric and quantiles rise", () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-12, max: 0.499, noNaN: true }), (p) => {
      expect(normalQuantile(1 - p)).toBeCloseTo(-normalQuantile(p), 3);
      expect(normalQuantile(p + 1e-3)).toBeGreaterThan(normalQuantile(p));
    }),
  );
});

test("0, 1 and what is no probability are refused", () => {
  for (const p of [0, 1, -0.1, Number.NaN]) expect(() => normalQuantile(p)).toThrow(RangeError);
});
