import fc from "fast-check";
import { expect, test } from "vitest";
import { golden } from "./golden.fixture.ts";
import { mcnemarExact } from "./mcnemar.ts";

test("p-values equal statsmodels' and SciPy's, of thousands of discordant items too", () => {
  for (const { fixed, broken, p } of golden.mcnemar) {
    expect(Math.abs(mcnemarExact(fixed, broken) / p - 1), `${fixed}, ${broken}`).toBeLessThan(1e-11);
  }
});

test("a p-value does not depend on the direction, and falls as the same number becomes more lopsided", () => {
  const count = fc.integer({ min: 1, max: 2000 });
  fc.assert(
    fc.property(count, count, (a, b) => {
      const p = mcnemarExact(a, b);
      expect(mcnemarExact(b, a)).toBe(p);
      expect(p).toBeGreaterThanOrEqual(0);
      expect(p).toBeLessThanOrEqual(1);
      expect(mcnemarExact(Math.max(a, b) + 1, Math.min(a, b) - 1)).toBeLessThanOrEqual(p);
    }),
  );
});

test("what is no count is refused", () => {
  expect(() => mcnemarExact(-1, 3)).toThrow(RangeError);
  expect(() => mcnemarExact(1, 0.5)).toThrow(RangeError);
});
