import { describe, expect, test } from "vitest";
import { scheduleFactor } from "./schedule.ts";

// Values of transformers.get_linear_schedule_with_warmup and get_cosine_schedule_with_warmup for 2 warm-up steps of 10.
describe("schedules equal Transformers'", () => {
  test("linear", () => {
    const factors = [0, 1, 2, 3, 6, 9].map((step) => scheduleFactor("linear", step, 10, 2));
    expect(factors).toEqual([0, 0.5, 1, 0.875, 0.5, 0.125]);
  });
  test("cosine", () => {
    expect(scheduleFactor("cosine", 6, 10, 2)).toBeCloseTo(0.5, 12);
    expect(scheduleFactor("cosine", 4, 10, 2)).toBeCloseTo(0.8535533905932737, 12);
    expect(scheduleFactor("cosine", 10, 10, 2)).toBe(0);
  });
  test("constant, with and without warm-up", () => {
    expect(scheduleFactor("constant", 0, 10, 2)).toBe(1);
    expect(scheduleFactor("constant_with_warmup", 1, 10, 2)).toBe(0.5);
    expect(scheduleFactor("constant_with_warmup", 7, 10, 2)).toBe(1);
  });
});
