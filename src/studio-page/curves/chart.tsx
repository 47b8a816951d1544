/** @file Curves over steps, drawn by uPlot: only what the screen can show of them, so that a long run pans as a short one does. */

import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import { formatSmall } from "../format.ts";
import { themeChanges } from "../theme.tsx";
import { decimate, describeCurve, extentOf, moveView, type Points } from "./points.ts";
import "uplot/dist/uPlot.min.css";

export interface Curve extends Points {
  readonly label: string;
  /** Which of the series' colours; by default that of its place. */
  readonly colour?: number;
  /** Dashes, beside the colour, tell it from another. */
  readonly isDashed?: boolean;
  /** Drawn thinly, behind one that is smoothed. */
  readonly isFaint?: boolean;
}

export const colours = 6;

type Range = { min: number; max: number };

/** Drawing outside of Preact: a chart of curves in an element. */
class Plot {
  readonly #holder: HTMLElement;
  readonly #plot: UPlot;
  #curves: readonly Curve[];
  #view: Range;
  /** Whether all is seen, so that new points come into sight. */
  #isWhole = true;
  #frame: number | undefined;

  constructor(holder: HTMLElement, curves: readonly Curve[], title: string, height: number) {
    this.#holder = holder;
    this.#curves = curves;
    this.#view = this.#extent;
    const [ink, line] = [colourOf(holder, "--quiet"), colourOf(holder, "--line")];
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    const format = (value: number | null) => (value === null ? "–" : formatSmall(value));
    this.#plot = new UPlot(
      {
        width: Math.max(200, holder.clientWidth),
        height,
        scales: { x: { time: false, range: (_, min, max) => [min, max] } },
        axes: [
          { ...axis, values: (_, values) => values.map(String), incrs: steps },
          { ...axis, size: 62, values: (_, values) => values.map(format) },
        ],
        series: [
          { label: "Step", value: (_, step) => (step === null ? "–" : `${Math.round(step)}`) },
          ...curves.map(({ label, colour, isDashed, isFaint }, index): UPlot.Series => {
            const number = colour ?? index;
            return {
              label,
              stroke: colourOf(holder, `--series-${(number % colours) + 1}`),
              width: isFaint ? 0.5 : 1.75,
              dash: isDashed || number >= colours ? [7, 4] : [],
              spanGaps: false,
              points: { show: isDashed === true, size: 5 },
              value: (_, value) => format(value),
            };
          }),
        ],
        cursor: {
          dataIdx: (plot, series, index) => nearestValue(plot.data[series]!, index),
          bind: {
            mousedown: (_plot, _target, handle) => (event) => {
              if (!event.shiftKey) handle(event);
              return null;
            },
            dblclick: () => () => {
              this.showAll();
              return null;
            },
          },
        },
        hooks: {
          setScale: [
            (plot, scale) => {
              const { min, max } = plot.scales[scale]!;
              if (scale === "x" && min! !== this.#view.min && max !== this.#view.max)
                this.#show({ min: min!, max: max! });
            },
          ],
        },
      },
      this.#decimated(),
      holder,
    );
    this.#plot.root.querySelector("canvas")!.setAttribute("aria-label", title);
    this.#listen();
    this.#draw();
  }

  /** Takes other points of the same curves. */
  update(curves: readonly Curve[]): void {
    this.#curves = curves;
    if (this.#isWhole) this.#view = this.#extent;
    this.#schedule();
  }

  resize(height: number): void {
    this.#plot.setSize({ width: Math.max(200, this.#holder.clientWidth), height });
    this.#schedule();
  }

  /** Steps by `share` of what is seen to the right, or closer by `zoom`. */
  move(change: { share?: number; zoom?: number; centre?: number }): void {
    this.#show(moveView(this.#view, this.#extent, change));
  }

  showAll(): void {
    this.#show(this.#extent);
  }

  destroy(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#plot.destroy();
  }

  get #extent(): Range {
    return extentOf(this.#curves) ?? { min: 0, max: 1 };
  }

  #show(view: Range): void {
    const { min, max } = this.#extent;
    this.#view = { min: Math.max(min, view.min), max: Math.min(max, view.max) };
    this.#isWhole = this.#view.min === min && this.#view.max === max;
    this.#schedule();
  }

