/** @file The report as Markdown: all that the page says, but for its charts. */

import type { AlignmentScore, Flip } from "../studies/results.ts";
import { answer, describeAlignment, describeCost, describeDivergence } from "./answer.ts";
import { formatNumber, formatRange, formatSigned } from "./format.ts";
import { recommend } from "./recommend.ts";
import type { ModelRow, Study } from "./study-rows.ts";
import {
  alignmentScores,
  alignmentTable,
  costTable,
  dataTable,
  failureTable,
  hashTable,
  lossTable,
  machineTable,
  notMeasured,
  quantityTable,
  recommendationTable,
  settingsTable,
  type Table,
  taskTable,
} from "./tables.ts";
import {
  countFlips,
  describeChance,
  describeModel,
  describePrediction,
  endOfPrompt,
  markOf,
  metricOf,
  quantityNote,
  readingNotes,
  titleOf,
} from "./wording.ts";

export function renderMarkdown(study: Study): string {
  const { results, tasks } = study;
  const recommendations = recommend(study);
  const isMethods = results.kind === "methods";
  const failed = failureTable(study);
  const parts = [
    `# ${escapeMarkdown(titleOf(study))}`,
    escapeMarkdown(describeModel(study)),
    list(answer(study).map(escapeMarkdown)),
    "## Gained and kept",
    "Change of each score from the base model with its 95 % interval; **bold**: the data were meant for the task; ▲ shown to be better, ▼ shown to be worse, no mark: no difference shown.",
    list(
      tasks.map((task) =>
        escapeMarkdown(
          `${task.name}: ${metricOf(task)}, base ${task.print.score(task.base.value)} ${task.print.range(task.base)}, ${describeChance(task)}${task.inPoints ? "; in points" : ""}`,
        ),
      ),
    ),
    gainTable(study),
    list([...describeDivergence(study), ...readingNotes(study)].map(escapeMarkdown)),
    ...(isMethods
      ? [
          "## Which method",
          table(recommendationTable(recommendations)),
          ...recommendations.leftOut.map(escapeMarkdown),
          table(quantityTable(study)),
        ]
      : []),
    "## Loss",
    table(lossTable(study)),
    ...(results.alignment.length > 0
      ? [
          "## Alignment and gain",
          ...describeAlignment(study).map(escapeMarkdown),
          table(alignmentTable(study)),
          list(
            (Object.keys(alignmentScores) as AlignmentScore[]).map((score) =>
              escapeMarkdown(`${score}, ${alignmentScores[score]}: ${describePrediction(study, score)}`),
            ),
          ),
        ]
      : []),
    "## Efficiency",
    ...describeCost(study).map(escapeMarkdown),
    table(costTable(study)),
    ...(isMethods ? [] : [table(quantityTable(study)), quantityNote]),
    ...answers(study),
    ...(failed.rows.length > 0 ? ["## Not computed", table(failed)] : []),
    ...(results.notes.length > 0 ? ["## Limits", list(results.notes.map(escapeMarkdown))] : []),
    "## How it was made",
    fence(results.command),
    ...[dataTable, taskTable, settingsTable, machineTable, hashTable].map((make) => table(make(study))),
  ];
  return `${parts.join("\n\n")}\n`;
}

function gainTable({ tasks, rows, untuned }: Study): string {
  return rawTable(
    [
      "run",
      ...tasks.map(({ name }) => escapeMarkdown(name)),
      "kept: mean change on other tasks",
      "divergence, nats",
    ],
    [...untuned, ...rows].map((row) => [escapeMarkdown(row.label), ...gainCells(row, tasks)]),
  );
}

function gainCells(
  { isComputed, changes, retention, divergence }: ModelRow,
  tasks: Study["tasks"],
): string[] {
  if (!isComputed) return [...tasks.map(() => "not computed"), "", ""];
  return [
    ...tasks.map((task) => {
      const change = changes.find((candidate) => candidate.task === task);
      if (!change) return notMeasured;
      const { difference, seeds, aligned } = change;
      const print = escapeMarkdown(
        `${task.print.change(difference.value)} ${task.print.range(difference)}${markOf(change)}`,
      );
      const list = seeds.length > 1 ? ` (seeds ${seeds.map(task.print.change).join(", ")})` : "";
      return `${aligned ? `**${print}**` : print}${list}`;
    }),
    retention
      ? escapeMarkdown(
          `${formatSigned(100 * retention.value, 1)} ${formatRange({ low: 100 * retention.low, high: 100 * retention.high }, 1)}`,
        )
      : "no such task",
    divergence
      ? escapeMarkdown(`${formatNumber(divergence.value, 3)} ${formatRange(divergence, 3)}`)
      : notMeasured,
  ];
}

function answers({ rows }: Study): string[] {
  const cells = rows.flatMap((row) => row.cells.filter(({ flips }) => flips && flips.length > 0));
  if (cells.length === 0) return [];
  return [
    "## Answers that changed",
    ...cells.flatMap((cell) => [
      `### ${escapeMarkdown(cell.id)}`,
      escapeMarkdown(countFlips(cell)),
      ...(cell.flips ?? []).flatMap(describeFlip),
    ]),
  ];
}

function describeFlip({ task, item, direction, prompt, expected, base, tuned }: Flip): string[] {
  return [
    `**${escapeMarkdown(`${task}, item ${item}`)}: ${direction === "fixed" ? "became right" : "became wrong"}**`,
    fence(endOfPrompt(prompt)),
    "Expected:",
    fence(expected),
    "Base model:",
    fence(base),
    "Tuned model:",
    fence(tuned),
  ];
}

function table({ headings, rows }: Table): string {
  return rawTable(
    headings.map(escapeMarkdown),
    rows.map((row) => row.map(escapeMarkdown)),
  );
}

/** A table of cells that are Markdown. */
function rawTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(headings), `|${" --- |".repeat(headings.length)}`, ...rows.map(line)].join("\n");
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join("\n");
}

/** Text in one line that means nothing to Markdown. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_<>|~$#]|\](?=[[(:])|&(?=[#\w]+;)/g, "\\$&").replace(/\s*[\r\n]+\s*/g, " ");
}

/** Text as it is, between fences that do not occur in it. */
export function fence(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const ticks = "`".repeat(Math.max(3, longest + 1));
  return `${ticks}text\n${text}\n${ticks}`;
}
