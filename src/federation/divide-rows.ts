/** @file A file of rows divided among simulated clients, with some of each held out. */

import { join } from "node:path";
import { InputError } from "../core/errors.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { readRows } from "../node/formats/rows.ts";
import { partitionExamples } from "./partition.ts";

export interface DivisionOptions {
  readonly clients: number;
  /** Of the Dirichlet distribution by which each class is divided; Infinity gives all the same share. */
  readonly alpha: number;
  /** The field whose values are the classes. Default: the quarter of the rows, by their length, to which a row belongs. */
  readonly classField?: string | undefined;
  /** Rows of each client, as a share, that it does not learn from. */
  readonly heldOut: number;
  /** Fewest rows of a client, of which the division is drawn anew until all have as many. Default: 1, or 2 if some are held out. */
  readonly minimumRows?: number | undefined;
  /** Only so many rows are divided: the first. */
  readonly limit?: number | undefined;
  readonly seed: number;
}

export interface ClientRows {
  readonly client: string;
  /** JSONL file of the rows that it learns from. */
  readonly data: string;
  readonly rows: number;
  readonly heldOut: string;
  readonly heldOutRows: number;
  /** How many of its rows are of each class. */
  readonly classes: Readonly<Record<string, number>>;
}

/**
 * Divides rows among clients named "client-1" and so on, and writes each one's into `folder`. The same options give the same files.
 *
 * @throws InputError if the file cannot be read, or has too few rows, or a row lacks the field of the classes.
 */
export async function divideRows(
  data: string,
  folder: string,
  {
    clients,
    alpha,
    classField,
    heldOut,
    minimumRows = heldOut > 0 ? 2 : 1,
    limit = Number.POSITIVE_INFINITY,
    seed,
  }: DivisionOptions,
): Promise<ClientRows[]> {
  const lines: string[] = [];
  const classes: string[] = [];
  for await (const { fields, line } of readRows(data)) {
    if (lines.length === limit) break;
    lines.push(JSON.stringify(fields));
    if (classField === undefined) continue;
    const value = fields[classField];
    if (value === undefined)
      throw new InputError(`${data}, line ${line}: there is no field "${classField}" to divide the rows by.`);
    classes.push(String(value));
  }
  if (classField === undefined) classes.push(...quarters(lines.map((line) => line.length)));
  const parts = partitionExamples(classes, { clients, alpha, minimumSize: minimumRows, seed });
  makeFolder(folder);
  return parts.map((numbers, index) => {
    const client = `client-${index + 1}`;
    const [path, heldOutPath] = [join(folder, `${client}.jsonl`), join(folder, `${client}.held-out.jsonl`)];
    const count = heldOut > 0 ? Math.max(1, Math.floor(heldOut * numbers.length)) : 0;
    // Every so many-th, so that classes, whose rows follow each other in the file, are in both.
    const isHeldOut = (i: number) =>
      Math.floor(((i + 1) * count) / numbers.length) > Math.floor((i * count) / numbers.length);
    const write = (file: string, chosen: readonly number[]) =>
      writeWhole(file, chosen.map((number) => `${lines[number]}\n`).join(""));
    write(
      path,
      numbers.filter((_, i) => !isHeldOut(i)),
    );
    write(
      heldOutPath,
      numbers.filter((_, i) => isHeldOut(i)),
    );
    const counts: Record<string, number> = {};
    for (const number of numbers) counts[classes[number]!] = (counts[classes[number]!] ?? 0) + 1;
    return {
      ...{ client, data: path, rows: numbers.length - count },
      ...{ heldOut: heldOutPath, heldOutRows: count, classes: counts },
    };
  });
}

/** Rows of a file. @throws InputError if it cannot be read */
export async function countRows(path: string): Promise<number> {
  let count = 0;
  for await (const _ of readRows(path)) count++;
  return count;
}

/** Of each length the quarter of all lengths that it is in. */
function quarters(lengths: readonly number[]): string[] {
  const sorted = lengths.toSorted((a, b) => a - b);
  const bounds = [1, 2, 3].map((quarter) => sorted[Math.floor((quarter * sorted.length) / 4)]!);
  const names = ["shortest", "short", "long", "longest"] as const;
  return lengths.map((length) => names[bounds.filter((bound) => length >= bound).length]!);
}
