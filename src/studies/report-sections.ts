/** @file The sections that a report of any kind of study ends with. */

import { countOf, formatGigabytes } from "../reporting/format.ts";
import { html } from "../reporting/html.ts";
import {
  type Block,
  code,
  columns,
  list,
  onPage,
  type Section,
  type Table,
  table,
} from "../reporting/sections.ts";
import type { CellResult, StudyResults } from "./study-results.ts";

/** Why cells could not be computed, if some could not. */
export function failures(cells: readonly CellResult[]): Section {
  const rows = cells.flatMap(({ id, error }) => (error === undefined ? [] : [[id, error]]));
  const headings = ["run", "why it could not be computed"];
  return {
    id: "failures",
    title: "Not computed",
    blocks: rows.length > 0 ? [table({ headings, rows, numeric: false })] : [],
  };
}

/** What limits the claims, if anything does. */
export function limits({ notes }: StudyResults): Section {
  return { id: "limits", title: "Limits", blocks: notes.length > 0 ? [list(notes)] : [] };
}

/**
 * How the study was made.
 *
 * @param inputs what went in: blocks before its settings
 * @param hashes blocks after them
 */
export function provenance(
  results: StudyResults,
  inputs: readonly Block[],
  hashes: readonly Block[] = [],
): Section {
  return {
    id: "provenance",
    title: "How it was made",
    blocks: [
      onPage(html`<p>This command makes it again:</p>`),
      code(results.command),
      ...inputs,
      columns(table(settingsTable(results)), table(machineTable(results))),
      ...hashes,
    ],
  };
}

function settingsTable({ settings }: StudyResults): Table {
  return {
    headings: ["setting", "value"],
    rows: Object.entries(settings).map(([name, value]) => [
      name,
      typeof value === "string" ? value : (JSON.stringify(value) ?? "none"),
    ]),
    numeric: false,
  };
}

function machineTable({ machine, versions }: StudyResults): Table {
  return {
    headings: ["where and with what", ""],
    rows: [
      ["processor", `${machine.cpu}, ${countOf(machine.cores, "core")}`],
      ["memory", formatGigabytes(machine.memoryBytes)],
      ["system", machine.system],
      ["Node.js", machine.node],
      ...Object.entries(versions),
    ],
    numeric: false,
  };
}
