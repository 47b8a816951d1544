import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { createRandom } from "../random.ts";
import type { Objective, ScoredExample, ScoredText } from "./objective.ts";
import {
  completeOptions,
  createObjective,
  type ObjectiveName,
  type ObjectiveOptions,
  objectiveNames,
  objectiveOf,
  objectiveOptions,
  ownersOf,
} from "./objectives.ts";

/** Those whose loss is a function of the log-probabilities of given labels and nothing else. */
const names = objectiveNames.filter(
  (name) => name === "sft" || ["pairs", "unpaired"].includes(objectiveOf(name).learnsFrom),
);

/** Each of them, with its defaults and with other options. */
const cases: [name: ObjectiveName, options: ObjectiveOptions][] = [
  ...names.map((name): [ObjectiveName, ObjectiveOptions] => [name, {}]),
  ["dpo", { beta: 2 }],
  ["ipo", { beta: 0.01 }],
  ["robust", { beta: 0.5, label_smoothing: 0.4 }],
  ["robust", { label_smoothing: 0 }],
  ["cpo", { beta: 1, cpo_alpha: 0.3, label_smoothing: 0.2 }],
  ["simpo", { beta: 2, simpo_gamma: 1, cpo_alpha: 0.5 }],
  ["orpo", { beta: 1 }],
  ["kto", { beta: 0.5, desirable_weight: 1.3, undesirable_weight: 0.4 }],
];
const caseNames = cases.map(([name, options]): [string, Objective] => [
  `${name} ${JSON.stringify(options)}`,
  createObjective(name, options),
]);

const textsOf = { texts: 1, wordings: 2, pairs: 2, unpaired: 2, prompts: 4, steps: 1 };

/** Up to six examples, of up to nine labels a text, as likely as not and as the reference would not have them. */
function drawExamples({ learnsFrom }: Objective, seed: number): ScoredExample[] {
  const random = createRandom(seed);
  const drawText = (): ScoredText => {
    const length = 1 + random.below(9);
    const draw = () =>
      Float64Array.from({ length }, () => Math.log(1 - random.uniform()) * 10 ** (4 * random.uniform() - 3));
    return { logProbabilities: draw(), reference: draw() };
  };
  return Array.from({ length: 1 + random.below(6) }, () => ({
    texts: Array.from({ length: textsOf[learnsFrom] }, drawText),
    weight: 2 * random.uniform(),
    label: random.uniform() < 0.5,
  }));
}

/** The examples with their log-probabilities moved. */
function move(
  examples: readonly ScoredExample[],
  directions: readonly Float64Array[][],
  by: number,
): ScoredExample[] {
  return examples.map((example, i) => ({
    ...example,
    texts: example.texts.map((text, j) => ({
      ...text,
      logProbabilities: text.logProbabilities.map((value, k) => value + by * directions[i]![j]![k]!),
    })),
  }));
}

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

