/** @file Compares ways to choose demonstrations with none and with random ones, over the same items. */

import { judgeFamily } from "../evaluation/compare.ts";
import { crossedBootstrap, pNotZero } from "../statistics/crossed-bootstrap.ts";
import { mean } from "../statistics/estimates.ts";
import { percentileInterval } from "../statistics/paired-bootstrap.ts";
import { signFlipTest } from "../statistics/sign-flip.ts";
import type { Estimate } from "../statistics/wilson.ts";
import { type ArmScore, type DemonstrationScore, nameArm } from "./results.ts";

/** One score of the items of a task after each arm's demonstrations. */
export interface MeasuredArms {
  readonly score: DemonstrationScore;
  /** How much each item counts, [items]: the score of an arm is Σ values / Σ sizes. */
  readonly sizes: Float64Array;
  readonly arms: readonly MeasuredArm[];
}

export interface MeasuredArm {
  readonly selection: string;
  readonly k: number;
  /** Values of the items, [draws][items]. */
  readonly values: readonly Float64Array[];
}

interface ComparedPair {
  readonly arm: number;
  readonly against: string;
  readonly difference: Estimate;
  readonly p: number;
  readonly higherIsBetter: boolean;
}

/**
 * Estimates the score of each arm, and its differences from "zero-shot" and from "random" with as many demonstrations. Intervals are
 * of one bootstrap over items and draws, in which all arms have the same draws; an arm of a single draw counts as if it had given the
 * same in all of them. p is the larger of two: that of this bootstrap, which promises too much of few items, and that of the sign-flip
 * test of the items' mean differences, which knows nothing of the draws. p-values are adjusted over all measurements together, which
 * are of one score.
 *
 * @returns of each measurement, the score of each of its arms
 */
export function compareArms(measured: readonly MeasuredArms[]): ArmScore[][] {
  const examined = measured.map(examine);
  const judged = judgeFamily(
    examined.flatMap(({ pairs }) => pairs),
    "demonstrations",
  );
  let next = 0;
  return examined.map(({ pairs, estimates, score }) => {
    const ofTask = judged.slice(next, next + pairs.length);
    next += pairs.length;
    return estimates.map((estimate, arm) => ({
      score,
      estimate,
      comparisons: ofTask
        .filter((pair) => pair.arm === arm)
        .map(({ against, difference, p, adjustedP, verdict }) => ({
          against,
          difference,
          p,
          adjustedP,
          verdict,
        })),
    }));
  });
}

function examine({ score, sizes, arms }: MeasuredArms) {
  const draws = Math.max(...arms.map(({ values }) => values.length));
  const all = arms.map(({ values }) => Array.from({ length: draws }, (_, i) => values[i % values.length]!));
  const means = crossedBootstrap(all, sizes);
  const size = sizes.reduce((sum, value) => sum + value, 0);
  const values = arms.map(({ values }) => {
    const total = values.reduce((sum, run) => sum + run.reduce((a, b) => a + b, 0), 0);
    return total / size / values.length;
  });
  const pairs = arms.flatMap((arm, i) =>
    [
      { selection: "zero-shot", k: 0 },
      { selection: "random", k: arm.k },
    ].flatMap((base): ComparedPair[] => {
      const j = arms.findIndex(({ selection, k }) => selection === base.selection && k === base.k);
      if (j < 0 || i === j || arm.k === 0) return [];
      const differences = means[i]!.map((value, draw) => value - means[j]![draw]!);
      return [
        {
          arm: i,
          against: nameArm(base),
          difference: { value: values[i]! - values[j]!, ...percentileInterval(differences) },
          p: Math.max(pNotZero(differences), signFlipTest(meanDifferences(all[i]!, all[j]!))),
          higherIsBetter: score === "answers",
        },
      ];
    }),
  );
  const estimates = means.map((draws, i): Estimate => ({ value: values[i]!, ...percentileInterval(draws) }));
  return { score, pairs, estimates };
}

/** Of each item, the mean over the draws of the one less the other. */
function meanDifferences(one: readonly Float64Array[], other: readonly Float64Array[]): number[] {
  return Array.from(one[0]!, (_, item) => mean(one.map((run, draw) => run[item]! - other[draw]![item]!)));
}
