/** @file Problems with right answers, and where they come from: tasks of evaluation, whose rows hold a question and its answer. */

import { InputError } from "../core/errors.ts";
import { locateData, type SourceDoc } from "../evaluation/dataset-location.ts";
import { findBareQuestion, questionFields, renderDoc } from "../evaluation/doc-rendering.ts";
import type { TaskEntry } from "../evaluation/tasks/task-entry.ts";
import type { HubOptions } from "../node/hub/hub.ts";
import { mathematicalJudge } from "./judge.ts";

export interface Problem {
  /** The name of the task that it is of. */
  readonly task: string;
  /** Tells it from the task's others. */
  readonly id: string;
  readonly question: string;
  /** The right answer alone, such as "18". */
  readonly gold: string;
  /** How many calculations the right solution makes, if it shows them. */
  readonly steps?: number;
}

/**
 * The first problems of the split that a task is evaluated on.
 *
 * @param limit default: all of them
 * @param dataDir a folder with the datasets as files; without it they come from the Hub
 * @throws InputError if the data are missing, there are fewer than `limit`, or a row holds no question or answer.
 */
export async function readProblems(
  entry: TaskEntry,
  options: {
    readonly limit?: number | undefined;
    readonly dataDir?: string | undefined;
    readonly hub?: HubOptions;
  } = {},
): Promise<Problem[]> {
  const { definition, readSplit } = locateData(entry, options.dataDir, options.hub);
  if (definition.output_type !== "generate_until") {
    throw new InputError(
      `The task ${entry.name} is answered by ${definition.output_type}, but reasoning asks for written answers; leave it out.`,
    );
  }
  const split = definition.test_split ?? definition.validation_split;
  if (split === undefined) throw new InputError(`The task ${entry.name} has no split to evaluate.`);
  const docs = await readSplit(split);
  const { limit = entry.limit ?? docs.length } = options;
  if (limit > docs.length) {
    throw new InputError(
      `The limit ${limit} is larger than ${entry.name}, which has ${docs.length} items; lower it, or leave it out.`,
    );
  }
  return docs.slice(0, limit).map((source, index) => toProblem(entry, source, index));
}

function toProblem({ name, definition }: TaskEntry, { doc, where }: SourceDoc, index: number): Problem {
  const question = findBareQuestion(doc);
  if (question === undefined) {
    throw new InputError(
      `${where}: there is no field ${questionFields.map((field) => `"${field}"`).join(" or ")}, so the task ${name} has no question that could be asked in other words; leave it out.`,
    );
  }
  const solution = String(renderTarget(definition, doc, where));
  const gold = mathematicalJudge.extract(solution);
  if (gold === undefined) throw new InputError(`${where}: the right solution holds no answer.`);
  const steps = countCalculations(solution);
  return { task: name, id: String(index), question: question.trim(), gold, ...(steps > 0 && { steps }) };
}

function renderTarget(definition: TaskEntry["definition"], doc: SourceDoc["doc"], where: string) {
  try {
    return renderDoc(definition, doc).target;
  } catch (error) {
    throw new InputError(`${where}: ${(error as Error).message}.`);
  }
}

/** Calculations such as "48/2 = <<48/2=24>>24", or "16 - 9 = 7" in a line of its own. */
function countCalculations(solution: string): number {
  const annotated = solution.match(/<<[^<>]*>>/g)?.length ?? 0;
  return annotated > 0 ? annotated : (solution.match(/\d\s*[-+*/×÷]\s*\d[^\n=]*=\s*-?\d/g)?.length ?? 0);
}
