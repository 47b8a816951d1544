/** @file Word problems with their final answer alone as the target, as DCA tunes on GSM8K, SVAMP, MAWPS and ASDiv. */

import type { Row } from "../core/data/row-fields.ts";
import { InputError } from "../core/errors.ts";
import { createPythonRandom } from "../core/python/random.ts";
import { readRows } from "../node/formats/rows.ts";
import { type ProblemCounts, type ProblemSet, toRow, type WrittenItem } from "./problem-set.ts";

/** Names of fields, in lower case; the first that there is counts. */
const questionFields = ["question", "input", "problem", "prompt"];
const answerFields = ["answer", "target", "solution"];

/**
 * Reads a file of problems and divides them at random: the prompt is the bare question, as in DCA's release. Read are the fields of GSM8K
 * (question, answer with "#### 7"), SVAMP (Body, Question, Answer), ASDiv (body, question, answer as "7 (apples)"), MAWPS (input,
 * target), and of MAWPS and ASDiv as SVAMP's authors publish them (Question with number0, and Numbers).
 *
 * @param name of the task
 * @throws InputError if the file cannot be read, a row has no question or answer, or there are fewer problems with a number for an answer.
 * @example
 * const { rows, tasks } = await readFinalAnswers("svamp.json", "svamp", { rows: 700, items: 300 }, 0);
 */
export async function readFinalAnswers(
  path: string,
  name: string,
  { rows, items }: ProblemCounts,
  seed: number,
): Promise<ProblemSet> {
  const problems = new Map<string, WrittenItem>();
  let leftOut = 0;
  for await (const row of readRows(path)) {
    const problem = toProblem(row, path);
    if (isNumber(problem.answer)) problems.set(problem.question, problem);
    else leftOut++;
  }
  if (problems.size < rows + items) {
    throw new InputError(
      `${path} has ${problems.size} different problems with a number for an answer, fewer than ${rows} rows and ${items} items; lower --rows or --items.`,
    );
  }
  const drawn = [...problems.values()];
  createPythonRandom(seed).shuffle(drawn);
  return {
    rows: drawn.slice(0, rows).map(({ question, answer }) => toRow(question, instruct(question), answer)),
    tasks: [{ name, items: drawn.slice(rows, rows + items) }],
    leftOut,
  };
}

/** The release's other prompt for such problems. */
function instruct(question: string): string {
  return `Below is an math word problem. Solve the problem and provide the correct result.\n### Problem:\n${question}\n### Answer:`;
}

function toProblem({ fields, line }: Row, path: string): WrittenItem {
  const lower = new Map(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value]));
  const textOf = (names: readonly string[]) => {
    const value = names.map((name) => lower.get(name)).find((value) => value != null);
    return value === undefined ? "" : String(value).trim();
  };
  const numbers = textOf(["numbers"]).split(/\s+/);
  const body = numbers[0] === "" ? textOf(["body"]) : "";
  const stated = [/[.?!,]$/.test(body) || body === "" ? body : `${body}.`, textOf(questionFields)];
  const question = stated
    .filter((text) => text !== "")
    .join(" ")
    .replace(/number(\d+)/g, (whole, i) => plain(numbers[Number(i)] ?? whole))
    .replace(/ (?=[.,?!;:'%])/g, "");
  const written = textOf(answerFields)
    .replace(/^.*#### */s, "")
    .replace(/ *\([^)]*\)$/, "")
    .replace(/(?<=\d),(?=\d)/g, "");
  if (question === "" || written === "") {
    throw new InputError(
      `${path}, line ${line}: there is no question or no answer; give the row the fields "question" and "answer".`,
    );
  }
  return { question, answer: plain(written) };
}

function isNumber(text: string): boolean {
  return /^-?\d*\.?\d+$/.test(text);
}

/** 504.0 as "504". */
function plain(number: string): string {
  return isNumber(number) ? String(Number(number)) : number;
}
