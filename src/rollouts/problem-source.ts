/** @file Problems to sample solutions of: a task's training split, or a file's rows. */

import { InputError } from "../core/errors.ts";
import { Float } from "../core/python/number.ts";
import { locateData } from "../evaluation/dataset-location.ts";
import { renderDoc } from "../evaluation/doc-rendering.ts";
import { loadTasks } from "../evaluation/tasks/registry.ts";
import type { TaskEntry } from "../evaluation/tasks/task-entry.ts";
import { resolveDataset } from "../node/data/hub-dataset.ts";
import { readRows } from "../node/formats/rows.ts";

/** A problem with a worked solution, or the right answer alone. */
export interface SourceProblem {
  /** The row's number in a task's split, from 0, or its line in a file. */
  readonly id: string;
  readonly question: string;
  /** A text that ends with the right answer, or is it. */
  readonly solution: string;
  /** A Python program that prints the right answer, if the row has one in its field "program". */
  readonly program?: string;
  /** Names the row in errors. */
  readonly where: string;
}

export interface ProblemSource {
  /** A task's split such as "gsm8k:train", or a file or Hub id of rows with a question and its answer. */
  readonly data: string;
  /** Folder with the tasks' datasets as files. Default: they come from the Hub. */
  readonly dataDir?: string;
  /** Only the first problems. Default: all. */
  readonly limit?: number;
}

const questionFields = ["question", "problem", "prompt"];
const answerFields = ["answer", "solution", "gold"];

/**
 * @throws InputError if there is no such file or split, it is the one that its task is evaluated on, there are fewer problems than
 *   `limit`, or a row lacks its question or answer.
 */
export async function readSourceProblems(source: ProblemSource): Promise<SourceProblem[]> {
  const [, task, split] = /^([^:/\\]+):(.+)$/.exec(source.data) ?? [];
  const entry = loadTasks().tasks.find(({ name }) => name === task);
  const problems = entry ? await readSplit(entry, split!, source) : await readFile(source);
  const { limit = problems.length, data } = source;
  if (limit > problems.length) {
    throw new InputError(
      `The limit ${limit} is larger than ${data}, which has ${problems.length} problems; lower it, or leave it out.`,
    );
  }
  return problems.slice(0, limit);
}

async function readSplit(
  entry: TaskEntry,
  split: string,
  { dataDir }: ProblemSource,
): Promise<SourceProblem[]> {
  const { definition, readSplit } = locateData(entry, dataDir);
  const { training_split, validation_split, test_split } = definition;
  if (split === (test_split ?? validation_split)) {
    const advice = training_split === undefined ? "" : `; take ${entry.name}:${training_split}`;
    throw new InputError(
      `The split "${split}" of ${entry.name} is the one that is evaluated, so it must not be tuned on${advice}.`,
    );
  }
  return (await readSplit(split)).map(({ doc, where }, index) => ({
    id: String(index),
    question: findText(doc, questionFields, where),
    solution: renderTarget(definition, doc, where),
    ...programIn(doc),
    where,
  }));
}

function renderTarget(...[definition, doc, where]: [...Parameters<typeof renderDoc>, string]): string {
  try {
    return String(renderDoc(definition, doc).target);
  } catch (error) {
    throw new InputError(`${where}: ${(error as Error).message}.`);
  }
}

async function readFile({ data }: ProblemSource): Promise<SourceProblem[]> {
  const path = await resolveDataset(data, "train");
  const problems: SourceProblem[] = [];
  for await (const { fields, line } of readRows(path)) {
    const where = `${path}, line ${line}`;
    problems.push({
      id: String(line),
      question: findText(fields, questionFields, where),
      solution: findText(fields, answerFields, where),
      ...programIn(fields),
      where,
    });
  }
  if (problems.length === 0) throw new InputError(`${path} holds no problems.`);
  return problems;
}

/** The first of these fields that there is. */
function findText(
  fields: Readonly<Record<string, unknown>>,
  names: readonly string[],
  where: string,
): string {
  const name = names.find((name) => fields[name] != null);
  const value = name === undefined ? undefined : fields[name];
  const isPlain = typeof value !== "object" || value instanceof Float;
  if (name !== undefined && isPlain && String(value).trim() !== "") return String(value).trim();
  throw new InputError(
    name === undefined
      ? `${where}: there is no field ${names.map((name) => `"${name}"`).join(" or ")}; give each row a question and its answer.`
      : `${where}: the field "${name}" is no text, or an empty one; correct it.`,
  );
}

function programIn({ program }: Readonly<Record<string, unknown>>): { readonly program?: string } {
  return typeof program === "string" && program.trim() !== "" ? { program: program.trim() } : {};
}
