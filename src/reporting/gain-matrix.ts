/** @file The gains as a heat map: a table, so that its numbers can be read, copied and heard. */

import { formatNumber, formatRange, formatSigned } from "./format.ts";
import { type Html, html } from "./html.ts";
import type { ReportedTask, Study, StudyRow } from "./study-rows.ts";
import { notMeasured } from "./tables.ts";
import { describeChance, markOf, metricOf } from "./wording.ts";

/** Improvements in points, or in per cent of a base score without points, at which the colour is full, at least. */
const leastFullColour = 5;

/** Rows are methods on data, columns tasks, and what was kept of the rest stands beside. */
export function gainMatrix({ tasks, rows }: Study): Html {
  const full = Math.max(
    leastFullColour,
    ...rows.flatMap(({ changes }) => changes.map(({ improvement }) => Math.abs(improvement))),
  );
  return html`<div class="scroll"><table class="gains">
<thead><tr>
<th scope="col">data</th><th scope="col">method</th>
${tasks.map(
  (
    task,
  ) => html`<th scope="col"><b>${task.name}</b><small>${metricOf(task)}</small><small>base <b>${task.print.score(task.base.value)}</b></small><small>${task.print.range(task.base)}</small><small>${describeChance(task)}</small></th>
`,
)}<th scope="col" class="beside"><b>kept</b><small>mean change on the other tasks, points</small></th>
<th scope="col"><b>divergence</b><small>from the base model on neutral text, nats</small></th>
</tr></thead>
<tbody>
${rows.map((row, i) => matrixRow(row, tasks, rows, i, full))}</tbody>
</table></div>`;
}

function matrixRow(
  row: StudyRow,
  tasks: readonly ReportedTask[],
  rows: readonly StudyRow[],
  index: number,
  full: number,
): Html {
  const sameData = rows.filter(({ data }) => data === row.data);
  const head =
    rows[index - 1]?.data === row.data
      ? undefined
      : html`<th scope="rowgroup" rowspan="${sameData.length}">${row.data}</th>`;
  const seeds = row.cells.length + row.failed.length;
  const done = seeds > 1 ? html`<small>${row.cells.length} of ${seeds} seeds</small>` : undefined;
  const cells =
    row.cells.length === 0
      ? html`<td class="missing" colspan="${tasks.length + 2}">could not be computed</td>`
      : html`${tasks.map((task) => gainCell(task, row, full))}<td class="beside">${describeKept(row)}</td><td>${describeDivergence(row)}</td>`;
  return html`<tr class="${head ? "first" : ""}">${head}<th scope="row">${row.method}${done}</th>${cells}</tr>
`;
}

function gainCell(task: ReportedTask, { data, changes }: StudyRow, full: number): Html {
  const outline = task.alignedData.includes(data) ? "aligned" : "";
  const change = changes.find((candidate) => candidate.task === task);
  if (!change) return html`<td class="${outline} missing">${notMeasured}</td>`;
  const { difference, seeds, improvement, contaminated } = change;
  const strength = Math.round((100 * Math.abs(improvement)) / full);
  const list =
    seeds.length > 1
      ? html`<small>seeds ${seeds.map((value) => task.print.change(value)).join(", ")}</small>`
      : undefined;
  const shared = contaminated > 0 ? html`<small>† ${contaminated} items in the data</small>` : undefined;
  return html`<td class="${outline} ${improvement < 0 ? "worse" : "better"}" style="--strength: ${strength}%"><b>${task.print.change(difference.value)}${markOf(change)}</b><small>${task.print.range(difference)}</small>${list}${shared}</td>`;
}

function describeKept({ retention }: StudyRow): Html {
  if (!retention) return html`no such task`;
  const { value, low, high } = retention;
  return html`<b>${formatSigned(100 * value, 1)}</b><small>${formatRange({ low: 100 * low, high: 100 * high }, 1)}</small>`;
}

function describeDivergence({ divergence }: StudyRow): Html {
  if (!divergence) return html`${notMeasured}`;
  return html`<b>${formatNumber(divergence.value, 3)}</b><small>${formatRange(divergence, 3)}</small>`;
}
