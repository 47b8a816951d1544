/** @file A study from its options to its report, and on from where it was interrupted. */

import { InputError } from "../core/errors.ts";
import { withLock } from "../node/files/lock.ts";
import { isBegun, openStudyFolder, withDate } from "./begin-study.ts";
import { estimateStudy, type StudyEstimate } from "./estimate.ts";
import { kindOf, type StudyKindName, type StudyResultsOf } from "./kinds.ts";
import { recordMachine } from "./machine.ts";
import { inOrder } from "./parts-in-order.ts";
import { localWorkers, type PartOutcome, type Workers } from "./run-part.ts";
import { parseStudyConfig, readStudyConfig, type StudyOptions } from "./study-config.ts";
import { recordFailure, type StudyFolder, studyFolder } from "./study-folder.ts";
import type { StudyConfig } from "./study-kind.ts";
import { collectResults, writeStudy } from "./study-report.ts";

export interface StudyEvents {
  /** Called before anything is computed. */
  onPlan?(plan: StudyPlan): void;
  /** What is being computed, and how far it is. */
  onProgress?(part: StudyPart, text: string): void;
  /** A part was computed, or failed for `reason`. */
  onPart?(part: StudyPart, reason?: string): void;
  /** Aborting it ends the study; what was computed is kept. */
  readonly signal?: AbortSignal;
  /** Who computes the parts. Default: one process of this machine after another */
  readonly workers?: Workers;
}

export interface StudyPlan {
  /** Names of the cells. */
  readonly cells: readonly string[];
  readonly parts: number;
  /** Parts that were computed before. */
  readonly done: number;
  /** Absent if the parts do not say what they have to compute. */
  readonly estimate?: StudyEstimate;
}

/** A part of a study, such as a cell's tuning run. */
export interface StudyPart {
  readonly number: number;
  readonly of: number;
  /** Such as "lora-math: tuning". */
  readonly name: string;
}

export interface StudyOutcome<Kind extends StudyKindName = StudyKindName> {
  readonly outcome: "finished" | "interrupted";
  /** The page, if the study is finished. */
  readonly report?: string;
  readonly results?: StudyResultsOf<Kind>;
}

/**
 * Computes a study, each part in a process of its own, and writes its results and its report. What the folder holds already
 * is not computed again. A cell that fails is reported, and the others go on.
 *
 * @param options as in its study.yaml; `kind` says which study it is
 * @param out folder of the study, a new one or that of the same study
 * @throws InputError if an option is bad, the folder holds something else, or a part fails without which there is no study.
 *
 * @example
 * const { results, report } = await runStudy(
 *   {
 *     kind: "slimming",
 *     model: "SmolLM2-135M-Instruct.Q4_1.gguf",
 *     data: { math: "gsm8k:train" },
 *     tasks: ["gsm8k", "hellaswag"],
 *     limit: 200,
 *     run: { max_steps: 200 },
 *   },
 *   "runs/study",
 *   { onPart: ({ number, of, name }) => console.log(`${number}/${of} ${name}`) },
 * );
 * console.log(results?.cells[0]?.changes?.gsm8k?.difference, report);
 */
export async function runStudy<Kind extends StudyKindName>(
  options: { readonly kind: Kind } & StudyOptions<Kind>,
  out: string,
  events: StudyEvents = {},
): Promise<StudyOutcome<Kind>> {
  const config = withDate(parseStudyConfig(options, "The study's options"), out);
  await kindOf(config).checkInputs?.(config);
  isBegun(out, config);
  return withLock(out, "study", async () => {
    const folder = openStudyFolder(out, config);
    recordMachine(folder);
    // As its parts read them.
    return (await computeStudy(readStudyConfig(folder.config), folder, events)) as StudyOutcome<Kind>;
  });
}

/**
 * Goes on with a study that was interrupted, or computes its failed cells again.
 *
 * @param path folder of the study
 * @throws InputError as {@link runStudy}, and if the folder holds no study.
 *
 * @example
 * const { results } = await resumeStudy("runs/study");
 */
export function resumeStudy(path: string, events: StudyEvents = {}): Promise<StudyOutcome> {
  return runStudy(readStudyConfig(studyFolder(path).config), path, events);
}

async function computeStudy(
  config: StudyConfig,
  folder: StudyFolder,
  events: StudyEvents,
): Promise<StudyOutcome> {
  const { cells, parts } = await kindOf(config).listParts(config, folder);
  const left = parts.filter((part) => !part.isDone());
  events.onPlan?.({
    ...{ cells, parts: parts.length, done: parts.length - left.length },
    ...(parts.some(({ work }) => work) && { estimate: await estimateStudy(left) }),
  });

  const workers = events.workers ?? localWorkers();
  const failed = new Set<string>();
  const outcome = await inOrder(parts, workers.count, events.signal, async (part, index, signal) => {
    const { name, cell } = part;
    const numbered = { number: index + 1, of: parts.length, name };
    if (cell !== undefined && failed.has(cell)) return true;
    const onProgress = (text: string) => events.onProgress?.(numbered, text);
    const computed = await workers.run(folder, part, onProgress, signal);
    if (computed.type === "interrupted") return false;
    if (computed.type === "finished") {
      events.onPart?.(numbered);
      return true;
    }
    stopIfFatal(computed, cell, folder);
    failed.add(cell!);
    recordFailure(folder, cell!, computed.message);
    events.onPart?.(numbered, computed.message);
    return true;
  });
  if (outcome === "interrupted") return { outcome };
  for (const { cell } of parts)
    if (cell !== undefined && !failed.has(cell)) recordFailure(folder, cell, undefined);

  const results = await collectResults(config, folder);
  const { page } = await writeStudy(folder.path, results);
  return { outcome: "finished", report: page, results: results as StudyResultsOf<StudyKindName> };
}

function stopIfFatal(
  { message, isFatal }: Extract<PartOutcome, { type: "failed" }>,
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
