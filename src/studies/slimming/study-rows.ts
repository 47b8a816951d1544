/** @file A study's cells as the rows of its report: each a method, or a variant of it, on a set of data, its seeds taken together. */

import { type ScorePrinter, scorePrinter } from "../../reporting/format.ts";
import { averageOfIndependent, averageOfSameItems } from "../../statistics/estimates.ts";
import type { Estimate } from "../../statistics/wilson.ts";
import { type StudyRun, type StudyTask, tuningOf } from "../grid/results.ts";
import type { SlimmingCell, SlimmingResults, StudyChange } from "./results.ts";

/** What a report is about, arranged for its parts. */
export interface Study {
  readonly results: SlimmingResults;
  readonly tasks: readonly ReportedTask[];
  /** The names of the tasks whose mean is "the" score: in points, with data meant for them if any task has such. */
  readonly targets: readonly string[];
  /** By data, then by method and variant, in the order of the cells. */
  readonly rows: readonly StudyRow[];
  /** The base model as methods keep it that quantize it, not tuned. */
  readonly untuned: readonly UntunedRow[];
}

export interface ReportedTask extends StudyTask {
  readonly base: Estimate;
  readonly print: ScorePrinter;
}

/** What a row says of a model against the base model. */
export interface ModelRow {
  /** Such as "lora on math", or "lora (keep-0.1) on math". */
  readonly label: string;
  readonly isComputed: boolean;
  /** In the order of the tasks. */
  readonly changes: readonly RowChange[];
  /** Mean change over the tasks in points that its data were not meant for. */
  readonly retention: Estimate | undefined;
  /** Kullback-Leibler divergence from the base model, in nats. */
  readonly divergence: Estimate | undefined;
}

/** A base model that is quantized and not tuned. */
export interface UntunedRow extends ModelRow {
  readonly storage: string;
}

export interface StudyRow extends ModelRow {
  readonly method: string;
  /** The method, with the variant if there is one: see {@link tuningOf}. */
  readonly tuning: string;
  readonly data: string;
  /** The cells that were computed, one for each seed. */
  readonly cells: readonly FinishedCell[];
  readonly failed: readonly SlimmingCell[];
  /** Mean change over the targets, in shares; undefined if one was not evaluated. */
  readonly score: Estimate | undefined;
}

export interface FinishedCell extends SlimmingCell {
  readonly run: StudyRun;
}

/** A score's change over the seeds. */
export interface RowChange {
  readonly task: ReportedTask;
  /** Whether the data were meant to improve it. */
  readonly aligned: boolean;
  /** After less before: the mean of the seeds. */
  readonly difference: Estimate;
  /** The seeds' own differences. */
  readonly seeds: readonly number[];
  /** How many of the seeds show a score that is better, and one that is worse, at an adjusted p of at most 0.05. */
  readonly shownBetter: number;
  readonly shownWorse: number;
  /** "better" and "worse" only if every seed shows it. */
  readonly verdict: "better" | "worse" | "no difference shown";
  /** The improvement in points, or in per cent of the base score where scores have no points; negative if it is worse. */
  readonly improvement: number;
  /** Items of the task that stand in the data. */
  readonly contaminated: number;
}

export function arrangeStudy(results: SlimmingResults): Study {
  const tasks = results.tasks.map((task) => {
    const base = results.base.scores[task.name]!;
    return { ...task, base, print: scorePrinter(task.inPoints, base) };
  });
  const inPoints = tasks.filter((task) => task.inPoints);
  const meant = inPoints.filter(({ alignedData }) => alignedData.length > 0);
  const targets = (meant.length > 0 ? meant : inPoints).map(({ name }) => name);
  const tunings = tuningsOf(results.cells);
  const rows = namesOf(results.cells, "data").flatMap((data) =>
    tunings.flatMap((tuning) => {
      const cells = results.cells.filter((cell) => tuningOf(cell) === tuning && cell.data === data);
      return cells.length === 0 ? [] : [arrangeRow(tuning, data, cells, tasks, targets, results)];
    }),
  );
  const untuned = (results.quantizedBases ?? []).map(({ storage, changes, divergence }): UntunedRow => {
    const ofBase = tasks.flatMap((task) =>
      poolSeeds(task, undefined, [{ ...(changes && { changes }) }], results),
    );
    return {
      storage,
      label: `base in ${storage}, not tuned`,
      isComputed: changes !== undefined,
      changes: ofBase,
      retention: averageOfPoints(ofBase),
      divergence,
    };
  });
  return { results, tasks, targets, rows, untuned };
}

