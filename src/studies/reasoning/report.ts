/** @file The report of a study of reasoning. */

import { curveBlocks, difficultyBlocks, solutionBlocks, tableBlocks } from "../../reasoning/report.ts";
import type { Curve } from "../../reasoning/results.ts";
import { type Chart, lookKey, type Mark, scatterPlot } from "../../reporting/charts.ts";
import {
  countOf,
  formatCount,
  formatGigabytes,
  formatNumber,
  formatSeconds,
  formatShare,
  withRange,
  withSignedRange,
} from "../../reporting/format.ts";
import {
  type Block,
  figures,
  key,
  note,
  paragraph,
  type Report,
  type Section,
  table,
} from "../../reporting/sections.ts";
import { excludesZero } from "../../statistics/estimates.ts";
import { failures, limits, provenance } from "../report-sections.ts";
import type { AskedModel, ModelComparison, ReasoningStudyResults } from "./results.ts";

export function reasoningStudyReport(results: ReasoningStudyResults): Report {
  const { tasks, base, cells, comparisons, shown, date } = results;
  const asked = [base, ...cells].filter(({ curves }) => curves !== undefined);
  const problems = tasks.map(({ name, problems }) => `${countOf(problems, "problem")} of ${name}`);
  return {
    title: `Accuracy for tokens: ${modelOf(results)}, tuned and not`,
    about: [...problems, countOf(cells.length, "tuned model"), date.slice(0, 10)].join(" · "),
    answer: comparisons.map(describeComparison),
    sections: [
      { id: "models", title: "Models", blocks: modelBlocks(results, asked) },
      { id: "training", title: "What was tuned", blocks: trainingBlocks(results) },
      ...asked.flatMap((model) => strategySections(model)),
      ...tasks.map(({ name }) => ({
        id: `solutions-${name}`,
        title: `Solutions side by side: ${name}`,
        blocks: solutionBlocks(shown.filter(({ task }) => task === name)),
      })),
      failures(cells),
      limits(results),
      provenance(results, []),
    ],
  };
}

/** The model's name without its folder. */
function modelOf({ settings }: ReasoningStudyResults): string {
  return String(settings.model).split("/").at(-1)!;
}

/** "gsm8k: sft (cot) is right in 4.5 % with 90 tokens a problem; against base: +3.0 [0.5, 5.5] points and −60 [−70, −50] tokens: …" */
function describeComparison(comparison: ModelComparison): string {
  const { task, model, strategy, against, accuracy, tokens, difference } = comparison;
  return [
    `${task}: ${model} (${strategy}) is right in ${formatNumber(100 * accuracy.value, 1)} % with ${formatNumber(tokens.value, 0)} tokens a problem;`,
    `against ${against}: ${withSignedRange(difference.accuracy, 100, 1)} points and ${withSignedRange(difference.tokens, 1, 0)} tokens: ${judge(comparison)}.`,
  ].join(" ");
}

/** What a comparison shows, in words. */
function judge({ difference, accuracyAtEqualTokens: gain, against }: ModelComparison): string {
  const { accuracy, tokens } = difference;
  const isBetter = excludesZero(accuracy) && accuracy.value > 0;
  const isWorse = excludesZero(accuracy) && accuracy.value < 0;
  const isShorter = excludesZero(tokens) && tokens.value < 0;
  const [first, second] = [
    isBetter ? "more accurate" : isWorse ? "less accurate" : "no difference in accuracy shown",
    isShorter ? "shorter" : excludesZero(tokens) ? "longer" : "no difference in length shown",
  ];
  const atEqual =
    gain === null
      ? `no baseline of ${against} is as cheap`
      : excludesZero(gain)
        ? `${gain.value > 0 ? "more" : "less"} accurate than those baselines of ${against} that cost as much`
        : `not shown to be more accurate than those baselines of ${against} that cost as much`;
  return `${first}, ${second}; ${atEqual}`;
}

