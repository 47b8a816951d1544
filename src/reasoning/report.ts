/** @file The report of a run: curves of accuracy against tokens, tables, and solutions side by side. */

import { type Chart, lookKey, type Mark, scatterPlot } from "../reporting/charts.ts";
import {
  formatNumber,
  formatSeconds,
  formatSigned,
  joinWords,
  withRange,
  withSignedRange,
} from "../reporting/format.ts";
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
import {
  type Cost,
  type CurvePoint,
  chooseShown,
  type Gain,
  type ShownSolution,
  type SolvedProblem,
} from "./analysis.ts";
import type { Curve, ReasoningResults } from "./results.ts";
import { splitBudget } from "./strategies/arguments.ts";
import { treeBlocks, treeStyle } from "./tree-report.ts";

/** Colours, and shapes, of marks. */
const looksInARow = 7;
/** Characters of a solution that are shown. */
const shownText = 1200;

export function reasoningReport(results: ReasoningResults, solutions: readonly SolvedProblem[]): Report {
  const { model, adapter, tasks, curves, cost, gains } = results;
  const counted = tasks.map(({ name, problems }) => `${problems} problems of ${name}`).join(" and ");
  return {
    title: `Accuracy against tokens: ${model}${adapter === null ? "" : ` with ${adapter}`}`,
    about: `${curves[0]!.points.length} strategies on ${counted}.`,
    answer: [
      ...curves.flatMap((curve) => describeCurve(curve, gains)),
      ...curves.flatMap(({ task }) => describeGains(gains.filter((gain) => gain.task === task))),
    ],
    sections: [
      { id: "curves", title: "Curves", blocks: curveBlocks(curves, cost) },
      ...curves.map(({ task }) => ({
        id: `gains-${task}`,
        title: `At equal budgets on ${task}`,
        blocks: gainBlocks(gains.filter((gain) => gain.task === task)),
      })),
      ...curves.map((curve) => ({
        id: `table-${curve.task}`,
        title: `Strategies on ${curve.task}`,
        blocks: tableBlocks(curve),
      })),
      ...curves.map((curve) => ({
        id: `difficulty-${curve.task}`,
        title: `By difficulty on ${curve.task}`,
        blocks: difficultyBlocks(curve),
      })),
      ...curves.map(({ task }) => ({
        id: `trees-${task}`,
        title: `Trees: ${task}`,
        blocks: treeBlocks(solutions.filter((solution) => solution.task === task)),
      })),
      ...curves.map(({ task }) => ({
        id: `solutions-${task}`,
        title: `Solutions side by side: ${task}`,
        blocks: solutionBlocks(chooseShown(solutions.filter((solution) => solution.task === task))),
      })),
      settingsSection(results),
    ],
    ...(solutions.some(({ trees }) => trees) && { style: treeStyle }),
  };
}

