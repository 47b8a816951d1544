/** @file Solutions with a program in place of their calculations, made from worked ones and kept if the program gives the right answer. */

import { dirname, extname } from "node:path";
import { InputError } from "../../core/errors.ts";
import { makeFolder, writeWhole } from "../../node/files/write.ts";
import type { CodeRunner } from "../../sandbox/code-runner.ts";
import { type ProblemSource, readSourceProblems } from "../problem-source.ts";
import { type ProgramFailure, solveByProgram } from "./program-solution.ts";

export interface SolutionProgramOptions extends ProblemSource {
  /** Runs the programs. */
  readonly runner: Pick<CodeRunner, "run">;
  /** Stands under each question. Default: nothing. */
  readonly instruction?: string;
  /** The .jsonl file that is written. */
  readonly out: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What became of the problems. */
export interface SolutionProgramReport {
  readonly data: string;
  readonly problems: number;
  /** Problems whose program gives the right answer: the rows. */
  readonly rows: number;
  /** Of the others. */
  readonly leftOut: Readonly<Record<ProgramFailure, number>>;
}

/** A question and its solution by a program, in the form in which the strategy `tir` goes on after one (TATA, Xu et al. 2025). */
export interface ProgramRow {
  readonly question: string;
  readonly answer: string;
}

/**
 * Turns the annotated calculations of worked solutions (`toProgram`) into programs, runs them, and writes a row for each that gives
 * the right answer: the program, what it printed, and the answer in \boxed{}.
 *
 * @throws InputError if the data cannot be used, or no row is left.
 *
 * @example
 * const { createCodeRunner } = await import("slimtune");
 * const runner = await createCodeRunner();
 * const { rows, problems } = await writePrograms({ data: "gsm8k:train", runner, out: "programs.jsonl" });
 * console.log(`${rows} of ${problems} solutions are programs now`);
 * runner.close();
 */
export async function writePrograms(options: SolutionProgramOptions): Promise<SolutionProgramReport> {
  const { data, out, instruction = "", runner, onProgress } = options;
  const { signal = new AbortController().signal } = options;
  if (extname(out) !== ".jsonl") {
    throw new InputError(`The rows are written as JSONL, so that ${out} must end in .jsonl; name it so.`);
  }
  const problems = await readSourceProblems(options);
  const rows: ProgramRow[] = [];
  const leftOut: Record<ProgramFailure, number> = {
    "without calculations that can be read": 0,
    "with a program that fails": 0,
    "with another result than the right answer": 0,
  };
  for (const [done, problem] of problems.entries()) {
    onProgress?.(done, problems.length);
    const { question } = problem;
    const solved = await solveByProgram(problem, runner, signal);
    if (solved.failure !== undefined) leftOut[solved.failure]++;
    else
      rows.push({
        question: instruction === "" ? question : `${question}\n${instruction}`,
        answer: solved.solution,
      });
  }
  if (rows.length === 0) {
    throw new InputError(
      `No solution of ${data} became a program that gives its answer; give solutions with calculations annotated as GSM8K's, such as <<48/2=24>>.`,
    );
  }
  makeFolder(dirname(out));
  writeWhole(out, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return { data, problems: problems.length, rows: rows.length, leftOut };
}