/** The same by the bits per byte of right answers in place of the scores; undefined if the study does not have them. */
export function arrangeBits(results: SlimmingResults): Study | undefined {
  const { quantizedBases = [], cells } = results;
  const inPlace = <T extends Pick<SlimmingCell, "changes" | "bits">>({ changes: _, bits, ...model }: T) => ({
    ...model,
    ...(bits && { changes: bits }),
  });
  const known = Object.assign({}, ...[...quantizedBases, ...cells].map(({ bits }) => bits)) as Readonly<
    Record<string, StudyChange>
  >;
  const tasks = results.tasks.flatMap((task) => {
    const change = known[task.name];
    if (!change) return [];
    const { metric, filter, higherIsBetter, inPoints, items } = change;
    return [{ ...task, metric, filter, higherIsBetter, inPoints, items, chance: null }];
  });
  if (tasks.length === 0) return undefined;
  return arrangeStudy({
    ...results,
    tasks,
    base: {
      ...results.base,
      scores: Object.fromEntries(tasks.map(({ name }) => [name, known[name]!.before])),
    },
    quantizedBases: quantizedBases.map(inPlace),
    cells: cells.map(inPlace),
    predictions: results.bitsPredictions ?? [],
  });
}

/** The methods or data of the cells, each once. */
export function namesOf(cells: readonly SlimmingCell[], key: "method" | "data"): string[] {
  return [...new Set(cells.map((cell) => cell[key]))];
}

/** The methods of the cells with their variants, each once. */
export function tuningsOf(cells: readonly SlimmingCell[]): string[] {
  return [...new Set(cells.map(tuningOf))];
}

function arrangeRow(
  tuning: string,
  data: string,
  cells: readonly SlimmingCell[],
  tasks: readonly ReportedTask[],
  targets: readonly string[],
  results: SlimmingResults,
): StudyRow {
  const finished = cells.filter((cell): cell is FinishedCell => cell.error === undefined && !!cell.run);
  const changes = tasks.flatMap((task) => poolSeeds(task, data, finished, results));
  const divergences = finished.flatMap(({ divergence }) => divergence ?? []);
  const score = changes.filter(({ task }) => targets.includes(task.name));
  return {
    method: cells[0]!.method,
    tuning,
    data,
    label: `${tuning} on ${data}`,
    isComputed: finished.length > 0,
    cells: finished,
    failed: cells.filter((cell) => !finished.includes(cell as FinishedCell)),
    changes,
    score: score.length > 0 && score.length === targets.length ? averageImprovement(score) : undefined,
    retention: averageOfPoints(changes.filter(({ aligned }) => !aligned)),
    divergence: divergences.length > 0 ? averageOfSameItems(divergences) : undefined,
  };
}

/** The mean improvement over the tasks in points; undefined if there is none. */
export function averageOfPoints(changes: readonly RowChange[]): Estimate | undefined {
  const inPoints = changes.filter(({ task }) => task.inPoints);
  return inPoints.length > 0 ? averageImprovement(inPoints) : undefined;
}

/** The change of one task over the seeds; nothing if none has it. */
function poolSeeds(
  task: ReportedTask,
  data: string | undefined,
  cells: readonly Pick<SlimmingCell, "changes">[],
  results: SlimmingResults,
): RowChange[] {
  const seeds = cells.flatMap(({ changes }) => changes?.[task.name] ?? []);
  if (seeds.length === 0) return [];
  const difference = averageOfSameItems(seeds.map((change) => change.difference));
  const shownBetter = seeds.filter(({ verdict }) => verdict === "better").length;
  const shownWorse = seeds.filter(({ verdict }) => verdict === "worse").length;
  const fit = results.alignment.find((entry) => entry.data === data && entry.task === task.name);
  return [
    {
      task,
      aligned: data !== undefined && task.alignedData.includes(data),
      difference,
      seeds: seeds.map((change) => change.difference.value),
      shownBetter,
      shownWorse,
      verdict:
        shownBetter === seeds.length
          ? "better"
          : shownWorse === seeds.length
            ? "worse"
            : "no difference shown",
      improvement: improvementOf(task, difference.value),
      contaminated: fit?.contaminated.length ?? 0,
    },
  ];
}

/** A difference of the score as an improvement in points, or in per cent of the base score where there are no points. */
export function improvementOf({ inPoints, higherIsBetter, base }: ReportedTask, difference: number): number {
  const size = inPoints ? 100 * difference : (100 * difference) / (Math.abs(base.value) || 1);
  return higherIsBetter ? size : -size;
}

/** Mean over tasks in points of how much better each is. Tasks have items of their own, so they err independently. */
function averageImprovement(changes: readonly RowChange[]): Estimate {
  return averageOfIndependent(
    changes.map(({ task, difference: { value, low, high } }) =>
      task.higherIsBetter ? { value, low, high } : { value: -value, low: -high, high: -low },
    ),
  );
}
