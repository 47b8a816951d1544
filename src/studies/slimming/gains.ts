/** @file The gains as a table: on the page coloured where a change is shown. */

import { formatNumber, formatRange, formatSigned } from "../../reporting/format.ts";
import { type Html, html } from "../../reporting/html.ts";
import { escapeMarkdown, markdownTable } from "../../reporting/markdown-text.ts";
import { metricOf } from "../grid/report-sections.ts";
import type { ModelRow, ReportedTask, Study, StudyRow, UntunedRow } from "./study-rows.ts";
import { notMeasured } from "./tables.ts";
import { describeChance, markOf } from "./wording.ts";

/** Rows are methods on data, columns tasks, and what was kept of the rest stands beside. */
export function gainMatrix(study: Study): Html {
  return matrix(study, "gains", true);
}

/** The same of the bits per byte of right answers, with nothing beside. */
export function bitsMatrix(bits: Study): Html {
  return matrix(bits, "bits per byte", false);
}

function matrix({ tasks, rows, untuned }: Study, label: string, beside: boolean): Html {
  return html`<div class="scroll wide" role="region" aria-label="${label}" tabindex="0"><table class="gains">
<thead><tr>
<th scope="col">data</th><th scope="col">method</th>
${tasks.map(
  (
    task,
  ) => html`<th scope="col"><b>${task.name}</b><small>${metricOf(task)}</small><small>base <b>${task.print.score(task.base.value)}</b></small><small>${task.print.range(task.base)}</small>${beside ? html`<small>${describeChance(task)}</small>` : undefined}</th>
`,
)}${
  beside
    ? html`<th scope="col" class="beside"><b>kept</b><small>mean change on the other tasks, points</small></th>
<th scope="col"><b>divergence</b><small>from the base model on neutral text, nats</small></th>
`
    : undefined
}</tr></thead>
<tbody>
${untuned.map((row) => untunedRow(row, tasks, beside))}${rows.map((row, i) => matrixRow(row, tasks, rows, i, beside))}</tbody>
</table></div>`;
}

function untunedRow(row: UntunedRow, tasks: readonly ReportedTask[], beside: boolean): Html {
  return html`<tr class="untuned"><th scope="row" colspan="2">${row.label}</th>${modelCells(row, tasks, beside)}</tr>
`;
}

function modelCells(row: ModelRow, tasks: readonly ReportedTask[], beside: boolean, data?: string): Html {
  return row.isComputed
    ? html`${tasks.map((task) => gainCell(task, row, data))}${beside ? html`<td class="beside">${describeKept(row)}</td><td>${describeDivergence(row)}</td>` : undefined}`
    : html`<td class="missing" colspan="${tasks.length + (beside ? 2 : 0)}">could not be computed</td>`;
}

function matrixRow(
  row: StudyRow,
  tasks: readonly ReportedTask[],
  rows: readonly StudyRow[],
  index: number,
  beside: boolean,
): Html {
  const sameData = rows.filter(({ data }) => data === row.data);
  const head =
    rows[index - 1]?.data === row.data
      ? undefined
      : html`<th scope="rowgroup" rowspan="${sameData.length}">${row.data}</th>`;
  const seeds = row.cells.length + row.failed.length;
  const done = seeds > 1 ? html`<small>${row.cells.length} of ${seeds} seeds</small>` : undefined;
  return html`<tr class="${head ? "first" : ""}">${head}<th scope="row">${row.tuning}${done}</th>${modelCells(row, tasks, beside, row.data)}</tr>
`;
}

function gainCell(task: ReportedTask, { changes }: ModelRow, data: string | undefined): Html {
  const outline = data !== undefined && task.alignedData.includes(data) ? "aligned" : "";
  const change = changes.find((candidate) => candidate.task === task);
  if (!change) return html`<td class="${outline} missing">${notMeasured}</td>`;
  const { difference, seeds, verdict, contaminated } = change;
  const shown = verdict === "no difference shown" ? "" : verdict;
  const list =
    seeds.length > 1
      ? html`<small>seeds ${seeds.map((value) => task.print.change(value)).join(", ")}</small>`
      : undefined;
  const shared = contaminated > 0 ? html`<small>† ${contaminated} items in the data</small>` : undefined;
  return html`<td class="${outline} ${shown}"><b>${task.print.change(difference.value)}${markOf(change)}</b><small>${task.print.range(difference)}</small>${list}${shared}</td>`;
}

function describeKept({ retention }: ModelRow): Html {
  if (!retention) return html`no such task`;
  const { value, low, high } = retention;
  return html`<b>${formatSigned(100 * value, 1)}</b><small>${formatRange({ low: 100 * low, high: 100 * high }, 1)}</small>`;
}

function describeDivergence({ divergence }: ModelRow): Html {
  if (!divergence) return html`${notMeasured}`;
  return html`<b>${formatNumber(divergence.value, 3)}</b><small>${formatRange(divergence, 3)}</small>`;
}

/** The same in Markdown, where the data that were meant for a task are bold. */
export function gainTable({ tasks, rows, untuned }: Study): string {
  return markdownTable(
    [
      "run",
      ...tasks.map(({ name }) => escapeMarkdown(name)),
      "kept: mean change on other tasks",
      "divergence, nats",
    ],
    [...untuned, ...rows].map((row) => [
      escapeMarkdown(row.label),
      ...changeCells(row, tasks),
      ...besideCells(row),
    ]),
  );
}

export function bitsTable({ tasks, rows, untuned }: Study): string {
  return markdownTable(
    ["run", ...tasks.map(({ name }) => escapeMarkdown(name))],
    [...untuned, ...rows].map((row) => [escapeMarkdown(row.label), ...changeCells(row, tasks)]),
  );
}

function changeCells({ isComputed, changes }: ModelRow, tasks: Study["tasks"]): string[] {
  return tasks.map((task) => {
    if (!isComputed) return "not computed";
    const change = changes.find((candidate) => candidate.task === task);
    if (!change) return notMeasured;
    const { difference, seeds, aligned } = change;
    const print = escapeMarkdown(
      `${task.print.change(difference.value)} ${task.print.range(difference)}${markOf(change)}`,
    );
    const list = seeds.length > 1 ? ` (seeds ${seeds.map(task.print.change).join(", ")})` : "";
    return `${aligned ? `**${print}**` : print}${list}`;
  });
}

function besideCells({ isComputed, retention, divergence }: ModelRow): string[] {
  if (!isComputed) return ["", ""];
  return [
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