describe.each(caseNames)("%s", (_, objective) => {
  test("has the derivatives of its loss as coefficients", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const examples = drawExamples(objective, seed);
        const random = createRandom(seed, 1);
        // What the mismatched answers of KTO say is not differentiated.
        const directions = examples.map(({ texts }) =>
          texts.map(({ logProbabilities }, j) =>
            logProbabilities.map((value) =>
              objective.learnsFrom === "unpaired" && j === 1
                ? 0
                : Math.abs(value) * (2 * random.uniform() - 1),
            ),
          ),
        );
        const along = directions.flatMap((texts) => texts.flatMap((values) => [...values]));
        const { coefficients } = objective.evaluate(examples);
        const parts = coefficients
          .flatMap((texts) => texts.flatMap((values) => [...values]))
          .map((value, i) => value * along[i]!);
        const slope = parts.reduce((sum, part) => sum + part, 0);
        const size = parts.reduce((sum, part) => sum + Math.abs(part), 0);
        const h = 1e-5;
        const [above, below] = [h, -h].map((by) => objective.evaluate(move(examples, directions, by)).loss);
        expect(Math.abs((above! - below!) / (2 * h) - slope)).toBeLessThanOrEqual(1e-6 * (1 + size));
      }),
    );
  });

  test("has a coefficient for each label, and finite ones whatever the log-probabilities", () => {
    const values = fc.constantFrom(0, -0, -1e-300, -1e-8, -0.5, -40, -1e4, -3e38);
    const texts = fc.array(fc.tuple(values, values), { maxLength: 4 }).map((labels) => ({
      logProbabilities: Float64Array.from(labels, ([value]) => value),
      reference: Float64Array.from(labels, ([, value]) => value),
    }));
    const length = textsOf[objective.learnsFrom];
    const example = fc.record({
      texts: fc.array(texts, { minLength: length, maxLength: length }),
      weight: fc.constantFrom(0, 1, 1e3),
      label: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(example, { minLength: 1, maxLength: 4 }), (examples) => {
        const { loss, coefficients, metrics } = objective.evaluate(examples);
        expect(coefficients.map((each) => each.map(({ length }) => length))).toEqual(
          examples.map(({ texts }) => texts.map(({ logProbabilities }) => logProbabilities.length)),
        );
        expect([loss, ...Object.values(metrics)].filter(Number.isNaN)).toEqual([]);
        expect(
          coefficients
            .flat()
            .flatMap((each) => [...each])
            .every(Number.isFinite),
        ).toBe(true);
      }),
    );
  });

  test("counts an example by its weight, over the number of all", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const examples = drawExamples(objective, seed).map((example) => ({ ...example, weight: 1 }));
        const alone = examples.map((_, only) =>
          objective.evaluate(examples.map((example, i) => ({ ...example, weight: i === only ? 3 : 0 }))),
        );
        const together = objective.evaluate(examples);
        const sum = alone.reduce((total, { loss }) => total + loss, 0);
        expect(Math.abs(sum - 3 * together.loss)).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(sum)));
        for (const [i, each] of alone.entries()) {
          expect(each.metrics).toEqual(together.metrics);
          for (const [j, texts] of each.coefficients.entries())
            for (const [k, values] of texts.entries())
              for (const [at, value] of values.entries())
                expect(value).toBeCloseTo(i === j ? 3 * together.coefficients[j]![k]![at]! : 0, 9);
        }
      }),
      { numRuns: 20 },
    );
  });
});

const text = (...logProbabilities: number[]): ScoredText => ({
  logProbabilities: Float64Array.from(logProbabilities),
  reference: new Float64Array(logProbabilities.length).fill(-1),
});

test("losses of a margin of nothing", () => {
  const pair = [{ texts: [text(-1, -1), text(-1)], weight: 1 }];
  const lossOf = (name: ObjectiveName, options?: ObjectiveOptions) =>
    createObjective(name, options).evaluate(pair).loss;
  expect(lossOf("dpo")).toBeCloseTo(Math.LN2, 12);
  expect(lossOf("dpo_norm")).toBeCloseTo(Math.LN2, 12);
  expect(lossOf("robust", { label_smoothing: 0.3 })).toBeCloseTo(Math.LN2, 12);
  expect(lossOf("hinge")).toBe(1);
  expect(lossOf("ipo", { beta: 0.1 })).toBeCloseTo(25, 12);
  expect(lossOf("simpo", { simpo_gamma: 0 })).toBeCloseTo(Math.LN2, 12);
  expect(lossOf("orpo")).toBeCloseTo(1 + 0.1 * Math.LN2, 12);
});

test("what is averaged over an answer's tokens does not grow with its length", () => {
  const pairs = [1, 50].map((length) => [
    {
      texts: [text(...Array<number>(length).fill(-0.5)), text(...Array<number>(3 * length).fill(-2))],
      weight: 1,
    },
  ]);
  for (const name of ["ipo", "dpo_norm", "simpo", "orpo"] as const) {
    const [short, long] = pairs.map((pair) => createObjective(name).evaluate(pair).loss);
    expect(long).toBeCloseTo(short!, 12);
  }
  for (const name of ["dpo", "hinge", "robust", "cpo"] as const) {
    const [short, long] = pairs.map((pair) => createObjective(name).evaluate(pair).loss);
    expect(long).not.toBeCloseTo(short!, 2);
  }
});

