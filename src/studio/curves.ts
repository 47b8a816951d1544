/** @file A run's metrics as columns, of which a page that has some is given the rest. */

import type { Curves } from "./api.ts";
import { createLineTail, type LineTail } from "./line-tail.ts";

type Columns = { -readonly [Name in keyof Omit<Curves, "position" | "isWhole">]: (number | null)[] };

export interface CurveReader {
  /** @param after the position that the page knows; without, or if it is of a file that was replaced, all is given */
  read(metricsPath: string, after?: string): Promise<Curves>;
}

/** The most values that are kept in memory of runs that nobody has asked for last. */
const maximumKept = 10_000_000;

export function createCurveReader(): CurveReader {
  /** The one asked for last stands last. */
  const tails = new Map<string, LineTail<Columns>>();
  return {
    async read(path, after) {
      const tail = tails.get(path) ?? createLineTail(path, beginColumns, addLine);
      tails.delete(path);
      tails.set(path, tail);
      await tail.read();
      let kept = 0;
      for (const [other, { value }] of [...tails].reverse()) {
        kept += countValues(value);
        if (kept > maximumKept && other !== path) tails.delete(other);
      }
      return slice(tail, after);
    },
  };
}

function slice({ value, version }: LineTail<Columns>, after: string | undefined): Curves {
  const position = [version, value.step.length, value.evalStep.length].join(".");
  const [known, steps, evaluations] = after?.split(".") ?? [];
  const isWhole = known !== version;
  const [step, evaluation] = isWhole ? [0, 0] : [Number(steps) || 0, Number(evaluations) || 0];
  return {
    position,
    isWhole,
    step: value.step.slice(step) as number[],
    loss: value.loss.slice(step),
    learningRate: value.learningRate.slice(step),
    tokensPerSecond: value.tokensPerSecond.slice(step),
    peakBytes: value.peakBytes.slice(step),
    evalStep: value.evalStep.slice(evaluation) as number[],
    evalLoss: value.evalLoss.slice(evaluation),
  };
}

function countValues({ step, evalStep }: Columns): number {
  return 5 * step.length + 2 * evalStep.length;
}

function beginColumns(): Columns {
  return {
    step: [],
    loss: [],
    learningRate: [],
    tokensPerSecond: [],
    peakBytes: [],
    evalStep: [],
    evalLoss: [],
  };
}

function addLine(columns: Columns, line: Readonly<Record<string, unknown>>): void {
  if (typeof line.step !== "number") return;
  if ("eval_loss" in line) {
    columns.evalStep.push(line.step);
    columns.evalLoss.push(numberOrNull(line.eval_loss));
    return;
  }
  columns.step.push(line.step);
  columns.loss.push(numberOrNull(line.loss));
  columns.learningRate.push(numberOrNull(line.learning_rate));
  columns.tokensPerSecond.push(numberOrNull(Number(line.tokens) / Number(line.seconds)));
  columns.peakBytes.push(numberOrNull(line.peak_rss_bytes));
}

function numberOrNull(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
