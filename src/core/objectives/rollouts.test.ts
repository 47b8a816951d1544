import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../random.ts";
import type { ScoredExample } from "./objective.ts";
import { createObjective, type ObjectiveName, type ObjectiveOptions } from "./objectives.ts";

interface Case {
  readonly objective: ObjectiveName;
  readonly options: ObjectiveOptions;
  readonly rewards: number[][];
  readonly current: number[][][];
  readonly old: number[][][];
  readonly reference: number[][][];
  readonly loss: number;
  readonly coefficients: number[][][];
  readonly metrics: Record<string, number>;
}

// Made by reference/policy.py with TRL.
const golden: { readonly longest: number; readonly losses: Record<string, Case> } = JSON.parse(
  readFileSync("fixtures/reference/policy/golden.json", "utf8"),
);

function expectClose(actual: number | undefined, expected: number, what: string): void {
  expect(Math.abs(actual! - expected) / Math.max(1, Math.abs(expected)), what).toBeLessThan(1e-5);
}

describe.each(Object.entries(golden.losses))("%s", (_, { objective: name, options, ...expected }) => {
  const objective = createObjective(name, { ...options, max_completion_length: golden.longest });
  const examples = expected.current.map(
    (texts, group): ScoredExample => ({
      texts: texts.map((values, i) => ({
        logProbabilities: Float64Array.from(values),
        old: Float64Array.from(expected.old[group]![i]!),
        reference: Float64Array.from(expected.reference[group]![i]!),
      })),
      rewards: expected.rewards[group]!,
      weight: 1,
    }),
  );

  test("has TRL's loss, derivatives and metrics", () => {
    const { loss, coefficients, metrics } = objective.evaluate(examples);
    expectClose(loss, expected.loss, "loss");
    const theirs = expected.coefficients.flat(2);
    for (const [i, value] of coefficients.flatMap((texts) => texts.flatMap((text) => [...text])).entries())
      expectClose(value, theirs[i]!, `derivative ${i}`);
    for (const [metric, value] of Object.entries(metrics)) {
      // Theirs is exact; and with the deviation of a whole step theirs is the share of steps.
      const isOwn = metric === "frac_reward_zero_std" && options.scale_rewards === "batch";
      if (metric !== "entropy" && !isOwn) expectClose(value, expected.metrics[metric]!, metric);
    }
    // What is on policy is never clipped.
    const told = Object.keys(expected.metrics).filter((metric) => !metric.startsWith("clip_ratio"));
    expect(Object.keys(metrics)).toEqual(expect.arrayContaining(told));
  });
});

const cases: [name: ObjectiveName, options: ObjectiveOptions][] = [
  ["grpo", {}],
  ["grpo", { loss_type: "grpo", beta: 0.2, epsilon: 0.1 }],
  ["grpo", { loss_type: "bnpo", scale_rewards: "batch", epsilon_high: 0.5 }],
  ["grpo", { loss_type: "dr_grpo", scale_rewards: "none", max_completion_length: 12, beta: 0.01 }],
  ["rloo", {}],
  ["rloo", { beta: 0, epsilon: 0.6 }],
];

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

/** Up to three groups of up to four answers, of up to six tokens. */
function drawGroups(seed: number): ScoredExample[] {
  const random = createRandom(seed);
  const answers = 2 + random.below(3);
  const near = (value: number) => Math.min(0, value + 0.4 * random.normal());
  const drawText = () => {
    const old = Float64Array.from({ length: random.below(7) }, () => -3 * random.uniform());
    return { logProbabilities: old.map(near), old, reference: old.map(near) };
  };
  return Array.from({ length: 1 + random.below(3) }, () => ({
    texts: Array.from({ length: answers }, drawText),
    rewards: Array.from({ length: answers }, () => random.below(3)),
    weight: 2 * random.uniform(),
  }));
}

const flatten = (values: readonly (readonly Float64Array[])[]) =>
  values.flatMap((texts) => texts.flatMap((text) => [...text]));

