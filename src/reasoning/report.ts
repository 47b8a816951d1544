/** @file The report of a run: curves of accuracy against tokens, tables, and solutions side by side. */

import { type Chart, type Mark, markKey, scatterPlot } from "../reporting/charts.ts";
import { formatNumber, formatRange, formatSeconds, formatSigned } from "../reporting/format.ts";
import { html } from "../reporting/html.ts";
import {
  type Block,
  code,
  figures,
  key,
  list,
  note,
  onPage,
  paragraph,
  type Report,
  type Section,
  table,
} from "../reporting/sections.ts";
import { excludesZero } from "../statistics/estimates.ts";
import type { Estimate } from "../statistics/wilson.ts";
import type { CurvePoint, SolvedProblem } from "./analysis.ts";
import type { Curve, ReasoningResults } from "./results.ts";

/** Problems whose solutions are shown side by side, of each task. */
const shownProblems = 3;
/** Characters of a solution that are shown. */
const shownText = 1200;

export function reasoningReport(results: ReasoningResults, solutions: readonly SolvedProblem[]): Report {
  const { model, adapter, tasks, curves } = results;
  const counted = tasks.map(({ name, problems }) => `${problems} problems of ${name}`).join(" and ");
  return {
    title: `Accuracy against tokens: ${model}${adapter === null ? "" : ` with ${adapter}`}`,
    about: `${curves[0]!.points.length} strategies on ${counted}.`,
    answer: curves.flatMap(describeCurve),
    sections: [
      { id: "curves", title: "Curves", blocks: curveBlocks(curves) },
      ...curves.map(tableSection),
      ...curves.flatMap(difficultySection),
      ...curves.map(({ task }) => traceSection(task, solutions)),
      settingsSection(results),
    ],
  };
}

/** What the data say of each strategy but the first, in a sentence. */
function describeCurve({ task, points }: Curve): string[] {
  const [first, ...others] = points;
  const front = points.filter(({ isOnFront }) => isOnFront).map(({ strategy }) => strategy);
  return [
    `${task}: no other strategy beats ${front.join(", ")} in both accuracy and tokens.`,
    ...others
      .filter(({ againstFirst }) => excludesZero(againstFirst!.accuracy))
      .map(
        ({ strategy, againstFirst }) =>
          `${task}: ${strategy} is ${againstFirst!.accuracy.value > 0 ? "more" : "less"} accurate than ${first!.strategy} by ${points1(Math.abs(againstFirst!.accuracy.value))} points, and takes ${formatSigned(againstFirst!.tokens.value, 0)} tokens a problem.`,
      ),
    ...points
      .filter(
        ({ isBaseline, isOracle, tokensAtEqualAccuracy: saved }) =>
          !isBaseline && !isOracle && saved !== null && saved.high < 0,
      )
      .map(
        ({ strategy, tokensAtEqualAccuracy: saved }) =>
          `${task}: ${strategy} saves ${formatNumber(-saved!.value, 0)} tokens a problem (${formatNumber(-saved!.high, 0)} to ${formatNumber(-saved!.low, 0)}) against baselines of the same accuracy.`,
      ),
  ];
}

function curveBlocks(curves: readonly Curve[]): Block[] {
  const names = curves[0]!.points.map(({ strategy }) => strategy);
  const charts = curves.map(({ task, points }): Chart => {
    const marks = points.map((point, i) => asMark(point, i));
    const front = marks.filter((_, i) => points[i]!.isOnFront).sort((a, b) => a.x - b.x);
    return {
      title: task,
      svg: scatterPlot(marks, { x: "tokens written a problem", y: "accuracy, %" }, front),
    };
  });
  return [
    key(markKey(names, [])),
    figures(charts),
    note(
      "Each mark is a strategy, with 95 % intervals of both. Filled marks are on the Pareto front, which the dashed line joins; oracles, which know what is right, cannot be. Tokens are all that were written, those of probes and of samples that lost the vote included; prompts stand in the table.",
    ),
  ];
}

function asMark(point: CurvePoint, index: number): Mark {
  const { strategy, accuracy, tokens, isOnFront } = point;
  return {
    ...{ x: tokens.value, y: 100 * accuracy.value, low: 100 * accuracy.low, high: 100 * accuracy.high },
    across: tokens,
    ...{ colour: index, shape: index, filled: isOnFront },
    title: `${strategy}: ${points1(accuracy.value)} % with ${formatNumber(tokens.value, 0)} tokens`,
  };
}

