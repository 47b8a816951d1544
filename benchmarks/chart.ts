/** @file Charts of the benchmarks, as files that GitHub shows. */

import { writeFileSync } from "node:fs";
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly series: string;
  readonly label?: string;
}

const { document } = parseHTML("<!doctype html><html></html>");
/** Colours that people with a colour blindness can tell apart (after Okabe and Ito 2008). */
const colours = ["#00478f", "#d55e00", "#009e73", "#cc79a7"];
const shapes = ["circle", "triangle", "square", "diamond"];

/** What all charts share: their series' colours and shapes, and the type. */
function appearance(series: readonly string[]) {
  return {
    document,
    style: { font: "13px system-ui, sans-serif", background: "white" },
    color: { domain: series, range: colours },
    symbol: { domain: series, range: shapes },
  };
}

/** At most, as a mean over a name. */
const pixelsPerLetter = 8;

/** A line with dots for each series, its name at the end; labels stand above the first series' dots and below the others'. */
export function writeLineChart(
  path: string,
  points: readonly Point[],
  axes: {
    readonly x: string;
    readonly y: string;
    readonly xTicks: readonly number[];
  },
): void {
  const series = [...new Set(points.map((point) => point.series))];
  const last = series.map((name) => points.filter((point) => point.series === name).at(-1)!);
  const place = { x: "x", y: "y", stroke: "series", title: "label" } as const;
  const chart = Plot.plot({
    ...appearance(series),
    width: 700,
    height: 340,
    marginLeft: 56,
    marginRight: 20 + pixelsPerLetter * Math.max(...series.map((name) => name.length)),
    x: {
      label: axes.x,
      ticks: [...axes.xTicks],
      tickFormat: (value: number) => value.toLocaleString("en"),
      inset: 12,
    },
    y: { label: axes.y, grid: true, zero: true, nice: true, insetBottom: 12 },
    marks: [
      Plot.frame({ stroke: "#d0d0d0" }),
      Plot.line(points, { x: "x", y: "y", stroke: "series", z: "series" }),
      Plot.dot(points, { ...place, symbol: "series", fill: "white", r: 4 }),
      ...series.map((name, index) =>
        Plot.text(
          points.filter((point) => point.series === name),
          { x: "x", y: "y", text: "label", dy: index === 0 ? -12 : 14, fill: "#333333" },
        ),
      ),
      Plot.text(last, { x: "x", y: "y", text: "series", textAnchor: "start", dx: 10, fill: "series" }),
    ],
  });
  writeChart(path, chart);
}

/** How many times better one program is than another, by what is compared and in what. */
export interface Comparison {
  readonly name: string;
  readonly series: string;
  readonly times: number;
}

/** A row for each name with a dot for each series; left of the line at 1 the other program is better. */
export function writeComparisonChart(path: string, comparisons: readonly Comparison[], axis: string): void {
  const names = [...new Set(comparisons.map(({ name }) => name))];
  const series = [...new Set(comparisons.map((each) => each.series))];
  const chart = Plot.plot({
    ...appearance(series),
    width: 760,
    height: 100 + 22 * names.length,
    marginLeft: 30 + pixelsPerLetter * Math.max(...names.map((name) => name.length)),
    marginRight: 30,
    marginTop: 40,
    marginBottom: 50,
    x: {
      label: axis,
      type: "log",
      base: 2,
      grid: true,
      inset: 10,
      ticks: 4,
      labelOffset: 42,
      tickFormat: (times: number) => `${times} ×`,
    },
    y: { label: null, domain: names },
    marks: [
      Plot.ruleX([1], { stroke: "#333333" }),
      Plot.ruleY(comparisons, { y: "name", x1: 1, x2: "times", stroke: "#d0d0d0" }),
      Plot.dot(comparisons, {
        x: "times",
        y: "name",
        stroke: "series",
        symbol: "series",
        fill: "white",
        r: 4.5,
      }),
      ...series.map((name, index) =>
        Plot.text([name], {
          frameAnchor: "top-left",
          dx: 170 * index,
          dy: -32,
          text: () => `${["○", "△", "□", "◇"][index]} ${name}`,
          fill: colours[index]!,
        }),
      ),
    ],
  });
  writeChart(path, chart);
}

function writeChart(
  path: string,
  chart: { setAttribute(name: string, value: string): void; readonly outerHTML: string },
): void {
  chart.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  writeFileSync(path, `${chart.outerHTML}\n`);
}
