/** @file The rows of all sets in one file, and how each partition divides them among clients. */

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { type ClientRows, type DivisionOptions, divideRows } from "../../federation/divide-rows.ts";
import { resolveDataset } from "../../node/data/hub-dataset.ts";
import { readText } from "../../node/files/read.ts";
import { readJson } from "../../node/files/structured.ts";
import { makeFolder, writeWhole } from "../../node/files/write.ts";
import { readRows } from "../../node/formats/rows.ts";
import { prepareData } from "../grid/study-data.ts";
import type { StudyFolder } from "../study-folder.ts";
import { asGrid, type FederatedConfig } from "./options.ts";

/** A partition with a seed. */
export interface Division {
  readonly partition: string;
  readonly seed: number;
  readonly clients: readonly ClientRows[];
  /** JSONL file of the rows that clients learn from, all of them. */
  readonly together: string;
  /** JSONL files of rows that are learnt from and of as many that are held out, from all clients. */
  readonly members: string;
  readonly others: string;
}

/** The field in which a row says of which of several sets it is. */
const setField = "set";

const clientsSchema = z.array(
  z.object({
    client: z.string(),
    data: z.string(),
    rows: z.int(),
    heldOut: z.string(),
    heldOutRows: z.int(),
    classes: z.record(z.string(), z.int()),
  }),
);

/** JSONL file of the rows of all sets. */
export function rowsPath({ data }: StudyFolder): string {
  return join(data, "rows.jsonl");
}

/** Divides the rows by each partition with each seed, unless that is done. @throws InputError as {@link divideRows} does. */
export async function listDivisions(config: FederatedConfig, folder: StudyFolder): Promise<Division[]> {
  if (!existsSync(rowsPath(folder))) await writeRows(config, folder);
  const divisions: Division[] = [];
  for (const partition of config.partitions) {
    for (const seed of config.seeds) {
      const into = join(folder.data, `${partition.replace(":", "-")}-${seed}`);
      const path = join(into, "division.json");
      const files = {
        together: join(into, "together.jsonl"),
        members: join(into, "members.jsonl"),
        others: join(into, "others.jsonl"),
      };
      if (!existsSync(path)) {
        const clients = await divideRows(rowsPath(folder), into, divisionOptions(config, partition, seed));
        const tunedOn = clients.flatMap(({ data }) => linesOf(data));
        const heldOut = clients.flatMap((client) => linesOf(client.heldOut));
        const count = Math.min(config.membership_rows, tunedOn.length, heldOut.length);
        writeWhole(files.together, tunedOn.join(""));
        writeWhole(files.members, spread(tunedOn, count).join(""));
        writeWhole(files.others, spread(heldOut, count).join(""));
        // By names in its own folder, so that the study can be moved.
        writeWhole(path, `${JSON.stringify(inFolder(clients, ""), undefined, 1)}\n`);
      }
      const clients = inFolder(readJson(path, clientsSchema), into);
      divisions.push({ partition, seed, clients, ...files });
    }
  }
  return divisions;
}

/** The clients with their files in another folder. */
function inFolder(clients: readonly ClientRows[], folder: string): ClientRows[] {
  const moved = (file: string) => join(folder, basename(file));
  return clients.map((client) => ({ ...client, data: moved(client.data), heldOut: moved(client.heldOut) }));
}

/** How a simulation divides {@link rowsPath}: with the same options it gets the same rows for each client. */
export function divisionOptions(
  { clients, class_field, held_out: heldOut, minimum_rows: minimumRows, data }: FederatedConfig,
  partition: string,
  seed: number,
): DivisionOptions {
  const alpha = partition === "iid" ? Number.POSITIVE_INFINITY : Number(partition.replace("dirichlet:", ""));
  const classField = class_field ?? (Object.keys(data).length > 1 ? setField : undefined);
  return { clients, alpha, ...(classField !== undefined && { classField }), heldOut, minimumRows, seed };
}

async function writeRows(config: FederatedConfig, folder: StudyFolder): Promise<void> {
  const { data_limit = Number.POSITIVE_INFINITY } = config;
  const sources = await prepareData(asGrid(config), folder.data);
  const lines: string[] = [];
  for (const { name, path } of sources) {
    let count = 0;
    for await (const { fields, line } of readRows(await resolveDataset(path, "train"))) {
      if (count++ === data_limit) break;
      if (sources.length > 1 && fields[setField] !== undefined)
        throw new InputError(
          `${path}, line ${line}: there is a field "${setField}" already, which says of several sets of data which one a row is of; rename it.`,
        );
      lines.push(`${JSON.stringify({ ...fields, ...(sources.length > 1 && { [setField]: name }) })}\n`);
    }
  }
  makeFolder(folder.data);
  writeWhole(rowsPath(folder), lines.join(""));
}

/** A file's lines, each with its end. */
function linesOf(path: string): string[] {
  return readText(path).match(/.+\n/g) ?? [];
}

/** So many values at equal distances from each other. */
function spread<T>(values: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => values[Math.floor((i * values.length) / count)]!);
}
