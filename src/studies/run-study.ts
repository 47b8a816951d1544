/** @file A study from its options to its report, and on from where it was interrupted. */

import { existsSync } from "node:fs";
import { InputError } from "../core/errors.ts";
import { outputFolder } from "../evaluation/output-folder.ts";
import { loadTasks } from "../evaluation/tasks/registry.ts";
import { withLock } from "../node/files/lock.ts";
import { openCheckpoint } from "../node/models/checkpoint.ts";
import { resolveModel } from "../node/models/hub-model.ts";
import { type Cell, listCells, listQuantizedBases, tunedModel } from "./cells.ts";
import { collectResults } from "./collect.ts";
import { recordMachine } from "./machine.ts";
import type { Job } from "./perform-job.ts";
import type { StudyResults } from "./results.ts";
import { type JobOutcome, runJob } from "./run-job.ts";
import { parseStudyConfig, type StudyConfig, type StudyOptions } from "./study-config.ts";
import { checkData, type DataSource, prepareData } from "./study-data.ts";
import { estimateStudy, type StudyEstimate } from "./study-estimate.ts";
import { isBegun, openStudyFolder, recordFailure, type StudyFolder, withDate } from "./study-folder.ts";
import { checkScoreNames } from "./task-scores.ts";

export interface StudyEvents {
  /** Called before anything is computed. */
  onPlan?(plan: StudyPlan): void;
  /** What is being computed, and how far it is. */
  onProgress?(part: StudyPart, text: string): void;
  /** A part was computed, or failed for `reason`. */
  onPart?(part: StudyPart, reason?: string): void;
  /** Aborting it ends the study; what was computed is kept. */
  readonly signal?: AbortSignal;
}

export interface StudyPlan {
  readonly cells: readonly Cell[];
  readonly parts: number;
  /** Parts that were computed before. */
  readonly done: number;
  readonly estimate: StudyEstimate;
}

/** A part of a study: evaluation or divergence of a base model, the alignment, or a cell's run, evaluation or divergence. */
export interface StudyPart {
  readonly number: number;
  readonly of: number;
  /** Such as "lora-math: tuning". */
  readonly name: string;
}

export interface StudyOutcome {
  readonly outcome: "finished" | "interrupted";
  /** The page, if the study is finished. */
  readonly report?: string;
  readonly results?: StudyResults;
}

/**
 * Computes a study: the base model's scores, how well the data fit the tasks, and for each cell a tuning run, its scores
 * and its divergence from the base; then writes its report. What the folder holds already is not computed again. A cell
 * that fails is reported, and the others go on.
 *
 * @throws InputError if an option is bad, the folder holds something else, or the base model cannot be evaluated.
 */
export async function runStudy(
  options: StudyOptions,
  out: string,
  events: StudyEvents = {},
): Promise<StudyOutcome> {
  const config = withDate(parseStudyConfig(options, "The study's options"), out);
  // Before anything is written.
  const registry = loadTasks(config.task_files);
  registry.select(config.tasks);
  checkScoreNames(config, registry);
  checkData(config);
  openCheckpoint(await resolveModel(config.model)).close();
  isBegun(out, config);
  return withLock(out, "study", async () => {
    const folder = openStudyFolder(out, config);
    recordMachine(folder);
    return await computeStudy(config, folder, events);
  });
}

