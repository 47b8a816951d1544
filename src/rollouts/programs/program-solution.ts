/** @file A solution that computes by a program, with what the program printed: run, and compared with the right answer. */

import { InputError } from "../../core/errors.ts";
import { mathematicalJudge } from "../../reasoning/judge.ts";
import type { CodeRunner } from "../../sandbox/code-runner.ts";
import type { SourceProblem } from "../problem-source.ts";
import { toProgram } from "./solution-program.ts";

/** Why a problem has no such solution. */
export type ProgramFailure =
  | "without calculations that can be read"
  | "with a program that fails"
  | "with another result than the right answer";

const limits = { timeoutMs: 5000, memoryBytes: 2 ** 28 };

/**
 * Solves a problem by its own program, or else by that of its solution's annotated calculations (`toProgram`).
 *
 * @returns the program, what it printed, and the answer in \boxed{}, in the form in which the strategy `tir` goes on after a program; or why not
 * @throws InputError if the worked solution gives no answer.
 */
export async function solveByProgram(
  { question, solution, program, where }: SourceProblem,
  runner: Pick<CodeRunner, "run">,
  signal: AbortSignal,
): Promise<
  | { readonly gold: string; readonly solution: string; readonly failure?: undefined }
  | { readonly gold: string; readonly failure: ProgramFailure }
> {
  const gold = mathematicalJudge.extract(solution);
  if (gold === undefined) throw new InputError(`${where}: the solution gives no answer; correct it.`);
  const code = program ?? toProgram(question, solution);
  if (code === undefined) return { gold, failure: "without calculations that can be read" };
  const { stdout, reason } = await runner.run(code, { ...limits, signal });
  if (reason !== "ok") return { gold, failure: "with a program that fails" };
  const output = stdout.trim();
  if (!mathematicalJudge.equal(output, gold))
    return { gold, failure: "with another result than the right answer" };
  return {
    gold,
    solution: `\`\`\`python\n${code}\n\`\`\`\n\`\`\`output\n${output}\n\`\`\`\nThe answer is \\boxed{${gold}}.`,
  };
}