/** What the data say of each strategy but the first, in a sentence; of those that are compared at equal budgets, their gains do. */
function describeCurve({ task, points }: Curve, gains: readonly Gain[]): string[] {
  const [first, ...rest] = points;
  const compared = new Set(gains.map(({ strategy }) => strategy));
  const others = rest.filter(({ strategy }) => !compared.has(strategy));
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

/** In a sentence for each way to spend a budget on whole solutions. */
function describeGains(gains: readonly Gain[]): string[] {
  return rivalsOf(gains).map((rival) => {
    const against = `${gains[0]!.task}: against ${rival} at the same budget`;
    const shown = gains
      .filter(({ against, isShown }) => isShown && splitBudget(against).words === rival)
      .map(({ strategy, accuracy }) => `${strategy} (${formatSigned(100 * accuracy.value, 1)} points)`);
    return shown.length === 0
      ? `${against} no difference in accuracy is shown.`
      : `${against} a difference in accuracy is shown for ${joinWords(shown)}, and for no other.`;
  });
}

/** The ways to spend a budget on whole solutions, without their budgets; of those that were named, the first one first. */
function rivalsOf(gains: readonly Gain[]): string[] {
  const rivals = new Set(gains.map(({ against }) => splitBudget(against).words));
  const named = gains.map(({ strategy }) => splitBudget(strategy).words);
  return [...new Set([...named.filter((name) => rivals.has(name)), ...rivals])];
}

/** Each strategy against what else its budget buys. */
function gainBlocks(gains: readonly Gain[]): Block[] {
  if (gains.length === 0) return [];
  const rivals = rivalsOf(gains);
  const names = [...new Set(gains.map(({ strategy }) => strategy))];
  const cell = (strategy: string, rival: string) => {
    const gain = gains.find((one) => one.strategy === strategy && splitBudget(one.against).words === rival);
    if (!gain) return "–";
    return `${withSignedRange(gain.accuracy, 100, 1)} ${gain.isShown ? "shown" : "not shown"}`;
  };
  return [
    table({
      headings: ["strategy", ...rivals.map((rival) => `against ${rival}, points`)],
      rows: names.map((strategy) => [strategy, ...rivals.map((rival) => cell(strategy, rival))]),
      numeric: true,
    }),
    note(
      "Differences of the accuracies at the same budget of computed tokens, with 95 % bootstrap intervals over the problems as pairs: shown if the interval excludes zero, and not adjusted for the number of comparisons. A strategy may leave a part of its budget unused; what it took is in the tables.",
    ),
  ];
}

const tokensCounted: Readonly<Record<Cost, string>> = {
  written:
    "all that were written, those of probes and of samples that lost the vote included; prompts stand in the table",
  computed:
    "all that there were to compute: those of the question once, and all that were written or scored, those of steps and samples that lost included",
};

/** A chart of each task, with a mark for each strategy. */
export function curveBlocks(curves: readonly Curve[], cost: Cost = "written"): Block[] {
  const { points } = curves[0]!;
  // A strategy looks alike under all budgets.
  const names = [...new Set(points.map(({ strategy }) => splitBudget(strategy).words))];
  const isJoined = names.length < points.length;
  const looks = names.map((label, i) => ({ label, ...lookOf(i), filled: true }));
  const charts = curves.map(({ task, points }): Chart => {
    const marks = points.map((point) => asMark(point, names));
    const front = marks.filter((_, i) => points[i]!.isOnFront).sort((a, b) => a.x - b.x);
    return {
      title: task,
      svg: scatterPlot(marks, { x: `tokens ${cost} a problem`, y: "accuracy, %" }, front),
    };
  });
  return [
    key(lookKey(looks)),
    figures(charts),
    note(
      `Each mark is a strategy, with 95 % intervals of both${isJoined ? "; lines join what it reaches under several budgets" : ""}. Filled marks are on the Pareto front, which the dashed line joins; oracles, which know what is right, cannot be. Tokens are ${tokensCounted[cost]}.`,
    ),
  ];
}

function asMark({ strategy, accuracy, tokens, isOnFront }: CurvePoint, names: readonly string[]): Mark {
  const { words, budget } = splitBudget(strategy);
  return {
    ...{ x: tokens.value, y: 100 * accuracy.value, low: 100 * accuracy.low, high: 100 * accuracy.high },
    across: tokens,
    ...{ ...lookOf(names.indexOf(words)), filled: isOnFront },
    ...(budget !== undefined && { series: words }),
    title: `${strategy}: ${points1(accuracy.value)} % with ${formatNumber(tokens.value, 0)} tokens`,
  };
}

/** What each strategy of a task brings and costs. */
export function tableBlocks({ points }: Curve): Block[] {
  const first = points[0]!.strategy;
  return [
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
        withSignedRange(point.againstFirst?.accuracy, 100, 1),
        withSignedRange(point.againstFirst?.tokens, 1, 0),
        withSignedRange(point.accuracyAtEqualTokens, 100, 1),
        withSignedRange(point.tokensAtEqualAccuracy, 1, 0),
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
  ];
}

/** None where there is one degree of difficulty. */
export function difficultyBlocks({ difficulty }: Curve): Block[] {
  const [bin] = difficulty;
  if (!bin || difficulty.length < 2) return [];
  return [
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
    note("By the number of calculations in the right solution; in brackets how many problems have so many."),
  ];
}

/** Solutions of each problem beside each other. */
export function solutionBlocks(solutions: readonly ShownSolution[]): Block[] {
  const ids = [...new Set(solutions.map(({ id }) => id))];
  return ids.flatMap((id): Block[] => {
    const rows = solutions.filter((solution) => solution.id === id);
    return [
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
    ];
  });
}

function describe({ answer, isRight, isCut, usage, details }: ShownSolution): string {
  const found = answer === null ? "no answer" : `${answer}, ${isRight ? "right" : "wrong"}`;
  const more = Object.entries(details).map(([name, value]) => {
    return `${name} ${typeof value === "number" && !Number.isInteger(value) ? formatNumber(value) : value}`;
  });
  return [found, `${usage.completionTokens} tokens`, ...(isCut ? ["cut"] : []), ...more].join("; ");
}

function shorten(text: string): string {
  return text.length <= shownText ? text : `${text.slice(0, shownText)} …`;
}

function settingsSection(results: ReasoningResults): Section {
  const { settings, seed, model, adapter, scorer, slimtune, date } = results;
  const { maxTokens, temperature, topP, instruction, examples, answerCue, stepTokens, maxSteps } = settings;
  return {
    id: "provenance",
    title: "How it was made",
    blocks: [
      list([
        `Model ${model}, ${adapter === null ? "no adapter" : `adapter ${adapter}`}; slimtune ${slimtune}, ${date}.`,
        `Solutions of ${maxTokens} tokens at most; samples at temperature ${temperature}, top-p ${topP}, seed ${seed}. Strategies share the samples that they ask for alike, and each pays for them.`,
        `${examples} solved examples before each question; under it ${JSON.stringify(instruction)}, unless a strategy has an instruction of its own. Answers are asked for by ${JSON.stringify(answerCue)} where thoughts are over.`,
        ...(scorer === null
          ? []
          : [
              `Steps are scored by ${scorer}. In searches a step has ${stepTokens} tokens at most, and a solution ${maxSteps} steps.`,
            ]),
      ]),
    ],
  };
}

/** A look of its own for each of some fifty strategies. */
function lookOf(index: number) {
  return { colour: index, shape: index + Math.floor(index / looksInARow) };
}

function points1(share: number): string {
  return formatNumber(100 * share, 1);
}
