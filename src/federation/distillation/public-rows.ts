/** @file The public rows of a distillation, which all of its members have. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { resolveDataset } from "../../node/data/hub-dataset.ts";
import { makeFolder, writeWhole } from "../../node/files/write.ts";
import { readRows } from "../../node/formats/rows.ts";

export interface PublicRows {
  /** JSONL file of them. */
  readonly path: string;
  readonly rows: number;
  /** Of the file, by which members see that they have the same. */
  readonly sha256: string;
}

/**
 * Writes the first rows of a file or a Hub dataset into `folder`.
 *
 * @param rows as many at most
 * @throws InputError if it cannot be read, or is empty.
 */
export async function takePublicRows(source: string, rows: number, folder: string): Promise<PublicRows> {
  const lines: string[] = [];
  for await (const { fields } of readRows(await resolveDataset(source, "train"))) {
    if (lines.length === rows) break;
    lines.push(`${JSON.stringify(fields)}\n`);
  }
  if (lines.length === 0) throw new InputError(`${source} has no rows, so nothing can be predicted of them.`);
  const text = lines.join("");
  makeFolder(folder);
  const path = join(folder, "public.jsonl");
  writeWhole(path, text);
  return { path, rows: lines.length, sha256: createHash("sha256").update(text).digest("hex") };
}

/** A member's own copy of a task's public rows. @throws InputError if its file holds others. */
export async function matchPublicRows(
  source: string,
  { rows, sha256 }: Pick<PublicRows, "rows" | "sha256">,
  folder: string,
): Promise<string> {
  const taken = await takePublicRows(source, rows, folder);
  if (taken.sha256 !== sha256)
    throw new InputError(
      `The first ${rows} rows of ${source} are not the run's public rows; take the file that its server has.`,
    );
  return taken.path;
}