  #schedule(): void {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.#draw();
    });
  }

  #draw(): void {
    this.#plot.batch(() => {
      this.#plot.setData(this.#decimated(), false);
      this.#plot.setScale("x", this.#view);
    });
  }

  #decimated(): UPlot.AlignedData {
    const { min, max } = this.#view;
    // Two pixels, about as wide as the line.
    const buckets = Math.max(50, this.#holder.clientWidth / 2);
    const tables = this.#curves.map((curve) => {
      const { x, y } = decimate(curve, min, max, buckets);
      return [x, y] as unknown as UPlot.AlignedData;
    });
    if (tables.length === 0) return [[]];
    return tables.length === 1 ? tables[0]! : UPlot.join(tables);
  }

  #listen(): void {
    const { over } = this.#plot;
    const isPan = ({ shiftKey, pointerType }: PointerEvent) => shiftKey || pointerType === "touch";
    over.addEventListener("pointerdown", (event) => {
      if (isPan(event)) over.setPointerCapture(event.pointerId);
    });
    over.addEventListener("pointermove", (event) => {
      if (over.hasPointerCapture(event.pointerId)) this.move({ share: -event.movementX / over.clientWidth });
    });
    over.addEventListener(
      "wheel",
      (event) => {
        if (event.ctrlKey) {
          const centre = this.#plot.posToVal(event.offsetX, "x");
          this.move({ zoom: Math.exp(-event.deltaY / 300), centre });
        } else if (event.deltaX !== 0) this.move({ share: event.deltaX / over.clientWidth });
        else return;
        event.preventDefault();
      },
      { passive: false },
    );
  }
}

/** Distances between whole steps on the axis. */
const steps = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((each) => each * 10 ** power)).flat();

/** The index of the value next to `index`: curves of several runs have points at different steps. */
function nearestValue(values: ArrayLike<number | null | undefined>, index: number): number {
  for (let distance = 0; distance < values.length; distance++) {
    if (values[index - distance] != null) return index - distance;
    if (values[index + distance] != null) return index + distance;
  }
  return index;
}

/** A custom property as a canvas can take it: of light and dark the one that holds. */
function colourOf(holder: HTMLElement, property: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${property})`;
  holder.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const moves = {
  ArrowLeft: { share: -0.1 },
  ArrowRight: { share: 0.1 },
  "+": { zoom: 1.5 },
  "-": { zoom: 1 / 1.5 },
} as const;

export function Chart({
  title,
  curves,
  height = 260,
}: {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** In CSS pixels, without the legend. */
  readonly height?: number;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot>(undefined);
  const shape = curves
    .map(({ label, colour, isDashed, isFaint }) => [label, colour, isDashed, isFaint].join())
    .join("\n");
  useEffect(() => {
    const made = new Plot(holder.current!, curves, title, height);
    plot.current = made;
    const observer = new ResizeObserver(() => made.resize(height));
    observer.observe(holder.current!);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [shape, title, height, themeChanges.value]);
  useEffect(() => plot.current!.update(curves), [curves]);

  const words = curves.map((curve) => describeCurve(curve.label, curve)).join(" ");
  return (
    <figure class="chart">
      <figcaption>
        <strong>{title}</strong>
        <span class="tools">
          <button
            type="button"
            aria-label={`${title}: to the left`}
            onClick={() => plot.current!.move(moves.ArrowLeft)}
          >
            ←
          </button>
          <button
            type="button"
            aria-label={`${title}: to the right`}
            onClick={() => plot.current!.move(moves.ArrowRight)}
          >
            →
          </button>
          <button
            type="button"
            aria-label={`${title}: closer`}
            onClick={() => plot.current!.move(moves["+"])}
          >
            +
          </button>
          <button
            type="button"
            aria-label={`${title}: less close`}
            onClick={() => plot.current!.move(moves["-"])}
          >
            −
          </button>
          <button type="button" aria-label={`${title}: all`} onClick={() => plot.current!.showAll()}>
            All
          </button>
        </span>
      </figcaption>
      <p class="hidden">{words}</p>
      <div
        ref={holder}
        role="img"
        aria-label={`${title}. ${words}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: its keys move what is seen
        tabIndex={0}
        onKeyDown={(event) => {
          const { key } = event;
          if (key === "Home") plot.current!.showAll();
          else if (Object.hasOwn(moves, key)) plot.current!.move(moves[key as keyof typeof moves]);
          else return;
          event.preventDefault();
        }}
      />
    </figure>
  );
}
