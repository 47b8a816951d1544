/** @file The public rows of a distillation, which all of its members have. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { resolveDataset } from "../../node/data/hub-dataset.ts";
import { makeFolder, writeWhole } from "../../node/files/write.ts";
import { readRows } from "../../node/formats/rows.ts";

/** What all are told of them. */
export interface PublicRows {
  readonly rows: number;
  /** Of the rows as JSONL, by which members see that they have the same. */
  readonly sha256: string;
}

/**
 * Says what the first rows of a file or a Hub dataset are.
 *
 * @param rows as many at most
 * @throws InputError if it cannot be read, or is empty.
 */
export async function describePublicRows(source: string, rows: number): Promise<PublicRows> {
  const { text: _, ...described } = await takeRows(source, rows);
  return described;
}

/**
 * Writes a member's own copy of a task's public rows into `folder`.
 *
 * @returns its path
 * @throws InputError if the member's file holds others.
 */
export async function matchPublicRows(
  source: string,
  { rows, sha256 }: PublicRows,
  folder: string,
): Promise<string> {
  const taken = await takeRows(source, rows);
  if (taken.sha256 !== sha256)
    throw new InputError(
      `The first ${rows} rows of ${source} are not the run's public rows; take the file that its server has.`,
    );
  makeFolder(folder);
  const path = join(folder, "public.jsonl");
  writeWhole(path, taken.text);
  return path;
}

async function takeRows(source: string, rows: number): Promise<PublicRows & { readonly text: string }> {
  const lines: string[] = [];
  for await (const { fields } of readRows(await resolveDataset(source, "train"))) {
    if (lines.length === rows) break;
    lines.push(`${JSON.stringify(fields)}\n`);
  }
  if (lines.length === 0) throw new InputError(`${source} has no rows, so nothing can be predicted of them.`);
  const text = lines.join("");
  return { text, rows: lines.length, sha256: createHash("sha256").update(text).digest("hex") };
}
