import { expect, test } from "vitest";
import { quadraticKappa } from "../statistics/quadratic-kappa.ts";
import { measureAgreement, measureConsistency, type RatedText } from "./agreement.ts";

const rate = (pairs: readonly (readonly [number, number | null])[], size = 1): RatedText[] =>
  pairs.map(([reference, level], i) => ({ group: String(Math.floor(i / size)), reference, level }));

test("texts without a level are wrong, and left out of kappa", () => {
  const pairs = [
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 4],
    [1, null],
    [2, 1],
  ] as const;
  const found = measureAgreement(rate(pairs))!;
  const rated = pairs.filter(([, level]) => level !== null);
  expect(found.kappa!.value).toBe(
    quadraticKappa(
      rated.map(([reference]) => reference),
      rated.map(([, level]) => level!),
    ),
  );
  expect(found.exact.value).toBe(3 / 6);
  expect(found.macroF1.value).toBeCloseTo((1 / 2 + 1 / 2 + 0 + 1) / 4, 12);
  const { low, high } = found.kappa!.interval!;
  expect(low).toBeLessThan(found.kappa!.value);
  expect(high).toBeGreaterThanOrEqual(found.kappa!.value);
});

test("groups are drawn whole, so that copies make nothing surer", () => {
  const pairs = [
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [1, 2],
    [2, 1],
    [4, 4],
    [3, 3],
  ] as const;
  const thrice = pairs.flatMap((pair) => [pair, pair, pair]);
  const once = measureAgreement(rate(pairs))!;
  const copied = measureAgreement(rate(thrice, 3))!;
  expect(copied.exact).toEqual(once.exact);
  const width = ({ interval }: { interval: { low: number; high: number } | null }) =>
    interval!.high - interval!.low;
  expect(width(measureAgreement(rate(thrice))!.exact)).toBeLessThan(width(copied.exact));
});

test("a constant rater has no kappa, and it is said why", () => {
  const ends = "so that agreement beyond chance is not to be seen";
  const why = (pairs: readonly (readonly [number, number | null])[]) => {
    const { kappa, whyNoKappa } = measureAgreement(rate(pairs))!;
    expect(kappa).toBeNull();
    return whyNoKappa;
  };
  expect(
    why([
      [1, 2],
      [3, 2],
      [4, 2],
    ]),
  ).toBe(`all levels given are 2, ${ends}`);
  expect(
    why([
      [3, 1],
      [3, 2],
      [3, 4],
    ]),
  ).toBe(`all levels of the reference are 3, ${ends}`);
  expect(
    why([
      [3, null],
      [1, null],
    ]),
  ).toBe("no text has a level");
  expect(
    measureAgreement(
      rate([
        [1, 1],
        [2, 2],
      ]),
    )!.whyNoKappa,
  ).toBeNull();
  expect(measureAgreement([])).toBeNull();
});

test("of one group there is no interval", () => {
  expect(
    measureAgreement(
      rate(
        [
          [1, 1],
          [2, 2],
        ],
        2,
      ),
    )!.kappa,
  ).toEqual({ value: 1, interval: null });
});

test("runs are consistent where all give the same level, and a failure is never the same", () => {
  expect(
    measureConsistency([
      [1, 1, 1],
      [2, 2, 3],
      [4, 4, 4],
      [null, null, null],
    ]),
  ).toEqual({
    runs: 3,
    identical: 0.5,
    kappa: (1 + 2 * quadraticKappa([1, 2, 4], [1, 3, 4])!) / 3,
  });
  expect(
    measureConsistency([
      [1, 1],
      [1, 1],
    ]),
  ).toEqual({ runs: 2, identical: 1, kappa: null });
});
