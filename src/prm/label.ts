/** @file What labels of steps are made of: what becomes of solutions that go on after them, or the equations in them. */

import { unlabelled } from "../core/data/step-formats.ts";
import { checkEquations } from "../mathematics/equations.ts";
import { mean } from "../statistics/estimates.ts";

/** What says whether a step is right. */
export const labelSources = ["rollouts", "rule"] as const;
export type LabelSource = (typeof labelSources)[number];

/** A solution with labels of its steps: a row of TRL's `PRMTrainer`, with what the labels were made of. */
export interface LabelledRow {
  /** The question. */
  readonly prompt: string;
  /** The steps of a solution, without what ends them. */
  readonly completions: readonly string[];
  /** Of each step, from 0 to 1; -100 of one that says nothing, as PyTorch's losses leave it out. */
  readonly labels: readonly number[];
  readonly label_of: LabelSource;
  /** Of labels by rollouts: the rollouts of each step, and how many of them were right; null of a last step, whose answer is judged. */
  readonly rollouts?: number;
  readonly right?: readonly (number | null)[];
  /** The solution's numbers, as those of a rollout. */
  readonly problem: number;
  readonly sample: number;
}

/**
 * The label of a step by its equations between numbers: 1 if all of them are true, 0 if one is not, and -100, which is none, if it has
 * no equation.
 *
 * @example
 * console.log(labelByRule("Then 8 / 2 = 4 are left."), labelByRule("8 / 2 = 5"), labelByRule("#### 4")); // 1 0 -100
 */
export function labelByRule(step: string): number {
  const { equations, valid } = checkEquations(step);
  return equations === 0 ? unlabelled : Number(valid === equations);
}

export interface LabelSummary {
  readonly solutions: number;
  readonly steps: number;
  readonly labelled: number;
  /** Mean label, of those that there are; NaN of none. */
  readonly baseRate: number;
  /** Of labels by rollouts, on steps that have equations: on how many of them both say the same, a label above 0 being right. */
  readonly agreement?: { readonly steps: number; readonly alike: number };
}

export function summarizeLabels(rows: readonly LabelledRow[], by: LabelSource): LabelSummary {
  const steps = rows.flatMap(({ completions, labels }) =>
    completions.map((text, i) => ({ label: labels[i]!, rule: labelByRule(text) })),
  );
  const labels = steps.map(({ label }) => label).filter((label) => label !== unlabelled);
  const compared = steps.filter(({ rule }) => rule !== unlabelled);
  const alike = compared.filter(({ label, rule }) => label > 0 === rule > 0).length;
  return {
    solutions: rows.length,
    steps: steps.length,
    labelled: labels.length,
    baseRate: mean(labels),
    ...(by === "rollouts" && { agreement: { steps: compared.length, alike } }),
  };
}
