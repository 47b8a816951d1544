/** @file Which method to take under which constraint, and which others are not shown to differ from it. */

import {
  formatGigabytes,
  formatNumber,
  formatRange,
  formatSeconds,
  formatSigned,
  joinWords,
} from "../../reporting/format.ts";
import { averageOfSameItems, differenceOf, excludesZero, mean } from "../../statistics/estimates.ts";
import type { Estimate } from "../../statistics/wilson.ts";
import {
  type FinishedCell,
  namesOf,
  type ReportedTask,
  type Study,
  type StudyRow,
  tuningsOf,
} from "./study-rows.ts";

export interface Recommendation {
  /** Such as "least memory". */
  readonly constraint: string;
  /** With its variant, if there are any. */
  readonly method: string;
  /** What was measured of it, such as "0.55 GB at its peak". */
  readonly measured: string;
  /** The methods that are not shown to be behind it. */
  readonly alike: readonly string[];
}

export interface Recommendations {
  readonly list: readonly Recommendation[];
  /** Sentences on methods that are not compared. */
  readonly leftOut: readonly string[];
}

/** A method over all data. */
interface Candidate {
  readonly method: string;
  readonly rows: readonly StudyRow[];
  readonly cells: readonly FinishedCell[];
}

/**
 * The method with the least memory, the least time, the best score (the mean of those in points, and each other one that data
 * were meant for) and the best retention, as measured. Only methods
 * that finished on all data are compared, since data differ in cost and gain. Two costs differ if one is lower in
 * every run of the same data and seed; two scores differ if the interval of their difference leaves out zero.
 */
export function recommend({ results, rows, tasks }: Study): Recommendations {
  const candidates: Candidate[] = [];
  const leftOut: string[] = [];
  for (const method of tuningsOf(results.cells)) {
    const own = rows.filter(({ tuning }) => tuning === method);
    const missing = namesOf(results.cells, "data").filter(
      (data) => !own.some((row) => row.data === data && row.cells.length > 0),
    );
    if (missing.length === 0) {
      candidates.push({ method, rows: own, cells: own.flatMap(({ cells }) => cells) });
    } else {
      leftOut.push(`${method} is not compared, since it was not computed on ${joinWords(missing)}.`);
    }
  }
  if (candidates.length === 0) return { list: [], leftOut };
  const list = [
    leastCost("least memory", candidates, peakMemory, (bytes) => `${formatGigabytes(bytes)} at its peak`),
    leastCost("least time", candidates, duration, formatSeconds),
    best(
      "best score",
      candidates.map(({ method, rows }) => ({ method, estimate: pool(rows.map(({ score }) => score)) })),
      printPoints,
    ),
    ...tasks
      .filter(({ inPoints, alignedData }) => !inPoints && alignedData.length > 0)
      .map((task) => bestOnTask(task, candidates)),
    bestRetention(candidates),
  ];
  return { list: list.filter((entry) => entry !== undefined), leftOut };
}

/** A recommendation in words: "Least memory: qlora (0.55 GB at its peak)". */
export function describeRecommendation({ constraint, method, measured, alike }: Recommendation): string {
  const others = alike.length === 0 ? "" : `, not shown to differ from ${joinWords(alike)}`;
  return `${constraint}: ${method} (${measured})${others}`;
}

const peakMemory = ({ run }: FinishedCell) => run.efficiency.peakMemoryBytes;
const duration = ({ run }: FinishedCell) => run.efficiency.seconds;
const printPoints = ({ value, low, high }: Estimate) =>
  `${formatSigned(100 * value, 1)} points ${formatRange({ low: 100 * low, high: 100 * high }, 1)}`;

function leastCost(
  constraint: string,
  candidates: readonly Candidate[],
  costOf: (cell: FinishedCell) => number,
  print: (cost: number) => string,
): Recommendation {
  const meanCost = ({ cells }: Candidate) => mean(cells.map(costOf));
  const [first, ...others] = [...candidates].sort((a, b) => meanCost(a) - meanCost(b));
  const isAlwaysLower = (other: Candidate) => {
    const pairs = first!.cells.flatMap((cell) => {
      const same = other.cells.find(({ data, seed }) => data === cell.data && seed === cell.seed);
      return same ? [[costOf(cell), costOf(same)] as const] : [];
    });
    // A difference that the report does not even print is none.
    return pairs.length > 0 && pairs.every(([a, b]) => a < b && print(a) !== print(b));
  };
  return {
    constraint,
    method: first!.method,
    measured: print(meanCost(first!)),
    alike: others.filter((other) => !isAlwaysLower(other)).map(({ method }) => method),
  };
}

interface Rated {
  readonly method: string;
  readonly estimate: Estimate | undefined;
}

/** The highest estimate; undefined unless all methods have one. */
function best(
  constraint: string,
  rated: readonly Rated[],
  print: (estimate: Estimate) => string,
): Recommendation | undefined {
  const known = rated.flatMap(({ method, estimate }) => (estimate ? [{ method, estimate }] : []));
  if (known.length < rated.length) return undefined;
  const [first, ...others] = known.sort((a, b) => b.estimate.value - a.estimate.value);
  return {
    constraint,
    method: first!.method,
    measured: print(first!.estimate),
    alike: others
      .filter(({ estimate }) => !excludesZero(differenceOf(first!.estimate, estimate)))
      .map(({ method }) => method),
  };
}

/** By the change of one score, on the data that were meant for it. */
function bestOnTask(task: ReportedTask, candidates: readonly Candidate[]): Recommendation | undefined {
  const improve = (change: Estimate) => (task.higherIsBetter ? change : negate(change));
  const rated = candidates.map(({ method, rows }) => {
    const aligned = rows.filter(({ data }) => task.alignedData.includes(data));
    const changes = aligned.map((row) => row.changes.find((change) => change.task === task)?.difference);
    const estimate = pool(changes);
    return { method, estimate: estimate && improve(estimate) };
  });
  return best(`best ${task.name}`, rated, (improvement) => {
    const change = improve(improvement);
    return `${task.print.change(change.value)}${task.print.unit} ${task.print.range(change)}`;
  });
}

/** By the change on tasks that the data were not meant for, or, without such tasks, by the divergence from the base model. */
function bestRetention(candidates: readonly Candidate[]): Recommendation | undefined {
  const constraint = "best retention";
  const kept = candidates.map(({ method, rows }) => ({
    method,
    estimate: pool(rows.map(({ retention }) => retention)),
  }));
  return (
    best(constraint, kept, printPoints) ??
    best(
      constraint,
      candidates.map(({ method, rows }) => {
        const divergence = pool(rows.map((row) => row.divergence));
        return { method, estimate: divergence && negate(divergence) };
      }),
      (estimate) => `divergence ${formatNumber(-estimate.value)} nats ${formatRange(negate(estimate))}`,
    )
  );
}

/** Over data; they are judged by the same items. Undefined unless all are known. */
function pool(estimates: readonly (Estimate | undefined)[]): Estimate | undefined {
  const known = estimates.filter((estimate) => estimate !== undefined);
  return known.length === estimates.length && known.length > 0 ? averageOfSameItems(known) : undefined;
}

function negate({ value, low, high }: Estimate): Estimate {
  return { value: -value, low: -high, high: -low };
}
