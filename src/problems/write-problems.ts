/** @file Problem sets as files: rows to tune on, and a YAML task beside the items of each. */

import { basename, extname, join } from "node:path";
import { stringify } from "yaml";
import { InputError } from "../core/errors.ts";
import { isNewFolder } from "../node/files/folder.ts";
import { writeFolderWhole, writeWhole } from "../node/files/write.ts";
import { drawDates } from "./dates.ts";
import { readFinalAnswers } from "./final-answers.ts";
import { drawLetters } from "./letters.ts";
import type { ProblemSet, ProblemTask } from "./problem-set.ts";

export const problemSetNames = ["letters", "dates", "final-answers"] as const;
export type ProblemSetName = (typeof problemSetNames)[number];

export interface WriteProblemsOptions {
  readonly set: ProblemSetName;
  /** A file of problems; of `final-answers` alone. */
  readonly data?: string;
  /** Of its task. Default: the file's name. */
  readonly name?: string;
  /** To tune on. Default 1000. */
  readonly rows?: number;
  /** Of each task. Default 200. */
  readonly items?: number;
  /** Whether rows have their question in a second wording too, for the objective "companion". Default false. */
  readonly rewordings?: boolean;
  /** Of the draws. Default 0. */
  readonly seed?: number;
  /** The folder that is written: train.jsonl, and for each task NAME.jsonl and NAME.yaml. */
  readonly out: string;
}

export interface ProblemsReport {
  /** The rows to tune on; none if none were asked for. */
  readonly train?: string;
  readonly rows: number;
  readonly items: number;
  /** Problems of the file whose answer is no number. */
  readonly leftOut: number;
  readonly tasks: readonly Pick<ProblemTask, "name" | "shift">[];
}

/**
 * Writes a problem set with the prompts of DCA's release (Wang et al. 2024), as `tune` and `evaluate` read it.
 *
 * @throws InputError if the folder is not empty, `data` is missing or not wanted, or there are fewer problems than are asked for.
 * @example
 * const { tasks } = await writeProblems({ set: "letters", out: "problems/letters" });
 * console.log(tasks.map(({ name, shift = "as the rows" }) => `${name}: ${shift}`));
 */
export async function writeProblems(options: WriteProblemsOptions): Promise<ProblemsReport> {
  const { rows = 1000, items = 200, rewordings = false, out } = options;
  if (!isNewFolder(out))
    throw new InputError(`The output folder ${out} is not empty; choose another folder.`);
  const set = await makeSet(options, { rows, items });
  const lines = (records: readonly object[]) =>
    records.map((record) => `${JSON.stringify(record)}\n`).join("");
  await writeFolderWhole(out, async (folder) => {
    if (rows > 0)
      writeWhole(
        join(folder, "train.jsonl"),
        lines(rewordings ? set.rows : set.rows.map(({ rewording: _, ...row }) => row)),
      );
    for (const task of set.tasks) {
      writeWhole(join(folder, `${task.name}.jsonl`), lines(task.items));
      writeWhole(join(folder, `${task.name}.yaml`), stringify(define(task)));
    }
  });
  return {
    ...(rows > 0 && { train: join(out, "train.jsonl") }),
    ...{ rows, items, leftOut: set.leftOut ?? 0 },
    tasks: set.tasks.map(({ items: _, ...task }) => task),
  };
}

async function makeSet(
  { set, data, name, seed = 0 }: WriteProblemsOptions,
  counts: { readonly rows: number; readonly items: number },
): Promise<ProblemSet> {
  if (set === "final-answers") {
    if (data === undefined)
      throw new InputError("Final answers are those of a file of problems; name it with --data.");
    const task = name ?? basename(data, extname(data));
    if (!/^[a-zA-Z][\w-]*$/.test(task))
      throw new InputError(
        `"${task}" is no name for a task; give one of letters, digits, _ and - with --name.`,
      );
    return readFinalAnswers(data, task, counts, seed);
  }
  if (data !== undefined || name !== undefined)
    throw new InputError(`The problems of ${set} are drawn, so leave --data and --name out.`);
  try {
    return set === "letters" ? drawLetters(counts, seed) : drawDates(counts, seed);
  } catch (error) {
    if (error instanceof RangeError)
      throw new InputError(`${error.message.replace(/\.$/, "")}; ask for fewer.`);
    throw error;
  }
}

/** A task of the harness's fields: answers are written, and judged as they stand; or chosen, by their likelihood. */
function define({ name, items }: ProblemTask): object {
  const fields = { task: name, dataset_path: `${name}.jsonl`, doc_to_text: "{{question}}" };
  const metadata = { version: 1 };
  if ("choices" in items[0]!) {
    const chosen = { output_type: "multiple_choice", doc_to_choice: "choices", doc_to_target: "label" };
    return { ...fields, ...chosen, metric_list: [{ metric: "acc" }], metadata };
  }
  return {
    ...fields,
    output_type: "generate_until",
    doc_to_target: "{{answer}}",
    generation_kwargs: { until: ["\n"], max_gen_toks: 16 },
    filter_list: [
      {
        name: "answer",
        filter: [{ function: "regex", regex_pattern: "(\\S+)" }, { function: "take_first" }],
      },
    ],
    metric_list: [{ metric: "exact_match", regexes_to_ignore: [",", "\\.$"] }],
    metadata,
  };
}
