/** @file The report's charts as SVG, drawn by Observable Plot on a document of linkedom's. */

import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { AlignmentScore, StudyRun } from "../studies/results.ts";
import { mean } from "./estimates.ts";
import { formatSigned } from "./format.ts";
import { Html } from "./html.ts";
import { paretoFront } from "./pareto.ts";
import { namesOf, type Study, type StudyRow } from "./study-rows.ts";

export interface Chart {
  readonly title: string;
  readonly svg: Html;
}

/** The only place where charts are drawn; nothing of it is kept but what they give. */
const { document } = parseHTML("<!doctype html><html></html>");

/** In pixels. A page shows charts at this size at most, so that their texts are as large as its own. */
const size = { width: 344, height: 280 };

/** Colours that people with a colour blindness can tell apart (after Okabe and Ito 2008); the first three also in grey. */
const colours = ["#00478f", "#d55e00", "#56b4e9", "#009e73", "#cc79a7", "#e69f00", "#4d4d4d"];
const shapes = ["circle", "triangle", "square", "diamond", "star", "cross", "wye"];
const dashes = ["none", "6 3", "2 3", "9 3 2 3", "1 2", "12 4", "4 1"];
const grey = "#767676";

/** A mark of a scatter plot. */
interface Mark {
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
  readonly colour: string;
  readonly shape: string;
  readonly filled: boolean;
  readonly title: string;
}

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
    return { title, svg: scatter(marks, label, "mean score, points from the base model", line) };
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
      : [{ title: score, svg: scatter(marks, `${score} alignment`, "change of the score, points") }];
  });
}

/** Training loss in means of neighbouring steps, and held-out loss as dots: a chart for each set of data. */
export function lossCharts(study: Study): Chart[] {
  const methods = namesOf(study.results.cells, "method");
  const rows = study.rows.filter(({ cells }) => cells.some(({ run }) => run.loss.length > 0));
  const curves = rows.flatMap((row) =>
    row.cells.map(({ id, run }) => ({
      id,
      data: row.data,
      colour: pick(colours, methods.indexOf(row.method)),
      dash: pick(dashes, methods.indexOf(row.method)),
      loss: smooth(run.loss),
      heldOut: run.heldOutLoss,
    })),
  );
  const losses = curves.flatMap(({ loss, heldOut }) => [...loss, ...heldOut].map(([, value]) => value));
  return [...new Set(rows.map(({ data }) => data))].map((data) => ({
    title: data,
    svg: draw({
      marks: [
        Plot.frame({ stroke: "#d0d0d0" }),
        ...curves
          .filter((curve) => curve.data === data)
          .flatMap(({ id, colour, dash, loss, heldOut }) => [
            Plot.line(loss, {
              x: "0",
              y: "1",
              stroke: colour,
              strokeWidth: 1.5,
              strokeDasharray: dash,
              title: () => id,
            }),
            Plot.dot(heldOut, { x: "0", y: "1", r: 3.5, stroke: colour, strokeWidth: 1.5, fill: "white" }),
          ]),
      ],
      x: { label: "optimizer step", nice: true, ticks: 5 },
      y: { label: "loss, nats", domain: [Math.min(...losses), Math.max(...losses)], nice: true, grid: true },
    }),
  }));
}

/** What a shape, colour or line stands for. */
export interface KeyEntry {
  readonly label: string;
  readonly svg: Html;
}

/** The key of the scatter plots: a shape for each method, a colour for each set of data (of one, for each method). */
export function markKey({ results }: Study): KeyEntry[] {
  const methods = namesOf(results.cells, "method");
  const data = namesOf(results.cells, "data");
  return [
    ...methods.map((label, i) => ({
      label,
      svg: drawKey(
        Plot.dot([pick(shapes, i)], {
          x: [0],
          y: [0],
          symbol: Plot.identity,
          fill: data.length > 1 ? "#333333" : pick(colours, i),
          r: 5,
        }),
      ),
    })),
    ...(data.length > 1 ? data : []).map((label, i) => ({
      label,
      svg: drawKey(Plot.ruleX([0], { stroke: pick(colours, i), strokeWidth: 10 })),
    })),
  ];
}

/** The key of the loss curves: a line for each method. */
export function lineKey({ results }: Study): KeyEntry[] {
  return namesOf(results.cells, "method").map((label, i) => ({
    label,
    svg: drawKey(
      Plot.ruleY([0], { stroke: pick(colours, i), strokeWidth: 2, strokeDasharray: pick(dashes, i) }),
    ),
  }));
}

function appearance({ results }: Study, row: StudyRow): { readonly colour: string; readonly shape: string } {
  const data = namesOf(results.cells, "data");
  const method = namesOf(results.cells, "method").indexOf(row.method);
  return {
    colour: pick(colours, data.length > 1 ? data.indexOf(row.data) : method),
    shape: pick(shapes, method),
  };
}

function scatter(marks: readonly Mark[], xLabel: string, yLabel: string, line: readonly Mark[] = []): Html {
  const xs = marks.map(({ x }) => x);
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const isWide = low > 0 && high > 20 * low;
  // One cost or score that all share stands in the middle.
  const margin = low < high ? 0 : 0.1 * Math.abs(low) || 1;
  const dot = { x: "x", y: "y", symbol: "shape", stroke: "colour", r: 5, title: "title" } as const;
  return draw({
    marks: [
      Plot.frame({ stroke: "#d0d0d0" }),
      Plot.ruleY([0], { stroke: grey }),
      Plot.line(line, { x: "x", y: "y", curve: "step-after", stroke: grey, strokeDasharray: "3 3" }),
      Plot.ruleX(marks, { x: "x", y1: "low", y2: "high", stroke: "colour", strokeOpacity: 0.45 }),
      Plot.dot(marks, { ...dot, fill: "white", filter: ({ filled }: Mark) => !filled }),
      Plot.dot(marks, { ...dot, fill: "colour", filter: ({ filled }: Mark) => filled }),
    ],
    x: {
      label: xLabel,
      type: isWide ? "log" : "linear",
      domain: [low - margin, high + margin],
      nice: true,
      ticks: 5,
      inset: 8,
    },
    y: { label: yLabel, nice: true, grid: true, ticks: 6 },
  });
}

function draw(options: Plot.PlotOptions): Html {
  return render({
    ...size,
    marginTop: 30,
    marginLeft: 44,
    marginBottom: 40,
    style: { font: "12px system-ui, sans-serif", background: "none", overflow: "visible" },
    ...options,
  });
}

/** A mark on its own in the middle of a picture as high as a line of text. */
function drawKey(mark: Plot.Markish): Html {
  const centred = { domain: [-1, 1], axis: null };
  return render({ marks: [mark], width: 22, height: 14, margin: 0, x: centred, y: centred });
}

function render(options: Plot.PlotOptions): Html {
  return new Html(Plot.plot({ ...options, document }).outerHTML);
}

function pick<T>(choices: readonly T[], index: number): T {
  return choices[index % choices.length]!;
}

function meanOf({ cells }: StudyRow, of: (run: StudyRun) => number): number {
  return mean(cells.map(({ run }) => of(run)));
}

/** Means of neighbouring points, 60 at most. */
function smooth(points: readonly (readonly [number, number])[]): [number, number][] {
  const width = Math.ceil(points.length / 60);
  return Array.from({ length: Math.ceil(points.length / width) }, (_, i) => {
    const near = points.slice(i * width, (i + 1) * width);
    return [mean(near.map(([step]) => step)), mean(near.map(([, loss]) => loss))];
  });
}
