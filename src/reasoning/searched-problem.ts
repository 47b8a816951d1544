/** @file Problems that were solved by a search, as a run's folder holds them. */

import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { parseJson } from "../core/formats/json-document.ts";
import { parseFields } from "../core/parse-fields.ts";
import { readText } from "../node/files/read.ts";
import { type ShowOptions, showTree } from "../search/show-tree.ts";
import { searchTreeSchema } from "../search/tree.ts";

const searchedSchema = z.object({
  task: z.string(),
  id: z.string(),
  question: z.string(),
  gold: z.string(),
  strategy: z.string(),
  answer: z.string().nullable(),
  isRight: z.boolean(),
  computedTokens: z.number(),
  trees: z.array(searchTreeSchema).optional(),
});

/** A problem with the trees of one strategy. */
export type SearchedProblem = Omit<z.output<typeof searchedSchema>, "trees"> & {
  readonly trees: readonly z.output<typeof searchTreeSchema>[];
};

/** Which problems are wanted; what is not given may be any. */
export interface SearchedFilter {
  readonly task?: string;
  readonly id?: string;
  readonly strategy?: string;
}

/**
 * The problems of a run that were solved by searches.
 *
 * @throws InputError if the folder holds none that is wanted, or its file is damaged.
 *
 * @example
 * const { readSearched, showTree } = await import("slimtune");
 * const [found] = readSearched("runs/search", { id: "17" });
 * for (const tree of found!.trees) console.log(showTree(tree));
 */
export function readSearched(folder: string, wanted: SearchedFilter = {}): SearchedProblem[] {
  const path = join(folder, "solutions.jsonl");
  const searched = readText(path)
    .split("\n")
    .flatMap((line, index): SearchedProblem[] => {
      if (line.trim() === "") return [];
      const where = `${path}, line ${index + 1}`;
      const { trees, ...row } = parseFields(searchedSchema, parseJson(line, where), where);
      return trees ? [{ ...row, trees }] : [];
    });
  if (searched.length === 0) {
    throw new InputError(`${path} holds no trees; name a strategy that searches, such as mstar-levin:4.`);
  }
  const fields = [
    ["task", "tasks"],
    ["id", "problems"],
    ["strategy", "strategies"],
  ] as const;
  const found = searched.filter((row) =>
    fields.every(([field]) => wanted[field] === undefined || row[field] === wanted[field]),
  );
  if (found.length > 0) return found;
  const asked = fields.flatMap(([field]) => (wanted[field] === undefined ? [] : [wanted[field]]));
  const held = fields.map(([field, plural]) => {
    const values = [...new Set(searched.map((row) => row[field]))];
    return `the ${plural} ${values.length > 8 ? `${values[0]} to ${values.at(-1)}` : values.join(", ")}`;
  });
  throw new InputError(`${path} holds no trees of ${asked.join(", ")}; there are ${held.join("; ")}.`);
}

/** A problem in lines: what was found, the question, and the trees. */
export function describeSearched(
  { task, id, question, gold, strategy, answer, isRight, trees, computedTokens }: SearchedProblem,
  options: ShowOptions,
): string {
  const found = answer === null ? "no answer" : `${answer}, ${isRight ? "right" : `wrong: it is ${gold}`}`;
  return [
    `${task} ${id}, ${strategy}: ${found}; ${computedTokens} tokens computed`,
    question,
    ...trees.map((tree) => showTree(tree, options)),
  ].join("\n");
}
