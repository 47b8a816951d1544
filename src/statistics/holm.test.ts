import fc from "fast-check";
import { expect, test } from "vitest";
import { golden } from "./golden.fixture.ts";
import { holm } from "./holm.ts";

test("adjusted values equal statsmodels'", () => {
  for (const { p, adjusted } of golden.holm) {
    for (const [i, value] of holm(p).entries()) expect(value).toBeCloseTo(adjusted[i]!, 14);
  }
});

test("adjusted values keep the order of the tests and lie between p and m p", () => {
  const pValues = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });
  fc.assert(
    fc.property(pValues, (p) => {
      const adjusted = holm(p);
      expect(adjusted).toHaveLength(p.length);
      for (const [i, value] of adjusted.entries()) {
        expect(value).toBeGreaterThanOrEqual(p[i]!);
        expect(value).toBeLessThanOrEqual(1);
        for (const [j, other] of adjusted.entries())
          if (p[i]! < p[j]!) expect(value).toBeLessThanOrEqual(other);
      }
    }),
  );
});

test("what is no p-value is refused", () => {
  expect(() => holm([0.1, 1.5])).toThrow(RangeError);
  expect(() => holm([Number.NaN])).toThrow(RangeError);
});