test("KTO's distance from the reference is a mean over the batch, and at least 0", () => {
  const kto = createObjective("kto");
  const answer = (mismatched: number, label: boolean) => ({
    texts: [text(-1), text(mismatched)],
    weight: 1,
    label,
  });
  expect(kto.evaluate([answer(-0.5, true), answer(-0.7, false)]).metrics).toEqual({
    kl: expect.closeTo(0.4, 12),
    "rewards/chosen": 0,
    "rewards/rejected": 0,
    "rewards/margins": 0,
    "logps/chosen": -1,
    "logps/rejected": -1,
  });
  const { loss, metrics } = kto.evaluate([answer(-3, true)]);
  expect(loss).toBe(0.5);
  expect(metrics).toEqual({ kl: 0, "rewards/chosen": 0, "logps/chosen": -1 });
});

test("ORPO imitates a third text with the chosen one", () => {
  const orpo = createObjective("orpo");
  const [chosen, rejected, prompt] = [text(-1), text(-2, -3), text(-0.2, -0.3, -0.5)];
  const without = orpo.evaluate([{ texts: [chosen, rejected], weight: 1 }]);
  const whole = orpo.evaluate([{ texts: [chosen, rejected, prompt], weight: 1 }]);
  expect(without.metrics.nll_loss).toBeCloseTo(1, 12);
  expect(whole.metrics.nll_loss).toBeCloseTo(0.5, 12);
  expect(whole.coefficients[0]![2]).toEqual(new Float64Array(3).fill(-1 / 4));
  expect(whole.loss - without.loss).toBeCloseTo(-0.5, 12);
});

describe("the table", () => {
  test("names objectives as they name themselves, with what they learn from", () => {
    for (const name of names) {
      const objective = createObjective(name);
      expect(objective.name).toBe(name);
      expect(objective.learnsFrom).toBe(objectiveOf(name).learnsFrom);
    }
  });

  test("has the options of all, none of them with a default", () => {
    expect(z.strictObject(objectiveOptions).parse({})).toEqual({});
    expect(new Set(Object.keys(objectiveOptions))).toEqual(
      new Set(objectiveNames.flatMap((name) => Object.keys(objectiveOf(name).options.shape))),
    );
  });

  test("knows whose an option is", () => {
    expect(ownersOf("simpo_gamma")).toEqual(["simpo"]);
    expect(ownersOf("beta")).toEqual(
      objectiveNames.filter((name) => !["sft", "distill", "companion", "prm"].includes(name)),
    );
    expect(ownersOf("lora")).toEqual([]);
  });

  test("fills in an objective's own defaults, and leaves out others' options", () => {
    expect(completeOptions("sft", { beta: 1 })).toEqual({});
    expect(completeOptions("simpo", { beta: 2, desirable_weight: 3 })).toEqual({
      beta: 2,
      label_smoothing: 0,
      cpo_alpha: 0,
      simpo_gamma: 0.5,
    });
    expect(completeOptions("cpo", {})).toEqual({ beta: 0.1, label_smoothing: 0, cpo_alpha: 1 });
    expect(objectiveOf("robust").describe(completeOptions("robust", {}))).toBe(
      "robust DPO, beta 0.1, label_smoothing 0.1",
    );
  });

  test.each<[ObjectiveName, ObjectiveOptions, string]>([
    ["dpo", { beta: 0 }, 'dpo: the option "beta" is 0; it must be above 0.'],
    ["dpo", { cpo_alpha: 1 }, 'dpo: there is no option "cpo_alpha"; the options are beta.'],
    [
      "robust",
      { label_smoothing: 0.5 },
      'robust: the option "label_smoothing" is 0.5; it must be below 0.5.',
    ],
    ["kto", { desirable_weight: -1 }, 'kto: the option "desirable_weight" is -1; it must be at least 0.'],
    ["kto", { beta: Number.NaN }, 'kto: the option "beta" is the number NaN; give a number.'],
  ])("refuses %s with %o", (name, options, message) => {
    expect(() => createObjective(name, options)).toThrow(message);
  });
});
