import fc from "fast-check";
import { expect, test } from "vitest";
import type { ScoredExample } from "./objective.ts";
import { prm } from "./prm.ts";

const solution = (
  pairs: readonly (readonly [number, number])[],
  stepLabels: readonly number[],
  weight = 1,
) => ({
  texts: [{ logProbabilities: Float64Array.from(pairs.flat()), reference: new Float64Array() }],
  stepLabels,
  weight,
});

test("is the mean over labelled steps of the cross-entropy between the two tokens", () => {
  const { loss, metrics } = prm.evaluate([
    solution([[Math.log(0.3), Math.log(0.1)]], [1]),
    solution(
      [
        [Math.log(0.02), Math.log(0.02)],
        [Math.log(0.1), Math.log(0.4)],
      ],
      [0.25, 1],
    ),
  ]);
  expect(loss).toBeCloseTo(-(Math.log(0.75) + Math.log(0.5) + Math.log(0.2)) / 3, 12);
  expect(metrics).toEqual({ accuracy: expect.closeTo(2 / 3, 12), base_rate: expect.closeTo(0.75, 12) });
});

test("of a text that was cut only the steps that are left count", () => {
  const cut = prm.evaluate([solution([[-1, -2]], [0, 1, 1])]);
  expect(cut).toEqual(prm.evaluate([solution([[-1, -2]], [0])]));
});

const logProbability = fc.double({ min: -20, max: -1e-3, noNaN: true });
const step = fc.tuple(fc.tuple(logProbability, logProbability), fc.double({ min: 0, max: 1, noNaN: true }));
const solutions = fc.array(
  fc
    .tuple(fc.array(step, { minLength: 1, maxLength: 4 }), fc.double({ min: 0, max: 2, noNaN: true }))
    .map(([steps, weight]) =>
      solution(
        steps.map(([pair]) => pair),
        steps.map(([, label]) => label),
        weight,
      ),
    ),
  { minLength: 1, maxLength: 4 },
);

test("has the derivatives of its loss as coefficients, with soft labels too", () => {
  fc.assert(
    fc.property(solutions, (examples: ScoredExample[]) => {
      const { coefficients } = prm.evaluate(examples);
      const h = 1e-5;
      for (const [i, example] of examples.entries()) {
        const [text] = example.texts;
        for (const at of text!.logProbabilities.keys()) {
          const [above, below] = [h, -h].map((by) => {
            const moved = text!.logProbabilities.slice();
            moved[at]! += by;
            const texts = [{ ...text!, logProbabilities: moved }];
            return prm.evaluate(examples.map((other, j) => (i === j ? { ...other, texts } : other))).loss;
          });
          expect(Math.abs((above! - below!) / (2 * h) - coefficients[i]![0]![at]!)).toBeLessThan(1e-7);
        }
      }
    }),
  );
});

test("is finite however unlikely both tokens are", () => {
  const { loss, coefficients } = prm.evaluate([
    solution(
      [
        [-3e38, -1],
        [-1, -1e4],
        [-3e38, -3e38],
      ],
      [1, 0.5, 0],
    ),
  ]);
  expect([loss, ...coefficients.flat().flatMap((values) => [...values])].every(Number.isFinite)).toBe(true);
});