describe.each(cases)("%s %o", (name, options) => {
  const objective = createObjective(name, { ...options, num_iterations: 2 });

  test("has the derivatives of its loss as coefficients", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const examples = drawGroups(seed);
        const random = createRandom(seed, 1);
        const along = examples.map(({ texts }) =>
          texts.map(({ old }) => old!.map(() => 2 * random.uniform() - 1)),
        );
        const move = (by: number) =>
          examples.map((example, i) => ({
            ...example,
            texts: example.texts.map((text, j) => ({
              ...text,
              logProbabilities: text.logProbabilities.map((value, k) => value + by * along[i]![j]![k]!),
            })),
          }));
        const h = 1e-6;
        const [above, below] = [h, -h].map((by) => objective.evaluate(move(by)));
        // Where a ratio comes to the border of its range, there is no derivative.
        fc.pre(
          ["low", "high"].every((side) => {
            const metric = `clip_ratio/${side}_mean`;
            return above!.metrics[metric] === below!.metrics[metric];
          }),
        );
        const slopes = flatten(objective.evaluate(examples).coefficients);
        const slope = flatten(along).reduce((sum, value, i) => sum + value * slopes[i]!, 0);
        const size = slopes.reduce((sum, value) => sum + Math.abs(value), 0);
        expect(Math.abs((above!.loss - below!.loss) / (2 * h) - slope)).toBeLessThanOrEqual(
          1e-6 * (1 + size),
        );
      }),
    );
  });

  test("counts a group by its weight", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const examples = drawGroups(seed);
        const parts = examples.map((_, only) =>
          objective.evaluate(
            examples.map((example, i) => ({ ...example, weight: i === only ? example.weight : 0 })),
          ),
        );
        const together = objective.evaluate(examples);
        const sum = parts.reduce((total, { loss }) => total + loss, 0);
        expect(Math.abs(sum - together.loss)).toBeLessThanOrEqual(1e-12 * (1 + Math.abs(sum)));
        for (const { metrics } of parts) expect(metrics).toEqual(together.metrics);
      }),
      { numRuns: 20 },
    );
  });

  test("takes the model that is tuned for the one that wrote, where it learns once", () => {
    const once = createObjective(name, options);
    fc.assert(
      fc.property(seeds, (seed) => {
        const examples = drawGroups(seed);
        const current = examples.map((example) => ({
          ...example,
          texts: example.texts.map((text) => ({ ...text, old: text.logProbabilities })),
        }));
        const { metrics, ...value } = objective.evaluate(current);
        const { metrics: told, ...same } = once.evaluate(examples);
        expect(same).toEqual(value);
        expect(metrics).toEqual(expect.objectContaining(told));
      }),
      { numRuns: 20 },
    );
  });
});

test("of a group whose rewards are alike nothing is learnt", () => {
  const text = (value: number) => ({
    logProbabilities: Float64Array.of(value),
    reference: Float64Array.of(),
  });
  const examples = [{ texts: [text(-1), text(-2)], rewards: [0.1, 0.1], weight: 1 }];
  for (const name of ["grpo", "rloo"] as const) {
    const { coefficients, metrics } = createObjective(name, { beta: 0 }).evaluate(examples);
    expect(flatten(coefficients).map(Math.abs)).toEqual([0, 0]);
    expect(metrics.frac_reward_zero_std).toBe(1);
  }
});

test("of answers that are all cut off nothing is learnt, where they are masked", () => {
  const text = { logProbabilities: Float64Array.of(), old: Float64Array.of(), reference: Float64Array.of() };
  const examples = [{ texts: [text, text], rewards: [0, 1], weight: 1 }];
  for (const name of ["grpo", "rloo"] as const) {
    const options = { num_iterations: 2, beta: 0.1 };
    const { coefficients, metrics } = createObjective(name, options).evaluate(examples);
    expect(flatten(coefficients)).toEqual([]);
    expect(Object.values(metrics).every(Number.isFinite)).toBe(true);
  }
});
