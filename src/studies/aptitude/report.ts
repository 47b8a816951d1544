/** @file The report of a study of aptitude. */

import { solutionBlocks } from "../../reasoning/report.ts";
import { lookKey, type Mark, scatterPlot } from "../../reporting/charts.ts";
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
import { chosenId } from "./models.ts";
import type { AptitudeCell, AptitudeResults, AskedTask } from "./results.ts";

type Asked = AptitudeCell & { readonly asked: readonly AskedTask[] };

export function aptitudeReport(results: AptitudeResults): Report {
  const { tasks, cells, shown, date, comparisons, aptitudes } = results;
  const asked = cells.filter((cell): cell is Asked => cell.asked !== undefined);
  const problems = tasks.map(({ name, problems }) => `${countOf(problems, "problem")} of ${name}`);
  return {
    title: `Words or programs: ${String(results.settings.model).split("/").at(-1)!}`,
    about: [...problems, countOf(aptitudes.length, "query", "queries"), date.slice(0, 10)].join(" · "),
    answer: comparisons.map(describeComparison),
    sections: [
      ...tasks.map(({ name }) => taskSection(name, asked, results)),
      { id: "aptitudes", title: "Aptitudes, and what was chosen", blocks: aptitudeBlocks(results) },
      { id: "training", title: "What was tuned", blocks: trainingBlocks(results) },
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

/** "gsm8k: TATA is right in 3.5 points [0.5, 6.5] more than random choice: shown. It writes … and runs …" */
function describeComparison({
  task,
  against,
  accuracy,
  written,
  programs,
}: AptitudeResults["comparisons"][number]) {
  const isShown = excludesZero(accuracy);
  return [
    `${task}: against ${against} TATA gives ${withSignedRange(accuracy, 100, 1)} points of accuracy:`,
    isShown ? (accuracy.value > 0 ? "more accurate." : "less accurate.") : "no difference shown.",
    `It writes ${withSignedRange(written, 1, 1)} tokens and runs ${withSignedRange(programs, 1, 2)} programs a problem.`,
  ].join(" ");
}

function taskSection(
  task: string,
  asked: readonly Asked[],
  { oracle, comparisons }: AptitudeResults,
): Section {
  const rows = asked.map(({ id, name, asked }) => ({
    name: id === chosenId ? `${name}, the best decision` : name,
    ...asked.find((one) => one.task === task)!,
  }));
  const labels = [...new Set(rows.flatMap(({ difficulty }) => difficulty.map(({ label }) => label)))];
  const bound = oracle.find((one) => one.task === task);
  return {
    id: `task-${task}`,
    title: task,
    blocks: [
      table({
        headings: [
          "model",
          "right, %",
          "tokens written",
          "all tokens",
          "programs",
          "with a program",
          "no answer",
        ],
        rows: rows.map(({ name, accuracy, written, tokens, programs, programmed, unanswered }) => [
          name,
          withRange(accuracy, 100, 1),
          formatNumber(written, 1),
          formatNumber(tokens, 1),
          formatNumber(programs, 2),
          formatShare(programmed),
          formatShare(unanswered),
        ]),
        numeric: true,
      }),
      note(
        "Every model is asked with the same prompt, and may answer in words or run programs. Tokens and programs are means a problem; all tokens are those written and those read, over all calls.",
      ),
      ...(bound
        ? [
            paragraph(
              `Knowing for each problem which of the two models of one manner is right, ${withRange(bound.accuracy, 100, 1)} % could be solved: a bound, which no choice can know.`,
            ),
          ]
        : []),
      table({
        headings: ["TATA against", "accuracy, points", "tokens written", "programs"],
        rows: comparisons
          .filter((one) => one.task === task)
          .map(({ against, accuracy, written, programs }) => [
            against,
            withSignedRange(accuracy, 100, 1),
            withSignedRange(written, 1, 1),
            withSignedRange(programs, 1, 2),
          ]),
        numeric: true,
      }),
      note("Differences come with 95 % bootstrap intervals over the problems, which all models were asked."),
      ...(labels.length > 0
        ? [
            table({
              headings: ["with a program; right, %", ...labels],
              rows: rows.map(({ name, difficulty }) => [
                name,
                ...labels.map((label) => {
                  const bin = difficulty.find((one) => one.label === label);
                  if (!bin) return "–";
                  return `${formatShare(bin.programmed)}; ${formatNumber(100 * bin.accuracy, 1)} (${bin.problems})`;
                }),
              ]),
              numeric: true,
            }),
            note(
              "By the number of calculations in the right solution: the share of problems for which a program ran, the share of right answers, and in brackets how many problems there are.",
            ),
          ]
        : []),
    ],
  };
}

const manners = ["words", "program", "words and program"];

function aptitudeBlocks({ aptitudes, anchors, decision, settings, cells }: AptitudeResults): Block[] {
  const look = (chosen: string) => {
    const i = manners.indexOf(chosen);
    return { colour: i, shape: i, filled: false };
  };
  const counts = new Map<string, number>();
  for (const { words, program, chosen } of aptitudes) {
    const place = JSON.stringify([words, program, chosen.join(" and ")]);
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  const marks = [...counts].map(([place, queries]): Mark => {
    const [x, y, chosen] = JSON.parse(place) as [number, number, string];
    const title = `${countOf(queries, "query", "queries")}: words ${formatNumber(x)}, programs ${formatNumber(y)}, tuned on ${chosen}`;
    return { ...{ x, y, low: y, high: y, title }, ...look(chosen), radius: 3 * Math.sqrt(queries) };
  });
  const isShare = settings.aptitudes !== "likelihood";
  const unit = isShare ? "share of anchors right" : "mean ln p of its solution";
  const used = manners.filter((manner) => aptitudes.some(({ chosen }) => chosen.join(" and ") === manner));
  const decisions = cells.filter(({ heldOut }) => heldOut);
  return [
    key(lookKey(used.map((label) => ({ label, ...look(label) })))),
    figures([
      {
        title: `${countOf(aptitudes.length, "query", "queries")} by ${decision}`,
        svg: scatterPlot(marks, { x: `in words: ${unit}`, y: `by programs: ${unit}` }),
      },
    ]),
    note(
      `${
        isShare
          ? `A query's aptitudes are the shares of the ${anchors.length} anchors that the model answers rightly after the query's solution in words, or by a program.`
          : `A query's aptitudes are how likely its solution in words, or by a program, is to the model after those of the ${anchors.length} anchors.`
      } A mark is as large as there are queries at its place.`,
    ),
    ...(decisions.length > 0
      ? [
          table({
            headings: ["decision", "queries in words", "as programs", "held-out problems right, %"],
            rows: decisions.map(({ name, training, heldOut }) => [
              name,
              training ? formatCount(training.words) : "–",
              training ? formatCount(training.programs) : "–",
              withRange(heldOut!, 100, 1),
            ]),
            numeric: true,
          }),
        ]
      : []),
    table({
      headings: ["anchor", "queries in its cluster"],
      rows: anchors.map(({ question, queries }) => [question, formatCount(queries)]),
      numeric: true,
    }),
  ];
}

function trainingBlocks({ cells, problems, leftOut }: AptitudeResults): Block[] {
  const reasons = Object.entries(leftOut).map(([reason, some]) => `${some} ${reason}`);
  return [
    paragraph(
      `${countOf(problems, "problem")} of the data were looked at${reasons.length > 0 ? `; left out were ${reasons.join(", ")}` : ", and all had both solutions"}.`,
    ),
    table({
      headings: ["model", "rows in words", "as programs", "steps", "time", "peak memory"],
      rows: cells.flatMap(({ name, training }) =>
        training
          ? [
              [
                name,
                formatCount(training.words),
                formatCount(training.programs),
                formatCount(training.steps),
                formatSeconds(training.seconds),
                formatGigabytes(training.peakMemoryBytes),
              ],
            ]
          : [],
      ),
      numeric: true,
    }),
  ];
}
