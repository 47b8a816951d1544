/** @file Problems with a worded and a programmed solution each: queries, and those that are kept apart from them. */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { readJson } from "../../node/files/structured.ts";
import { makeFolder, writeWhole } from "../../node/files/write.ts";
import { readSourceProblems } from "../../rollouts/problem-source.ts";
import { solveByProgram } from "../../rollouts/programs/program-solution.ts";
import { withoutAnnotations } from "../../rollouts/programs/solution-program.ts";
import { createCodeRunner } from "../../sandbox/code-runner.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { PartEvents } from "../study-kind.ts";
import { count } from "../study-results.ts";
import type { AptitudeConfig } from "./options.ts";

const pairSchema = z.object({
  /** The row's in the data. */
  id: z.string(),
  question: z.string(),
  /** The right answer alone. */
  gold: z.string(),
  /** The two solutions, as a model is to write them. */
  words: z.string(),
  program: z.string(),
});

/** A problem with a solution in words, and one by a program. */
export type Pair = Readonly<z.output<typeof pairSchema>>;

const pairsSchema = z.object({
  /** Problems of the data that were looked at. */
  problems: count,
  /** Those of them without a program that gives their answer, by the reason. */
  leftOut: z.record(z.string(), count),
  queries: z.array(pairSchema),
  /** On which decisions are compared. */
  heldOut: z.array(pairSchema),
  warmUp: z.array(pairSchema),
});

export type Pairs = Readonly<z.output<typeof pairsSchema>>;

export function pairsFile({ data }: StudyFolder): string {
  return join(data, "pairs.json");
}

/** @throws InputError if they are not written yet, or the file is damaged. */
export function readPairs(folder: StudyFolder): Pairs {
  return readJson(pairsFile(folder), pairsSchema, "remove it");
}

/**
 * Takes problems from the data until there are enough that have both solutions, their program run and its result compared with the right
 * answer.
 *
 * @throws InputError if there are not enough.
 */
export async function writePairs(
  config: AptitudeConfig,
  folder: StudyFolder,
  { onProgress, signal }: PartEvents,
): Promise<void> {
  const { data, data_dir: dataDir, queries, warm_up: warmUp } = config;
  const heldOut = config.decisions.length > 1 ? config.held_out : 0;
  const wanted = queries + heldOut + warmUp;
  const problems = await readSourceProblems({ data, ...(dataDir !== undefined && { dataDir }) });
  const runner = await createCodeRunner();
  const pairs: Pair[] = [];
  const leftOut: Record<string, number> = {};
  try {
    for (const problem of problems) {
      if (pairs.length === wanted) break;
      const solved = await solveByProgram(problem, runner, signal);
      if (solved.failure !== undefined) leftOut[solved.failure] = (leftOut[solved.failure] ?? 0) + 1;
      else {
        const { id, question, solution } = problem;
        const words = withoutAnnotations(solution);
        pairs.push({ id, question, gold: solved.gold, words, program: solved.solution });
      }
      onProgress(`${pairs.length}/${wanted} pairs`);
    }
  } finally {
    runner.close();
  }
  if (pairs.length === 0) {
    throw new InputError(
      `No solution of ${data} became a program that gives its answer; give solutions with calculations annotated as GSM8K's, such as <<48/2=24>>, or a Python program in the field "program" of each row.`,
    );
  }
  if (pairs.length < wanted) {
    throw new InputError(
      `Only ${pairs.length} of the ${problems.length} problems of ${data} have a program that gives their answer, but ${queries} queries, ${heldOut} held-out ones and ${warmUp} to warm up are asked for; ask for fewer.`,
    );
  }
  const found: Pairs = {
    problems: pairs.length + Object.values(leftOut).reduce((sum, some) => sum + some, 0),
    leftOut,
    queries: pairs.slice(0, queries),
    heldOut: pairs.slice(queries, queries + heldOut),
    warmUp: pairs.slice(queries + heldOut),
  };
  makeFolder(folder.data);
  writeWhole(pairsFile(folder), `${JSON.stringify(found, undefined, 1)}\n`);
}
