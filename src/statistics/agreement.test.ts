import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { krippendorffAlpha } from "./krippendorff-alpha.ts";
import { fitLogisticRegression, predictLogistic, type SparseRow } from "./logistic-regression.ts";
import { macroF1 } from "./macro-f1.ts";
import { quadraticKappa } from "./quadratic-kappa.ts";

/** By scikit-learn and krippendorff (reference/agreement.py). */
const golden: {
  readonly kappa: readonly { readonly a: number[]; readonly b: number[]; readonly value: number }[];
  readonly f1: readonly {
    readonly right: number[];
    readonly given: (number | null)[];
    readonly value: number;
  }[];
  readonly alpha: readonly { readonly items: (number | null)[][]; readonly value: number }[];
  readonly logistic: readonly {
    readonly size: number;
    readonly penalty: number;
    readonly rows: readonly SparseRow[];
    readonly labels: readonly boolean[];
    readonly loss: number;
    readonly intercept: number;
    readonly probabilities: readonly number[];
  }[];
} = JSON.parse(readFileSync("fixtures/evaluation/agreement.json", "utf8"));

const known = (values: readonly (number | null)[]) => values.map((value) => value ?? undefined);

describe("quadratic weighted kappa", () => {
  test("equals scikit-learn's", () => {
    expect(golden.kappa.length).toBeGreaterThan(10);
    for (const { a, b, value } of golden.kappa) expect(quadraticKappa(a, b)).toBeCloseTo(value, 12);
  });

  test("is the same for a scale that is moved or stretched, and for raters who change places", () => {
    const pair = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }));
    fc.assert(
      fc.property(fc.array(pair, { minLength: 4, maxLength: 20 }), (pairs) => {
        const [a, b] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
        const value = quadraticKappa(a, b) ?? -9;
        const moved = (levels: readonly number[]) => levels.map((level) => 3 * level - 5);
        expect(quadraticKappa(moved(a), moved(b)) ?? -9).toBeCloseTo(value, 9);
        expect(quadraticKappa(b, a) ?? -9).toBeCloseTo(value, 9);
      }),
    );
  });

  test("is not known of a rater who gives one level only, nor of nothing", () => {
    expect(quadraticKappa([1, 2, 3], [2, 2, 2])).toBeUndefined();
    expect(quadraticKappa([2, 2, 2], [1, 2, 3])).toBeUndefined();
    expect(quadraticKappa([2, 2], [2, 2])).toBeUndefined();
    expect(quadraticKappa([], [])).toBeUndefined();
  });

  test("refuses what is no pairs of numbers", () => {
    expect(() => quadraticKappa([1, 2], [1])).toThrow(RangeError);
    expect(() => quadraticKappa([1, Number.NaN], [1, 2])).toThrow(RangeError);
  });
});

describe("macro-F1", () => {
  test("equals scikit-learn's, also where some gave nothing", () => {
    expect(golden.f1.some(({ given }) => given.includes(null))).toBe(true);
    for (const { right, given, value } of golden.f1)
      expect(macroF1(right, known(given))).toBeCloseTo(value, 12);
  });

  test("is not known of nothing, and refuses what is no pairs", () => {
    expect(macroF1([], [])).toBeUndefined();
    expect(macroF1([1, 2], [undefined, undefined])).toBe(0);
    expect(() => macroF1([1], [])).toThrow(RangeError);
  });
});

describe("Krippendorff's alpha", () => {
  test("equals that of the package krippendorff, with missing ratings", () => {
    expect(golden.alpha.some(({ items }) => items.flat().includes(null))).toBe(true);
    for (const { items, value } of golden.alpha)
      expect(krippendorffAlpha(items.map(known))).toBeCloseTo(value, 12);
  });

  test("is not known where all ratings are equal, or nobody meets", () => {
    expect(
      krippendorffAlpha([
        [2, 2],
        [2, 2],
      ]),
    ).toBeUndefined();
    expect(krippendorffAlpha([[1, undefined], [2]])).toBeUndefined();
    expect(krippendorffAlpha([])).toBeUndefined();
  });
});

test("counts are copies", () => {
  const pairs = [
    [1, 1],
    [2, 3],
    [4, 2],
    [3, 3],
  ] as const;
  const counts = [2, 0, 1, 3];
  const copies = pairs.flatMap((pair, i) => Array.from({ length: counts[i]! }, () => pair));
  const split = (pairs: readonly (readonly [number, number])[]) =>
    [pairs.map(([a]) => a), pairs.map(([, b]) => b)] as const;
  expect(quadraticKappa(...split(pairs), counts)).toBeCloseTo(quadraticKappa(...split(copies))!, 12);
  expect(macroF1(...split(pairs), counts)).toBeCloseTo(macroF1(...split(copies))!, 12);
  expect(krippendorffAlpha(pairs, counts)).toBeCloseTo(krippendorffAlpha(copies)!, 12);
  expect(quadraticKappa([1, 2, 3], [1, 2, 3], [0, 4, 0])).toBeUndefined();
});

describe("logistic regression", () => {
  test.each(golden.logistic)(
    "with $size features finds the loss and the probabilities of scikit-learn",
    (case_) => {
      const { rows, labels, size, penalty } = case_;
      const model = fitLogisticRegression(rows, labels, size, { penalty, tolerance: 1e-9 });
      expect(model.loss).toBeCloseTo(case_.loss, 8);
      expect(model.intercept).toBeCloseTo(case_.intercept, 4);
      for (const [i, row] of rows.entries())
        expect(predictLogistic(model, row)).toBeCloseTo(case_.probabilities[i]!, 5);
    },
  );

  test("of rows that are told apart stays finite, by its penalty", () => {
    const rows = [0, 1, 0, 1].map((value) => ({ features: [0], values: [value] }));
    const model = fitLogisticRegression(rows, [false, true, false, true], 1);
    expect(predictLogistic(model, rows[1]!)).toBeGreaterThan(0.5);
    expect(predictLogistic(model, rows[0]!)).toBeLessThan(0.5);
    expect(predictLogistic(model, { features: [7], values: [1] })).toBe(predictLogistic(model, rows[0]!));
  });

  test("of one label only is refused", () => {
    const row = { features: [], values: [] };
    expect(() => fitLogisticRegression([row, row], [true, true], 0)).toThrow("All labels are alike");
    expect(() => fitLogisticRegression([row], [true, false], 0)).toThrow(RangeError);
  });
});