function tableSection({ task, points }: Curve): Section {
  const first = points[0]!.strategy;
  return {
    id: `table-${task}`,
    title: `Strategies on ${task}`,
    blocks: [
      table({
        headings: [
          "strategy",
          "accuracy, %",
          "tokens",
          `accuracy against ${first}`,
          `tokens against ${first}`,
          "accuracy at equal tokens",
          "tokens at equal accuracy",
          "Pareto",
        ],
        rows: points.map((point) => [
          point.strategy + (point.isBaseline ? " (baseline)" : "") + (point.isOracle ? " (oracle)" : ""),
          withRange(point.accuracy, 100, 1),
          withRange(point.tokens, 1, 0),
          difference(point.againstFirst?.accuracy, 100, 1),
          difference(point.againstFirst?.tokens, 1, 0),
          difference(point.accuracyAtEqualTokens, 100, 1),
          difference(point.tokensAtEqualAccuracy, 1, 0),
          point.isOnFront ? "yes" : "",
        ]),
        numeric: true,
      }),
      note(
        "Differences come with 95 % bootstrap intervals over the problems, each drawn with its solutions by all strategies. The last but one two columns compare with the baselines, joined by straight lines: what a claim of saving tokens has to beat. A dash stands where they do not reach so few tokens or so high an accuracy, in the data or in some draws.",
      ),
      table({
        headings: [
          "strategy",
          "cut, %",
          "no answer, %",
          "off its aim, %",
          "calls",
          "prompt tokens",
          "of them computed",
          "scored tokens",
          "time for all",
        ],
        rows: points.map(({ strategy, cut, unanswered, compliance, usage }) => [
          strategy,
          ...[cut, unanswered].map((share) => formatNumber(100 * share, 1)),
          compliance === null ? "–" : formatNumber(100 * compliance, 0),
          formatNumber(usage.calls, 1),
          ...[usage.promptTokens, usage.computedPromptTokens, usage.verifierTokens].map((tokens) =>
            formatNumber(tokens, 0),
          ),
          formatSeconds(usage.seconds),
        ]),
        numeric: true,
      }),
      note(
        "Means over the problems. Off its aim is |used − aim| / aim, of strategies that have an aim for their tokens. The time is that in which texts were written side by side, when they were first asked for.",
      ),
    ],
  };
}

function difficultySection({ task, difficulty }: Curve): Section[] {
  const [bin] = difficulty;
  if (!bin || difficulty.length < 2) return [];
  return [
    {
      id: `difficulty-${task}`,
      title: `By difficulty on ${task}`,
      blocks: [
        table({
          headings: ["strategy", ...difficulty.map(({ label, problems }) => `${label} (${problems})`)],
          rows: bin.points.map(({ strategy }, i) => [
            strategy,
            ...difficulty.map(({ points }) => {
              const { accuracy, tokens } = points[i]!;
              return `${formatNumber(100 * accuracy, 0)} %, ${formatNumber(tokens, 0)} tokens`;
            }),
          ]),
          numeric: true,
        }),
        note(
          "By the number of calculations in the right solution; in brackets how many problems have so many.",
        ),
      ],
    },
  ];
}

/** Solutions of some problems beside each other: those on which strategies differ come first. */
function traceSection(task: string, solutions: readonly SolvedProblem[]): Section {
  const ofTask = solutions.filter((solution) => solution.task === task);
  const ids = [...new Set(ofTask.map(({ id }) => id))];
  const ofProblem = ids.map((id) => ofTask.filter((solution) => solution.id === id));
  const disagree = (rows: readonly SolvedProblem[]) => new Set(rows.map(({ isRight }) => isRight)).size > 1;
  const shown = [...ofProblem.filter(disagree), ...ofProblem.filter((rows) => !disagree(rows))].slice(
    0,
    shownProblems,
  );
  return {
    id: `solutions-${task}`,
    title: `Solutions side by side: ${task}`,
    blocks: shown.flatMap((rows): Block[] => [
      paragraph(rows[0]!.question),
      onPage(
        html`<article><div class="answers">${rows.map(
          (row) =>
            html`<div><p><b>${row.strategy}</b>: ${describe(row)}</p><pre>${shorten(row.text)}</pre></div>`,
        )}</div></article>`,
      ),
      ...rows.flatMap((row): Block[] => [
        { markdown: paragraph(`${row.strategy}: ${describe(row)}`).markdown! },
        { markdown: code(shorten(row.text)).markdown! },
      ]),
    ]),
  };
}

function describe({ answer, isRight, isCut, usage, details }: SolvedProblem): string {
  const found = answer === null ? "no answer" : `${answer}, ${isRight ? "right" : "wrong"}`;
  const more = Object.entries(details).map(([name, value]) => {
    return `${name} ${typeof value === "number" && !Number.isInteger(value) ? formatNumber(value) : value}`;
  });
  return [found, `${usage.completionTokens} tokens`, ...(isCut ? ["cut"] : []), ...more].join("; ");
}

function shorten(text: string): string {
  return text.length <= shownText ? text : `${text.slice(0, shownText)} …`;
}

function settingsSection({ settings, seed, model, adapter, slimtune, date }: ReasoningResults): Section {
  const { maxTokens, temperature, topP, instruction, examples, answerCue } = settings;
  return {
    id: "provenance",
    title: "How it was made",
    blocks: [
      list([
        `Model ${model}, ${adapter === null ? "no adapter" : `adapter ${adapter}`}; slimtune ${slimtune}, ${date}.`,
        `Solutions of ${maxTokens} tokens at most; samples at temperature ${temperature}, top-p ${topP}, seed ${seed}. Strategies share the samples that they ask for alike, and each pays for them.`,
        `${examples} solved examples before each question; under it ${JSON.stringify(instruction)}, unless a strategy has an instruction of its own. Answers are asked for by ${JSON.stringify(answerCue)} where thoughts are over.`,
      ]),
    ],
  };
}

function points1(share: number): string {
  return formatNumber(100 * share, 1);
}

function withRange({ value, low, high }: Estimate, scale: number, digits: number): string {
  return `${formatNumber(scale * value, digits)} ${formatRange({ low: scale * low, high: scale * high }, digits)}`;
}

function difference(estimate: Estimate | null | undefined, scale: number, digits: number): string {
  if (!estimate) return "–";
  const { value, low, high } = estimate;
  return `${formatSigned(scale * value, digits)} ${formatRange({ low: scale * low, high: scale * high }, digits)}`;
}
