/** @file What the report of a grid of tuned models says of its model, its data and its tasks. */

import { countOf, formatCount, formatNumber, scorePrinter } from "../../reporting/format.ts";
import { type Section, type Table, table } from "../../reporting/sections.ts";
import { provenance } from "../report-sections.ts";
import type { GridResults, StudyTask } from "./results.ts";

/** What was tuned and judged, in a line. */
export function describeGrid({ model, cells, data, tasks, date }: GridResults): string {
  const [size, unit] =
    model.parameters < 1e9 ? [model.parameters / 1e6, "million"] : [model.parameters / 1e9, "billion"];
  return [
    `${formatNumber(size)} ${unit} parameters`,
    countOf(cells.length, "run"),
    data.length === 1 ? "1 set of data" : `${data.length} sets of data`,
    countOf(tasks.length, "task"),
    date.slice(0, 10),
  ].join(" · ");
}

/** "exact_match (strict-match)" */
export function metricOf({ metric, filter }: Pick<StudyTask, "metric" | "filter">): string {
  return filter === "none" ? metric : `${metric} (${filter})`;
}

/** How the study was made, with the data, the tasks, and SHA-256 of all that went in. */
export function gridProvenance(results: GridResults): Section {
  return provenance(
    results,
    [table(dataTable(results)), table(taskTable(results))],
    [table(hashTable(results))],
  );
}

function dataTable({ data }: GridResults): Table {
  return {
    headings: ["data", "from", "examples", "tokens"],
    rows: data.map(({ name, source, examples, tokens }) => [
      name,
      source,
      formatCount(examples),
      formatCount(tokens),
    ]),
    numeric: false,
  };
}

function taskTable({ tasks, base }: GridResults): Table {
  return {
    headings: ["task", "version", "score", "better is", "items", "chance", "data meant for it"],
    rows: tasks.map((task) => [
      task.name,
      task.version,
      metricOf(task),
      task.higherIsBetter ? "higher" : "lower",
      formatCount(task.items),
      task.chance === null ? "none" : scorePrinter(task.inPoints, base.scores[task.name]!).score(task.chance),
      task.alignedData.join(", ") || "none",
    ]),
    numeric: false,
  };
}

function hashTable({ model, data, tasks }: GridResults): Table {
  return {
    headings: ["what", "SHA-256"],
    rows: [
      [`model ${model.name}`, model.sha256],
      ...data.map(({ name, sha256 }) => [`data ${name}`, sha256]),
      ...tasks.flatMap(({ promptHashes }) =>
        Object.entries(promptHashes).map(([name, hash]) => [`prompts of ${name}`, hash]),
      ),
    ],
    numeric: false,
  };
}
