/** @file The report's tables. */

import type { AlignmentScore } from "../../alignment/align.ts";
import {
  formatCount,
  formatGigabytes,
  formatNumber,
  formatSeconds,
  formatShare,
} from "../../reporting/format.ts";
import type { Table } from "../../reporting/sections.ts";
import { mean } from "../../statistics/estimates.ts";
import type { StudyRun } from "../grid/results.ts";
import type { Recommendations } from "./recommend.ts";
import { type Study, tuningsOf } from "./study-rows.ts";
import { alignmentMeanings, describePrediction } from "./wording.ts";

export const notMeasured = "not measured";

export function recommendationTable({ list }: Recommendations): Table {
  return {
    headings: ["if you want", "take", "measured", "not shown to differ"],
    rows: list.map(({ constraint, method, measured, alike }) => [
      constraint,
      method,
      measured,
      alike.join(", ") || "–",
    ]),
    numeric: false,
  };
}

/** Runs whose means make a line of a table. */
interface RunGroup {
  readonly label: string;
  readonly runs: readonly StudyRun[];
}

function runsByRow({ rows }: Study): RunGroup[] {
  return rows.map(({ label, cells }) => ({ label, runs: cells.map(({ run }) => run) }));
}

function runsByMethod({ results, rows }: Study): RunGroup[] {
  return tuningsOf(results.cells).map((label) => ({
    label,
    runs: rows.flatMap(({ tuning, cells }) => (tuning === label ? cells.map(({ run }) => run) : [])),
  }));
}

interface Quantity {
  readonly heading: string;
  readonly of: (run: StudyRun) => number | null;
  readonly print: (value: number) => string;
}

/** What each row's runs took, means over the seeds. */
export function costTable(study: Study): Table {
  const { parameters } = study.results.model;
  return tabulate("run", runsByRow(study), [
    {
      heading: "weights trained",
      of: (run) => run.trainableParameters,
      print: (count) => `${formatCount(count)} (${formatShare(count / parameters)})`,
    },
    { heading: "steps", of: (run) => run.steps, print: formatCount },
    { heading: "time", of: (run) => run.efficiency.seconds, print: formatSeconds },
    { heading: "memory, peak", of: (run) => run.efficiency.peakMemoryBytes, print: formatGigabytes },
    { heading: "tokens/s", of: (run) => run.efficiency.tokensPerSecond, print: formatNumber },
    { heading: "samples/s", of: (run) => run.efficiency.samplesPerSecond, print: formatNumber },
  ]);
}

/** EfficientLLM's quantities: of each method where methods are compared, otherwise of each row. */
export function quantityTable(study: Study): Table {
  const byMethod = study.results.kind === "methods";
  return tabulate(byMethod ? "method" : "run", byMethod ? runsByMethod(study) : runsByRow(study), [
    { heading: "memory (AMU)", of: (run) => run.efficiency.averageMemoryBytes, print: formatGigabytes },
    { heading: "cores' use (PCU)", of: (run) => run.efficiency.averageUtilization, print: formatShare },
    {
      heading: "step (AL)",
      of: (run) => run.efficiency.averageLatency,
      print: (seconds) => `${formatNumber(seconds)} s`,
    },
    { heading: "tokens (TT)", of: (run) => run.efficiency.tokenThroughput * 1e6, print: formatNumber },
    { heading: "samples (ST)", of: (run) => run.efficiency.sampleThroughput * 1e6, print: formatNumber },
    {
      heading: "power (AEC)",
      of: (run) => run.efficiency.averagePower,
      print: (watts) => `${formatNumber(watts)} W`,
    },
    { heading: "compression (MCR)", of: (run) => run.efficiency.compressionRate, print: formatNumber },
  ]);
}

/** Loss at the beginning and the end, means over the seeds. */
export function lossTable(study: Study): Table {
  const held = (index: number) => (run: StudyRun) => run.heldOutLoss.at(index)?.[1] ?? null;
  const print = (loss: number) => formatNumber(loss, 3);
  return tabulate("run", runsByRow(study), [
    { heading: "first training loss", of: (run) => run.loss[0]?.[1] ?? null, print },
    { heading: "last training loss", of: (run) => run.loss.at(-1)?.[1] ?? null, print },
    { heading: "first held-out loss", of: held(0), print },
    { heading: "last held-out loss", of: held(-1), print },
  ]);
}

function tabulate(first: string, groups: readonly RunGroup[], quantities: readonly Quantity[]): Table {
  return {
    headings: [first, ...quantities.map(({ heading }) => heading)],
    rows: groups
      .filter(({ runs }) => runs.length > 0)
      .map(({ label, runs }) => [
        label,
        ...quantities.map(({ of, print }) => {
          const values = runs.map(of).filter((value) => value !== null);
          return values.length === runs.length ? print(mean(values)) : notMeasured;
        }),
      ]),
    numeric: true,
  };
}

/** How each score of alignment goes with what right answers gained in likelihood. */
export function bitsPredictionTable(bits: Study): Table {
  return {
    headings: ["alignment", "and the fall of the bits per byte of right answers, over all tasks"],
    rows: (Object.keys(alignmentMeanings) as AlignmentScore[]).map((score) => [
      score,
      describePrediction(bits, score),
    ]),
    numeric: false,
  };
}

/** How well each set of data fits each task, and which items they share. */
export function alignmentTable({ results }: Study): Table {
  const scores = Object.keys(alignmentMeanings) as AlignmentScore[];
  return {
    headings: ["data and task", "meant for it", ...scores, "items found in the data"],
    rows: results.alignment.map((fit) => {
      const meant = results.tasks.find(({ name }) => name === fit.task)?.alignedData.includes(fit.data);
      return [
        `${fit.data}, ${fit.task}`,
        meant ? "yes" : "no",
        ...scores.map((score) => (fit[score] === null ? notMeasured : formatNumber(fit[score]))),
        `${formatCount(fit.contaminated.length)} of ${formatCount(fit.checkedItems)}`,
      ];
    }),
    numeric: true,
  };
}
