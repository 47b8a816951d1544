/** @file Where a task's data comes from, and its splits as documents. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../core/errors.ts";
import { Float, toInteger } from "../core/python/number.ts";
import { resolveDataset } from "../node/data/hub-dataset.ts";
import { readRows } from "../node/formats/rows.ts";
import type { HubOptions } from "../node/hub/hub.ts";
import type { Doc } from "./task.ts";
import { parseSplit, type TaskDefinition } from "./tasks/task-definition.ts";
import type { TaskEntry } from "./tasks/task-entry.ts";

/** A document, and how errors name it. */
export interface SourceDoc {
  readonly doc: Doc;
  /** Such as "gsm8k/test.jsonl, line 3". */
  readonly where: string;
}

export interface TaskData {
  /** The definition, without the splits that are not at hand. */
  readonly definition: TaskDefinition;
  /** Says where the data is from, as a part of the task's configuration. */
  readonly source: Readonly<Record<string, unknown>>;
  /**
   * All documents of a split, or of a part of one such as "validation[:8000]" or "test[100:200]" (as in Hugging Face's
   * datasets, without percentages or negative numbers), processed as the definition says.
   *
   * @throws InputError if the split is missing or its part is empty, or a document lacks what its processing needs.
   */
  readSplit(split: string): Promise<readonly SourceDoc[]>;
}

const splitFields = ["training_split", "validation_split", "test_split", "fewshot_split"] as const;

/** @param dataDir a folder that holds the datasets of built-in tasks as files; without it they come from the Hub. */
export function locateData(entry: TaskEntry, dataDir: string | undefined, hub: HubOptions = {}): TaskData {
  const whole = locateWhole(entry, dataDir, hub);
  return {
    ...whole,
    async readSplit(split) {
      const { name, start, end } = parseSplit(split);
      const docs = await whole.readSplit(name);
      const part = docs.slice(start, end);
      if (part.length > 0) return part;
      throw new InputError(
        `The task ${entry.name} has no items in "${split}", since the split "${name}" has ${docs.length}.`,
      );
    },
  };
}

function locateWhole(entry: TaskEntry, dataDir: string | undefined, hub: HubOptions): TaskData {
  const { definition, local } = entry;
  if (dataDir === undefined || !local) {
    const files = definition.dataset_kwargs?.data_files;
    const resolve = files ? fileOfSplit(entry.name, files) : hubFile(entry, hub);
    const readSplit = async (split: string) => readDocs(definition, await resolve(split), readRows);
    return { definition, source: {}, readSplit };
  }
  if (!existsSync(dataDir)) throw new InputError(`There is no folder ${dataDir} with datasets.`);
  const atHand = Object.fromEntries(
    splitFields.map((field) => {
      const split = definition[field];
      const isAtHand = split !== undefined && Object.hasOwn(local.splits, parseSplit(split).name);
      return [field, isAtHand ? split : undefined];
    }),
  );
  const data_files: Record<string, string> = {};
  return {
    definition: { ...definition, ...atHand },
    source: { dataset_kwargs: { data_files }, ...(local.note && { data_note: local.note }) },
    async readSplit(split) {
      const file = findLocalFile(entry.name, split, [local.splits[split] ?? []].flat(), dataDir);
      data_files[split] = file;
      return readDocs(definition, join(dataDir, file), local.read ?? readRows);
    },
  };
}

function findLocalFile(task: string, split: string, files: readonly string[], dataDir: string): string {
  const found = files.find((file) => existsSync(join(dataDir, file)));
  if (found !== undefined) return found;
  throw new InputError(
    `The task ${task} needs the split "${split}", but there is no file ${join(dataDir, files[0] ?? split)}; put it there, or leave out the data folder to take it from the Hub.`,
  );
}

function fileOfSplit(task: string, files: Readonly<Record<string, string>>) {
  return async (split: string) => {
    if (Object.hasOwn(files, split)) return files[split]!;
    const known = Object.keys(files).join(", ");
    throw new InputError(
      `The task ${task} needs the split "${split}", but its data_files has only ${known}.`,
    );
  };
}

function hubFile({ definition, local }: TaskEntry, hub: HubOptions) {
  const { dataset_path, dataset_name } = definition;
  const id = dataset_name === undefined ? dataset_path : `${dataset_path}:${dataset_name}`;
  return (split: string) => {
    const [file] = [local?.splits[split] ?? []].flat();
    const hint = file && { alternative: `name a folder that holds ${file} with --data-dir` };
    return resolveDataset(id, split, { ...hub, ...hint });
  };
}

async function readDocs(
  { process_docs = (doc) => doc }: TaskDefinition,
  path: string,
  read: typeof readRows,
): Promise<SourceDoc[]> {
  const docs: SourceDoc[] = [];
  for await (const { fields, line } of read(path)) {
    const where = `${path}, line ${line}`;
    try {
      docs.push({ doc: process_docs(withNumbers(fields) as Doc), where });
    } catch (error) {
      throw new InputError(`${where}: ${(error as Error).message}.`);
    }
  }
  if (docs.length === 0) throw new InputError(`${path} holds no items.`);
  return docs;
}

/** Parquet's whole numbers are read as BigInt. */
function withNumbers(value: unknown): unknown {
  if (typeof value === "bigint") return toInteger(value);
  if (Array.isArray(value)) return value.map(withNumbers);
  if (typeof value !== "object" || value === null || value instanceof Float) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, withNumbers(field)]));
}
