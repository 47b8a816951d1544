/** @file The charts of a slimming study: scores against costs and alignment, and losses. */

import type { AlignmentScore } from "../../alignment/align.ts";
import {
  type Chart,
  type KeyEntry,
  type Look,
  lineKey,
  linePlot,
  lookKey,
  type Mark,
  markKey,
  type Point,
  scatterPlot,
} from "../../reporting/charts.ts";
import { formatNumber, formatSigned } from "../../reporting/format.ts";
import { paretoFront } from "../../reporting/pareto.ts";
import { mean } from "../../statistics/estimates.ts";
import type { StudyRun } from "../grid/results.ts";
import { namesOf, type Study, type StudyRow } from "./study-rows.ts";
import { type Variant, weightOf } from "./tradeoffs.ts";

/** The mean score, in points from the base model's, against peak memory, time and share of weights trained. */
export function costCharts(study: Study): Chart[] {
  const { rows, results } = study;
  const seconds = Math.max(...rows.flatMap(({ cells }) => cells.map(({ run }) => run.efficiency.seconds)));
  const [timeUnit, unit] =
    seconds < 120 ? [1, "seconds"] : seconds < 7200 ? [60, "minutes"] : [3600, "hours"];
  const costs: [title: string, label: string, cost: (row: StudyRow) => number][] = [
    ["Memory", "peak memory, GB", (row) => meanOf(row, (run) => run.efficiency.peakMemoryBytes) / 1e9],
    ["Time", `time, ${unit}`, (row) => meanOf(row, (run) => run.efficiency.seconds) / timeUnit],
    [
      "Weights trained",
      "share of the weights trained, %",
      (row) => (100 * meanOf(row, (run) => run.trainableParameters)) / results.model.parameters,
    ],
  ];
  const judged = rows.flatMap((row) => (row.score ? [{ row, score: row.score }] : []));
  if (judged.length === 0) return [];
  return costs.map(([title, label, cost]) => {
    const front = paretoFront(
      judged,
      ({ row }) => cost(row),
      ({ score }) => score.value,
    );
    const marks = judged.map((point): Mark => {
      const { row, score } = point;
      return {
        x: cost(row),
        y: 100 * score.value,
        low: 100 * score.low,
        high: 100 * score.high,
        ...appearance(study, row),
        filled: front.includes(point),
        title: `${row.label}: ${formatSigned(100 * score.value, 1)} points`,
      };
    });
    const line = marks.filter(({ filled }) => filled).sort((a, b) => a.x - b.x);
    const axes = { x: label, y: "mean score, points from the base model" };
    return { title, svg: scatterPlot(marks, axes, line) };
  });
}

/** Change of a task's score, in points, against each score of alignment that is known. */
export function alignmentCharts(study: Study, scores: readonly AlignmentScore[]): Chart[] {
  return scores.flatMap((score) => {
    const marks = study.rows.flatMap((row) =>
      row.changes.flatMap(({ task, difference, aligned }): Mark[] => {
        const fit = study.results.alignment.find(
          (entry) => entry.data === row.data && entry.task === task.name,
        );
        const x = fit?.[score] ?? null;
        if (x === null || !task.inPoints) return [];
        return [
          {
            x,
            y: 100 * difference.value,
            low: 100 * difference.low,
            high: 100 * difference.high,
            ...appearance(study, row),
            filled: aligned,
            title: `${row.label}, ${task.name}: ${formatSigned(100 * difference.value, 1)} points`,
          },
        ];
      }),
    );
    return marks.length === 0
      ? []
      : [
          {
            title: score,
            svg: scatterPlot(marks, { x: `${score} alignment`, y: "change of the score, points" }),
          },
        ];
  });
}