async function computeStudy(
  config: StudyConfig,
  folder: StudyFolder,
  events: StudyEvents,
): Promise<StudyOutcome> {
  const data = await prepareData(config, folder.data);
  const cells = listCells(config, data, folder);
  const parts = listParts(config, folder, data, cells);
  events.onPlan?.({
    cells,
    parts: parts.length,
    done: parts.filter(({ isDone }) => isDone()).length,
    estimate: await estimateStudy(config, cells, {
      bases: [folder.base, ...listQuantizedBases(cells).map(({ id }) => folder.evaluation(id))].filter(
        (path) => !existsSync(outputFolder(path).results),
      ).length,
      cells: cells.map(({ id }) => [!existsSync(folder.run(id)), !existsSync(folder.evaluation(id))]),
    }),
  });

  const failed = new Set<string>();
  for (const [index, { name, cell, isDone, job }] of parts.entries()) {
    if (events.signal?.aborted) return { outcome: "interrupted" };
    const part = { number: index + 1, of: parts.length, name };
    if (isDone() || (cell !== undefined && failed.has(cell))) continue;
    const outcome = await runJob(job(), (text) => events.onProgress?.(part, text), events.signal);
    if (outcome.type === "interrupted") return { outcome: "interrupted" };
    if (outcome.type === "finished") {
      events.onPart?.(part);
      continue;
    }
    stopIfFatal(outcome, cell, folder);
    failed.add(cell!);
    recordFailure(folder, cell!, outcome.message);
    events.onPart?.(part, outcome.message);
  }
  const computed = [...cells, ...listQuantizedBases(cells)];
  for (const { id } of computed) if (!failed.has(id)) recordFailure(folder, id, undefined);

  const results = await collectResults(config, folder);
  // The charts' library is slow to load, and whoever only reads a study's options does not need it.
  const { writeReport } = await import("../reporting/write-report.ts");
  const { page } = writeReport(folder.path, results);
  return { outcome: "finished", report: page, results };
}

function stopIfFatal(
  { message, isFatal }: Extract<JobOutcome, { type: "failed" }>,
  cell: string | undefined,
  { path }: StudyFolder,
): void {
  if (isFatal) {
    throw new InputError(
      `The disk is full; free some space and go on with \`slimtune study resume ${path}\`.`,
    );
  }
  if (cell === undefined) throw new InputError(message);
}

interface Part {
  readonly name: string;
  /** The cell or quantized base that it belongs to, without which the others go on. */
  readonly cell?: string;
  isDone(): boolean;
  job(): Job;
}

function listParts(
  config: StudyConfig,
  folder: StudyFolder,
  data: readonly DataSource[],
  cells: readonly Cell[],
): Part[] {
  const evaluation = (
    name: string,
    out: string,
    tuned: () => ReturnType<typeof tunedModel>,
    cell?: string,
  ): Part => ({
    name,
    ...(cell !== undefined && { cell }),
    isDone: () => existsSync(outputFolder(out).results),
    job: () => ({ type: "evaluate", config, tuned: tuned()!, out }),
  });
  const divergence = (
    name: string,
    out: string,
    tuned: () => ReturnType<typeof tunedModel>,
    cell: string,
  ): Part => ({
    name,
    cell,
    isDone: () => existsSync(out),
    job: () => ({ type: "diverge", config, tuned: tuned()!, out }),
  });
  return [
    evaluation("base: evaluation", folder.base, () => ({ model: config.model })),
    {
      name: "alignment",
      isDone: () => existsSync(folder.alignment),
      job: () => ({ type: "align", config, data, out: folder.alignment }),
    },
    ...listQuantizedBases(cells).flatMap(({ id, storage }) => {
      const choice = () => ({ model: config.model, storage });
      return [
        evaluation(`${id}: evaluation`, folder.evaluation(id), choice, id),
        divergence(`${id}: divergence`, folder.baseDivergence(id), choice, id),
      ];
    }),
    ...cells.flatMap((cell): Part[] => {
      const { id, run } = cell;
      const tuned = () => tunedModel(cell, config, folder);
      return [
        {
          name: `${id}: tuning`,
          cell: id,
          isDone: () => tuned() !== undefined,
          job: () => ({ type: "tune", options: run }),
        },
        evaluation(`${id}: evaluation`, folder.evaluation(id), tuned, id),
        divergence(`${id}: divergence`, folder.divergence(id), tuned, id),
      ];
    }),
  ];
}
