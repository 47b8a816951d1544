/** @file The report of judged solutions: how far the scores of steps are to be trusted, and the first solutions with theirs. */

import { type PredictedShare, reliabilityPlot } from "../reporting/charts.ts";
import { countOf, formatNumber, withRange } from "../reporting/format.ts";
import { type Block, code, figures, note, paragraph, type Report, table } from "../reporting/sections.ts";
import { wilsonInterval } from "../statistics/wilson.ts";
import type { JudgedText, StepReport } from "./step-report.ts";

/** What was judged, and by what. */
export interface JudgingSubject {
  readonly model: string;
  readonly prm: string | undefined;
  readonly data: string;
}

const shownSolutions = 5;

export function judgingReport(
  { model, prm, data }: JudgingSubject,
  solutions: readonly JudgedText[],
  report: StepReport | undefined,
): Report {
  const judge = prm === undefined ? model : `${prm} on ${model}`;
  return {
    title: `Steps judged by ${judge}`,
    about: `${countOf(solutions.length, "solution")} of ${data}.`,
    answer: report
      ? describe(report)
      : ["No step has a label, so that nothing is known of how good the scores are."],
    sections: [
      { id: "reliability", title: "Reliability", blocks: report ? reliabilityBlocks(report) : [] },
      {
        id: "solutions",
        title: "Solutions",
        blocks: solutions.slice(0, shownSolutions).flatMap(solutionBlocks),
      },
    ],
  };
}

function describe({ steps, baseRate, accuracy, areaUnderRoc, calibration }: StepReport): string[] {
  const { expectedError, brier } = calibration;
  return [
    `${countOf(steps, "step")} with labels, of which ${formatNumber(100 * baseRate, 1)} % are right (base rate); on the label's side of 0.5 are ${withRange(accuracy, 100, 1)} %.`,
    areaUnderRoc
      ? `A right step has a higher score than a wrong one with probability ${withRange(areaUnderRoc, 1, 3)} (area under the ROC curve; 0.5 knows nothing).`
      : "All labels are alike, so that there is no area under the ROC curve.",
    `Expected calibration error ${formatNumber(expectedError, 3)}; Brier score ${formatNumber(brier, 3)}, where the base rate as every score has ${formatNumber(baseRate * (1 - baseRate), 3)}.`,
  ];
}

function reliabilityBlocks({ calibration }: StepReport): Block[] {
  const bins = calibration.bins.filter(({ count }) => count > 0);
  const shares = bins.map(({ score, outcome, count }): PredictedShare => {
    const title = `${countOf(count, "step")}: mean score ${formatNumber(score, 2)}, ${formatNumber(100 * outcome, 0)} % right`;
    return {
      predicted: score,
      observed: outcome,
      ...wilsonInterval(Math.min(count, outcome * count), count),
      title,
    };
  });
  return [
    figures([
      {
        title: "Scores and what came true",
        svg: reliabilityPlot(shares, { x: "mean score, %", y: "right, %" }),
      },
    ]),
    table({
      headings: ["score", "steps", "mean score", "right, %"],
      rows: bins.map(({ low, high, count, score, outcome }, i) => [
        `${low.toFixed(1)} to ${high.toFixed(1)}`,
        String(count),
        formatNumber(score, 3),
        withRange({ value: outcome, ...shares[i]! }, 100, 1),
      ]),
      numeric: true,
    }),
    note(
      "Scores are as good as probabilities on the dashed line. Wilson's 95 % intervals, as if all steps were independent; steps of one solution are not.",
    ),
  ];
}

function solutionBlocks({ question, steps }: JudgedText): Block[] {
  const marks = (label: number | undefined) => (label === undefined ? " " : label > 0.5 ? "+" : "-");
  const lines = steps.map(({ text, reward, label }) => `${reward.toFixed(2)} ${marks(label)} ${text}`);
  return [paragraph(question), code(lines.join("\n"))];
}
