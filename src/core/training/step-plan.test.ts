import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { initialProgress } from "./loop.ts";
import { estimateSecondsLeft, planSteps, type StepOptions, type StepPlan } from "./step-plan.ts";

const options: StepOptions = {
  batch_size: 8,
  num_train_epochs: 1,
  max_steps: undefined,
  validation: undefined,
  eval_steps: undefined,
  early_stopping_patience: undefined,
  seed: 42,
};
const plan = (more: Partial<StepOptions>, lengths: number[] = Array(2000).fill(100)) =>
  planSteps({ ...options, ...more }, lengths);
const summarize = ({ heldOut, totalSteps, evalSteps, evaluations }: StepPlan) => ({
  heldOut: heldOut.length,
  totalSteps,
  evalSteps,
  evaluations,
});

describe("evaluations that are not asked for read at most a tenth of what is trained on", () => {
  test("in a short run: none or few examples, before and after", () => {
    expect(summarize(plan({ max_steps: 5 }))).toMatchObject({ heldOut: 0, evaluations: 0 });
    // 3 steps' worth of 8 examples, less one for compiling.
    expect(summarize(plan({ max_steps: 30 }))).toEqual({
      heldOut: 8,
      totalSteps: 30,
      evalSteps: 30,
      evaluations: 2,
    });
  });

  test("in a long run: 100 examples, up to ten times after the beginning", () => {
    expect(summarize(plan({}))).toEqual({ heldOut: 91, totalSteps: 239, evalSteps: 239, evaluations: 2 });
    expect(summarize(plan({ num_train_epochs: 3 }))).toMatchObject({ heldOut: 100, evaluations: 5 });
    expect(summarize(plan({ num_train_epochs: 50 }))).toMatchObject({ heldOut: 100, evaluations: 11 });
  });

  test("whatever the lengths of the examples and the length of the run", () => {
    const cases = fc.record({
      lengths: fc.array(fc.oneof(fc.integer({ min: 2, max: 60 }), fc.constant(2000)), {
        minLength: 1,
        maxLength: 400,
      }),
      batch_size: fc.integer({ min: 1, max: 40 }),
      max_steps: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
      num_train_epochs: fc.double({ min: 0.05, max: 4, noNaN: true }),
    });
    fc.assert(
      fc.property(cases, ({ lengths, ...more }) => {
        const made = plan(more, lengths);
        const steps = (10 * made.evaluations * made.heldOutTokens * made.totalSteps) / made.trainedTokens;
        expect(steps).toBeLessThanOrEqual(Math.max(0, made.totalSteps - 10) + 1e-9);
        expect([...made.training, ...made.heldOut].sort((a, b) => a - b)).toEqual([...lengths.keys()]);
        if (made.heldOut.length > 0) expect(made.evaluations).toBeGreaterThanOrEqual(2);
      }),
    );
  });
});

describe("what is asked for is done", () => {
  test.each<[Partial<StepOptions>, Partial<ReturnType<typeof summarize>>]>([
    [
      { max_steps: 5, validation: 50 },
      { heldOut: 50, evaluations: 2 },
    ],
    [
      { max_steps: 5, validation: 0.1, eval_steps: 2 },
      { heldOut: 200, evalSteps: 2, evaluations: 4 },
    ],
    [
      { max_steps: 5, eval_steps: 1 },
      { heldOut: 100, evaluations: 6 },
    ],
    [
      { max_steps: 20, early_stopping_patience: 2 },
      { heldOut: 100, evalSteps: 2, evaluations: 11 },
    ],
    [
      { max_steps: 5, validation: 0 },
      { heldOut: 0, evaluations: 0 },
    ],
  ])("%j", (asked, expected) => {
    expect(summarize(plan(asked))).toMatchObject(expected);
  });

  test("but not to train on nothing", () => {
    expect(() => plan({ validation: 2000 })).toThrow(
      'All 2000 examples would be held out; lower "validation".',
    );
  });
});

test("the time left counts the evaluations that are to come", () => {
  const made = plan({ max_steps: 10, validation: 50, eval_steps: 5 });
  const after = (step: number) => ({ ...initialProgress, step, seconds: 2 * step, tokens: 800 * step });
  // Before the first, after the fifth and the tenth.
  expect(made.evaluations).toBe(3);
  expect(estimateSecondsLeft(made, after(4), 7)).toBe(6 * 2 + 2 * 7);
  expect(estimateSecondsLeft(made, after(5), 7)).toBe(5 * 2 + 2 * 7);
  expect(estimateSecondsLeft(made, after(6), 7)).toBe(4 * 2 + 7);
  expect(estimateSecondsLeft(made, after(10), 7)).toBe(7);
  // 50 examples of 100 tokens, at 400 tokens a second.
  expect(estimateSecondsLeft(made, after(6))).toBe(4 * 2 + 12.5);
  expect(estimateSecondsLeft(plan({ max_steps: 10, validation: 0 }), after(6))).toBe(8);
});