/** What each variant gained against what it forgot; those that differ in nothing but the weight of keep are joined in its order. */
export function tradeoffCharts({ results: { tradeoffs = [], variants = [] } }: Study): Chart[] {
  const byWeight = joinedVariants(variants);
  return tradeoffs.flatMap(({ method, data, variants: measured }) => {
    const marks = new Map(
      measured.flatMap(({ variant, gain, divergence }): [string, Mark][] => {
        if (!gain) return [];
        const { value: x, low, high } = divergence;
        const title = `${variant}: ${formatSigned(gain.value, 3)} bits per byte, ${formatNumber(x, 3)} nats`;
        const { value: y, ...ends } = gain;
        const mark = { x, y, low: ends.low, high: ends.high, across: { low, high } };
        return [[variant, { ...mark, ...lookOf(variant, variants), title }]];
      }),
    );
    if (marks.size === 0) return [];
    const axes = { x: "divergence from the base model, nats", y: "fall of bits per byte, own tasks" };
    const line = byWeight.flatMap(({ name }) => marks.get(name) ?? []);
    return [{ title: `${method} on ${data}`, svg: scatterPlot([...marks.values()], axes, line, "linear") }];
  });
}

/** A look for each variant: filled where it keeps with some weight, or with none, and nothing else is changed. */
export function tradeoffKey({ results: { variants = [] } }: Study): KeyEntry[] {
  return lookKey(variants.map(({ name }) => ({ label: name, ...lookOf(name, variants) })));
}

function lookOf(variant: string, variants: readonly Variant[]): Look {
  const joined = joinedVariants(variants);
  const shape = joined.findIndex(({ name }) => name === variant);
  if (shape >= 0) return { colour: 0, shape, filled: true };
  const others = variants.filter((one) => !joined.includes(one));
  return { colour: 1, shape: others.findIndex(({ name }) => name === variant), filled: false };
}

/** The variants that differ in nothing but the weight of keep, in its order. */
function joinedVariants(variants: readonly Variant[]): Variant[] {
  return variants
    .filter((variant) => weightOf(variant) !== undefined)
    .sort((a, b) => weightOf(a)! - weightOf(b)!);
}

/** Training loss in means of neighbouring steps, and held-out loss as dots: a chart for each set of data. */
export function lossCharts(study: Study): Chart[] {
  const methods = namesOf(study.results.cells, "method");
  const rows = study.rows.filter(({ cells }) => cells.some(({ run }) => run.loss.length > 0));
  const curves = rows.flatMap(({ method, data, cells }) =>
    cells.map(({ id, run }) => ({
      data,
      title: id,
      style: methods.indexOf(method),
      line: smooth(run.loss),
      dots: run.heldOutLoss,
    })),
  );
  const losses = curves.flatMap(({ line, dots }) => [...line, ...dots].map(([, loss]) => loss));
  return [...new Set(rows.map(({ data }) => data))].map((data) => ({
    title: data,
    svg: linePlot(
      curves.filter((curve) => curve.data === data),
      { x: "optimizer step", y: "loss, nats" },
      [Math.min(...losses), Math.max(...losses)],
    ),
  }));
}

/** A shape for each method, a colour for each set of data; of one set, for each method. */
export function costKey({ results }: Study): KeyEntry[] {
  return markKey(namesOf(results.cells, "method"), namesOf(results.cells, "data"));
}

/** A line for each method. */
export function lossKey({ results }: Study): KeyEntry[] {
  return lineKey(namesOf(results.cells, "method"));
}

function appearance({ results }: Study, row: StudyRow): Pick<Mark, "colour" | "shape"> {
  const data = namesOf(results.cells, "data");
  const method = namesOf(results.cells, "method").indexOf(row.method);
  return { colour: data.length > 1 ? data.indexOf(row.data) : method, shape: method };
}

function meanOf({ cells }: StudyRow, of: (run: StudyRun) => number): number {
  return mean(cells.map(({ run }) => of(run)));
}

/** Means of neighbouring points, 60 at most. */
function smooth(points: readonly Point[]): Point[] {
  const width = Math.ceil(points.length / 60);
  return Array.from({ length: Math.ceil(points.length / width) }, (_, i) => {
    const near = points.slice(i * width, (i + 1) * width);
    return [mean(near.map(([step]) => step)), mean(near.map(([, loss]) => loss))];
  });
}
