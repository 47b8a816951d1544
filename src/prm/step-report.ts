/** @file How good the scores of steps are, where it is known which steps are right. */

import { unlabelled } from "../core/data/step-formats.ts";
import { type Calibration, calibrate } from "../statistics/calibration.ts";
import { mean } from "../statistics/estimates.ts";
import { areaUnderRoc } from "../statistics/roc.ts";
import { type Estimate, wilsonInterval } from "../statistics/wilson.ts";

/** A step that was judged. */
export interface JudgedStep {
  readonly text: string;
  /** P("+") of the two tokens that judge, from 0 to 1. */
  readonly reward: number;
  /** From 0 to 1, where there is one. */
  readonly label?: number;
}

/** A solution whose steps were judged. */
export interface JudgedText {
  readonly question: string;
  readonly steps: readonly JudgedStep[];
}

export interface StepReport {
  readonly solutions: number;
  /** Those that have a label. */
  readonly steps: number;
  /** Mean label: what a scorer that knows nothing would say of every step. */
  readonly baseRate: number;
  /** Share of the steps on whose side of 0.5 the label is, with Wilson's interval. */
  readonly accuracy: Estimate;
  /**
   * How probable it is that a right step has a higher score than a wrong one, a label above 0.5 being right, with the interval of the
   * bootstrap over questions; null if all are right or all wrong.
   */
  readonly areaUnderRoc: Estimate | null;
  readonly calibration: Calibration;
}

/**
 * @returns undefined if no step has a label
 *
 * @example
 * const steps = [
 *   { text: "3 + 4 = 7", reward: 0.9, label: 1 },
 *   { text: "7 + 1 = 9", reward: 0.2, label: 0 },
 * ];
 * console.log(reportSteps([{ question: "3 + 4 + 1?", steps }])?.calibration.expectedError); // 0.15
 */
export function reportSteps(solutions: readonly JudgedText[]): StepReport | undefined {
  const steps = solutions.flatMap(({ question, steps }) =>
    steps.flatMap(({ reward, label = unlabelled }) =>
      label === unlabelled ? [] : [{ question, reward, label }],
    ),
  );
  if (steps.length === 0) return undefined;
  const rewards = steps.map(({ reward }) => reward);
  const labels = steps.map(({ label }) => label);
  const right = labels.map((label) => label > 0.5);
  const alike = right.filter((isRight, i) => isRight === rewards[i]! > 0.5).length;
  return {
    solutions: solutions.length,
    steps: steps.length,
    baseRate: mean(labels),
    accuracy: { value: alike / steps.length, ...wilsonInterval(alike, steps.length) },
    areaUnderRoc: areaUnderRoc(rewards, right, { groups: steps.map(({ question }) => question) }) ?? null,
    calibration: calibrate(rewards, labels),
  };
}
