import { describe, expect, test } from "vitest";
import { type SchedulerType, scheduleFactor, schedulerTypes } from "./schedule.ts";

// The learning rates of transformers.get_{linear,cosine,constant}_schedule_with_warmup for 2 warm-up steps of 10.
const transformers = {
  linear: [0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0],
  cosine: [
    0, 0.5, 1, 0.9619397662556434, 0.8535533905932737, 0.6913417161825449, 0.5, 0.30865828381745514,
    0.14644660940672627, 0.03806023374435663, 0,
  ],
  constant_with_warmup: [0, 0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1],
} as const;
const steps = Array.from({ length: 11 }, (_, step) => step);
const factors = (type: SchedulerType) => steps.map((step) => scheduleFactor(type, step, 10, 2));

describe.each(Object.entries(transformers))("%s", (name, expected) => {
  const type = name as keyof typeof transformers;

  test("equals Transformers' under the name that says so", () => {
    for (const [step, factor] of factors(`transformers_${type}`).entries())
      expect(factor).toBeCloseTo(expected[step]!, 12);
  });

  test("is the same after the warm-up, which begins at 1 over its steps", () => {
    expect(factors(type).slice(0, 2)).toEqual([0.5, 1]);
    expect(factors(type).slice(2)).toEqual(factors(`transformers_${type}`).slice(2));
  });
});

test("no schedule but Transformers' wastes the first step, however short the warm-up", () => {
  for (const type of schedulerTypes.filter((name) => !name.startsWith("transformers_")))
    for (const warmupSteps of [0, 1, 2, 10])
      expect(scheduleFactor(type, 0, 10, warmupSteps)).toBeGreaterThan(0);
  expect(scheduleFactor("constant", 0, 10, 2)).toBe(1);
});
