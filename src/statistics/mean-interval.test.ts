import { expect, test } from "vitest";
import { golden } from "./golden.fixture.ts";
import { meanInterval } from "./mean-interval.ts";

test("means and Student's intervals equal SciPy's", () => {
  for (const { values, mean, deviation, low, high } of golden.meanInterval) {
    const spread = meanInterval(values);
    expect(spread.value).toBeCloseTo(mean, 14);
    expect(spread.deviation).toBeCloseTo(deviation, 14);
    expect(spread.low).toBeCloseTo(low, 12);
    expect(spread.high).toBeCloseTo(high, 12);
  }
});

test("values that are all alike have no width, and one value alone is refused", () => {
  expect(meanInterval([0.5, 0.5, 0.5])).toEqual({ value: 0.5, low: 0.5, high: 0.5, deviation: 0 });
  expect(() => meanInterval([1])).toThrow(RangeError);
});
