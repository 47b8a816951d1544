/** @file The report's charts as SVG, drawn by Observable Plot on a document of linkedom's. */

import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { Html } from "./html.ts";

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

/** What a shape, colour or line stands for. */
export interface KeyEntry {
  readonly label: string;
  readonly svg: Html;
}

/** How a mark is drawn. */
export interface Look {
  /** Number of its colour and of its shape, from 0; where there are no more, they begin anew. */
  readonly colour: number;
  readonly shape: number;
  readonly filled: boolean;
}

/** A mark of a scatter plot, with the interval of its `y`, and that of its `x` if it has one. */
export interface Mark extends Look {
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
  readonly across?: { readonly low: number; readonly high: number };
  readonly title: string;
  /** Marks of one series are joined by a line of their colour. Default: the mark stands alone. */
  readonly series?: string;
  /** In pixels. Default 5. */
  readonly radius?: number;
}

/** Names of the axes. */
export interface Axes {
  readonly x: string;
  readonly y: string;
}

/**
 * @param line marks that are joined by a line
 * @param curve of it: in steps, as a Pareto front has them, or straight from mark to mark
 */
export function scatterPlot(
  marks: readonly Mark[],
  axes: Axes,
  line: readonly Mark[] = [],
  curve: "step-after" | "linear" = "step-after",
): Html {
  const wide = marks.flatMap(({ y, across, colour }) => (across ? [{ y, ...across, colour }] : []));
  const xs = [...marks.map(({ x }) => x), ...wide.flatMap(({ low, high }) => [low, high])];
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const isWide = low > 0 && high > 20 * low;
  // One cost or score that all share stands in the middle.
  const margin = low < high ? 0 : 0.1 * Math.abs(low) || 1;
  // Values that differ late have long labels.
  const isNarrow = high - low < 0.01 * Math.abs(high) && low < high;
  const stroke = ({ colour }: Pick<Mark, "colour">) => pick(colours, colour);
  const dot = {
    ...{ x: "x", y: "y", title: "title" },
    r: marks.some(({ radius }) => radius !== undefined) ? ({ radius = 5 }: Mark) => radius : 5,
    symbol: ({ shape }: Mark) => pick(shapes, shape),
    stroke,
  } as const;
  return draw({
    marks: [
      Plot.frame({ stroke: "#d0d0d0" }),
      Plot.ruleY([0], { stroke: grey }),
      Plot.line(line, { x: "x", y: "y", curve, stroke: grey, strokeDasharray: "3 3" }),
      Plot.line(
        marks.filter(({ series }) => series !== undefined),
        { x: "x", y: "y", z: "series", stroke, strokeOpacity: 0.6 },
      ),
      Plot.ruleX(marks, { x: "x", y1: "low", y2: "high", stroke, strokeOpacity: 0.45 }),
      ...(wide.length > 0
        ? [Plot.ruleY(wide, { y: "y", x1: "low", x2: "high", stroke, strokeOpacity: 0.45 })]
        : []),
      Plot.dot(marks, { ...dot, fill: "white", filter: ({ filled }: Mark) => !filled }),
      Plot.dot(marks, { ...dot, fill: stroke, filter: ({ filled }: Mark) => filled }),
    ],
    x: {
      label: axes.x,
      type: isWide ? "log" : "linear",
      domain: [low - margin, high + margin],
      nice: true,
      ticks: isNarrow ? 3 : 5,
      inset: 8,
    },
    y: { label: axes.y, nice: true, grid: true, ticks: 6 },
    r: { type: "identity" },
  });
}

/** A share that was predicted, and the share that came true, with its interval. */
export interface PredictedShare {
  readonly predicted: number;
  readonly observed: number;
  readonly low: number;
  readonly high: number;
  readonly title: string;
}

/** What was observed of what was predicted, beside the line on which the two are equal. */
export function reliabilityPlot(shares: readonly PredictedShare[], axes: Axes): Html {
  const place = { x: "predicted", y: "observed" } as const;
  const stroke = pick(colours, 0);
  const percent = { domain: [0, 100], ticks: 6, percent: true };
  return draw({
    marks: [
      Plot.frame({ stroke: "#d0d0d0" }),
      Plot.line([0, 1], { x: Plot.identity, y: Plot.identity, stroke: grey, strokeDasharray: "3 3" }),
      Plot.ruleX(shares, { x: "predicted", y1: "low", y2: "high", stroke, strokeOpacity: 0.45 }),
      Plot.line(shares, { ...place, stroke, strokeOpacity: 0.6 }),
      Plot.dot(shares, { ...place, r: 5, fill: stroke, title: "title" }),
    ],
    x: { label: axes.x, ...percent, inset: 8 },
    y: { label: axes.y, ...percent, grid: true },
  });
}

export type Point = readonly [x: number, y: number];

/** A line with dots beside it, such as a training loss with the held-out losses. */
export interface Curve {
  readonly title: string;
  /** Number of its colour and dashes, from 0. */
  readonly style: number;
  readonly line: readonly Point[];
  readonly dots: readonly Point[];
}

/** @param range of the y axis, which several charts may share */
export function linePlot(curves: readonly Curve[], axes: Axes, range: Point): Html {
  return draw({
    marks: [
      Plot.frame({ stroke: "#d0d0d0" }),
      ...curves.flatMap(({ title, style, line, dots }) => [
        Plot.line(line, {
          x: "0",
          y: "1",
          stroke: pick(colours, style),
          strokeWidth: 1.5,
          strokeDasharray: pick(dashes, style),
          title: () => title,
        }),
        Plot.dot(dots, {
          ...{ x: "0", y: "1", r: 3.5, strokeWidth: 1.5, fill: "white" },
          stroke: pick(colours, style),
        }),
      ]),
    ],
    x: { label: axes.x, nice: true, ticks: 5 },
    y: { label: axes.y, domain: range, nice: true, grid: true },
  });
}

/** The key of scatter plots: what each shape and each colour stands for; of one colour, what each shape with its colour does. */
export function markKey(ofShapes: readonly string[], ofColours: readonly string[]): KeyEntry[] {
  const isColoured = ofColours.length > 1;
  return [
    ...ofShapes.map((label, i) => ({
      label,
      svg: drawKey(
        Plot.dot([pick(shapes, i)], {
          x: [0],
          y: [0],
          symbol: Plot.identity,
          fill: isColoured ? "#333333" : pick(colours, i),
          r: 5,
        }),
      ),
    })),
    ...(isColoured ? ofColours : []).map((label, i) => ({
      label,
      svg: drawKey(Plot.ruleX([0], { stroke: pick(colours, i), strokeWidth: 10 })),
    })),
  ];
}

/** The key of a scatter plot of which every mark has a look of its own. */
export function lookKey(marks: readonly (Look & { readonly label: string })[]): KeyEntry[] {
  return marks.map(({ label, colour, shape, filled }) => ({
    label,
    svg: drawKey(
      Plot.dot([pick(shapes, shape)], {
        ...{ x: [0], y: [0], r: 5, symbol: Plot.identity },
        stroke: pick(colours, colour),
        fill: filled ? pick(colours, colour) : "white",
      }),
    ),
  }));
}

/** The key of line plots. */
export function lineKey(labels: readonly string[]): KeyEntry[] {
  return labels.map((label, i) => ({
    label,
    svg: drawKey(
      Plot.ruleY([0], { stroke: pick(colours, i), strokeWidth: 2, strokeDasharray: pick(dashes, i) }),
    ),
  }));
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