function modelBlocks({ tasks, comparisons }: ReasoningStudyResults, asked: readonly AskedModel[]): Block[] {
  const looks = asked.map(({ name }, i) => ({ label: name, colour: i, shape: i, filled: true }));
  const charts = tasks.map(({ name }): Chart => {
    const marks = asked.flatMap((model, i) =>
      curveOf(model, name).points.map(({ strategy, accuracy, tokens, isOnFront }): Mark => {
        const [x, y] = [tokens.value, 100 * accuracy.value];
        const title = `${model.name}, ${strategy}: ${formatNumber(y, 1)} % with ${formatNumber(x, 0)} tokens`;
        return { ...{ x, y, low: y, high: y }, ...{ colour: i, shape: i, filled: isOnFront, title } };
      }),
    );
    return { title: name, svg: scatterPlot(marks, { x: "tokens written a problem", y: "accuracy, %" }) };
  });
  return [
    key(lookKey(looks)),
    figures(charts),
    note(
      "Each mark is a model asked by a strategy; filled ones are those that no other strategy of the same model beats in both. The sections below name the strategies, with intervals.",
    ),
    table({
      headings: [
        "task: model",
        "accuracy, %",
        "tokens",
        "against",
        "accuracy, points",
        "tokens",
        "accuracy at equal tokens",
      ],
      rows: comparisons.map((one) => [
        `${one.task}: ${one.model} (${one.strategy})`,
        withRange(one.accuracy, 100, 1),
        withRange(one.tokens, 1, 0),
        `${one.against} (${one.againstStrategy})`,
        withSignedRange(one.difference.accuracy, 100, 1),
        withSignedRange(one.difference.tokens, 1, 0),
        withSignedRange(one.accuracyAtEqualTokens, 100, 1),
      ]),
      numeric: true,
    }),
    note(
      "Differences come with 95 % bootstrap intervals over the problems, which both models were asked. The last column compares with what the other model reaches with as few tokens by its baselines (cut answers, several samples): what a claim that training saves tokens has to beat.",
    ),
  ];
}

function curveOf({ curves }: AskedModel, task: string): Curve {
  return curves!.find((curve) => curve.task === task)!;
}

function trainingBlocks({ cells, rollouts }: ReasoningStudyResults): Block[] {
  const tuned = cells.flatMap(({ name, from, training }) => (training ? [{ name, from, ...training }] : []));
  if (tuned.length === 0) return [];
  const rewarded = tuned.flatMap(({ name, written }) => (written ? [{ name, written }] : []));
  return [
    table({
      headings: ["model", "begins with", "rows", "steps", "held-out loss", "time", "peak memory"],
      rows: tuned.map(({ name, from, rows, steps, heldOutLoss, seconds, peakMemoryBytes }) => [
        name,
        from ?? "",
        formatCount(rows),
        formatCount(steps),
        heldOutLoss ? heldOutLoss.map((loss) => formatNumber(loss, 3)).join(" to ") : "–",
        formatSeconds(seconds),
        formatGigabytes(peakMemoryBytes),
      ]),
      numeric: true,
    }),
    ...(rollouts
      ? [
          paragraph(
            `Rules selected from ${countOf(rollouts.samples, "sample")} of ${countOf(rollouts.problems, "problem")}: ${formatShare(rollouts.accuracy.value)} right; ${formatShare(rollouts.anyCorrect.value)} of the problems with a right one, ${formatShare(rollouts.mixed)} with right and wrong ones. Mean tokens ${describeTokens(rollouts.tokens)}.`,
          ),
        ]
      : []),
    ...(rewarded.length > 0
      ? [
          table({
            headings: ["learning from rewards", "reward", "tokens", "entropy, nats", "groups alike"],
            rows: rewarded.map(({ name, written: [first, last] }) => [
              name,
              `${formatNumber(first!.reward, 3)} to ${formatNumber(last!.reward, 3)}`,
              `${formatNumber(first!.tokens, 0)} to ${formatNumber(last!.tokens, 0)}`,
              `${formatNumber(first!.entropy, 3)} to ${formatNumber(last!.entropy, 3)}`,
              `${formatShare(first!.alike)} to ${formatShare(last!.alike)}`,
            ]),
            numeric: true,
          }),
          note(
            "Means of what was written in the first tenth of the steps, and in the last. From groups whose rewards are alike nothing is learnt.",
          ),
        ]
      : []),
  ];
}

function describeTokens({ all, correct, wrong }: NonNullable<ReasoningStudyResults["rollouts"]>["tokens"]) {
  const print = (tokens: number | null) => (tokens === null ? "none" : formatNumber(tokens, 0));
  return `${print(all)}, of right ones ${print(correct)}, of wrong ones ${print(wrong)}`;
}

function strategySections({ id, name, curves }: AskedModel): Section[] {
  return [
    { id: `strategies-${id}`, title: `Strategies: ${name}`, blocks: curveBlocks(curves!) },
    ...curves!.map((curve) => ({
      id: `strategies-${id}-${curve.task}`,
      title: `${name} on ${curve.task}`,
      blocks: [...tableBlocks(curve), ...difficultyBlocks(curve)],
    })),
  ];
}
