/** @file An evaluation for people: a table of its scores, what limits them, and items in full. */

import type { Evaluation, NamedScore, Sample, TaskEvaluation } from "./evaluate.ts";
import { metrics } from "./metrics/metrics.ts";
import { outputTypes } from "./requests/output-types.ts";
import { countCut } from "./results.ts";
import type { PreparedTask } from "./task.ts";

const columns = [
  "Task",
  "Version",
  "Filter",
  "n-shot",
  "n",
  "Metric",
  "",
  "Value",
  "",
  "Stderr",
  "95 % interval",
  "Prompts",
];
/** Columns of numbers, which stand at the right. */
const rightAligned = ["n-shot", "n", "Value", "Stderr"];

/**
 * A table in Markdown with a row for each score, like the harness's.
 *
 * @example
 * const { evaluation } = await runEvaluation({ model: "HuggingFaceTB/SmolLM2-135M", tasks: ["arc_easy"] });
 * console.log(renderTable(evaluation));
 */
export function renderTable({ tasks, groups }: Evaluation): string {
  const rows = [
    ...tasks.flatMap(({ task, scores }) =>
      renderRows([task.name, task.version], String(task.numFewshot), scores, task.promptHash.slice(0, 8)),
    ),
    ...groups.flatMap(({ group, scores }) => renderRows([group.name, group.version], "", scores, "")),
  ];
  const widths = columns.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const isNumber = (column: number) => rightAligned.includes(columns[column]!);
  const renderRow = (cells: readonly string[]) =>
    `|${cells.map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join("|")}|`;
  const ruler = widths.map((width, i) => (isNumber(i) ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  return [columns, ruler, ...rows].map(renderRow).join("\n");
}

/** Name and version stand in the first row only. */
function renderRows(
  [name, version]: readonly [string, string],
  shots: string,
  scores: readonly NamedScore[],
  prompts: string,
): string[][] {
  return scores.map((score, i) => {
    const { metric, filter, value, stderr, interval, size } = score;
    return [
      ...(i === 0 ? [name, version] : ["", ""]),
      filter,
      shots,
      String(size),
      metric,
      metrics[metric].higherIsBetter ? "↑" : "↓",
      value.toFixed(4),
      "±",
      stderr === undefined ? "N/A" : stderr.toFixed(4),
      interval ? `${interval.low.toFixed(4)} – ${interval.high.toFixed(4)}` : "N/A",
      i === 0 ? prompts : "",
    ];
  });
}

/** A sentence for each thing that limits what an evaluation's scores say. */
export function describeLimits({ tasks }: Evaluation): string[] {
  const all = tasks.map(({ task }) => task);
  const parts = all.filter(({ instances, size }) => instances.length < size);
  const cut = tasks
    .map((task) => ({ name: task.task.name, count: countCut(task), asked: task.task.instances.length }))
    .filter(({ count }) => count > 0);
  const validated = all.filter(({ config }) => !config.test_split && config.validation_split);
  const unscored = all.filter(({ outputType, metrics: own }) =>
    outputTypes[outputType].furtherMetrics?.some((name) => !own.some(({ metric }) => metric === name)),
  );
  const named = (list: readonly PreparedTask[]) => list.map(({ name }) => name).join(", ");
  return [
    ...(parts.length > 0
      ? [
          `Only the first items were asked (${parts.map(({ name, instances, size }) => `${instances.length} of ${size} of ${name}`).join(", ")}), so these scores are not the tasks'.`,
        ]
      : []),
    ...(cut.length > 0
      ? [
          `Prompts were longer than the model's context and lost their beginnings: ${cut.map(({ name, count, asked }) => `${count} of ${asked} of ${name}`).join(", ")}.`,
        ]
      : []),
    ...(validated.length > 0
      ? [`Scored on the validation split, for there is no test split: ${named(validated)}.`]
      : []),
    ...(unscored.length > 0
      ? [
          `How likely the right answers are was not measured: the model gives no likelihoods, or there are right answers that are empty or longer than its context (${named(unscored)}).`,
        ]
      : []),
    ...all.flatMap(({ name, config }) => (config.data_note ? [`${name}: ${config.data_note}.`] : [])),
  ];
}

/**
 * The first `count` items of a task: prompts and answers in full, under every filter.
 *
 * @example
 * const { evaluation } = await runEvaluation({ model: "HuggingFaceTB/SmolLM2-135M", tasks: ["gsm8k"] });
 * for (const task of evaluation.tasks) console.log(renderItems(task, 3));
 */
export function renderItems({ task, samples }: TaskEvaluation, count: number): string {
  const shown = task.instances.slice(0, count);
  return shown
    .map((instance) =>
      renderItem(
        task,
        samples.filter((sample) => sample.instance === instance),
      ),
    )
    .join("\n");
}

/** @param samples the item under each filter */
function renderItem(task: PreparedTask, samples: readonly Sample[]): string {
  const { instance, answers } = samples[0]!;
  const lines = [
    `── ${task.name}, item ${instance.docId} ──`,
    ...outputTypes[task.outputType].render(instance, answers),
  ];
  for (const { filter, filtered, scores } of samples) {
    const found = filtered.map((answer) =>
      typeof answer === "object" && "text" in answer ? ` ${JSON.stringify(answer.text)}` : "",
    );
    const values = Object.entries(scores).map(([metric, score]) => `${metric} ${score}`);
    lines.push(`── ${filter}:${found.join("")} ${values.join(", ")}`);
  }
  return `${lines.join("\n")}\n`;
}
