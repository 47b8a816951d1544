/** @file A folder of requests in shards, which processes of this machine or of others answer. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { parseJson } from "../../core/formats/json-document.ts";
import { storages } from "../../core/models/linear.ts";
import { parseFields } from "../../core/parse-fields.ts";
import { arithmetics } from "../../node/decoding/arithmetic.ts";
import { readWhole } from "../../node/files/read.ts";
import { readJson } from "../../node/files/structured.ts";
import { makeFolder, remove, writeInParts, writeWhole } from "../../node/files/write.ts";
import { deviceNames } from "../../node/runtime/onnx-runtime.ts";
import { type Answer, type ModelRequest, type RequestType, requestTypes } from "../language-model.ts";
import type { Bits } from "../model-identity.ts";
import { answerShapes, hashRequest, requestShapes } from "../recorded-answers.ts";

const sha256 = z.string().regex(/^[\da-f]{64}$/);

const shardsSchema = z.strictObject({
  /** The version that divided the requests. */
  slimtune: z.string(),
  type: z.enum(requestTypes as [RequestType, ...RequestType[]]),
  shards: z.int().min(1),
  model: z.string(),
  model_sha256: sha256,
  adapter: z.string().nullable(),
  adapter_sha256: sha256.nullable(),
  storage: z.enum(storages),
  arithmetic: z.enum(arithmetics),
  bits: z.union([z.literal(4), z.literal(8), z.literal("exact")]) satisfies z.ZodType<Bits>,
  device: z.enum(deviceNames),
  /** Texts that are written at a time; null for the usual number. */
  batch_size: z.int().min(1).nullable(),
});

/** What is asked of which model. Its fields are named so that files that have to travel are known by their names. */
export type ShardsConfig = z.infer<typeof shardsSchema>;

const doneSchema = z.strictObject({
  /** Tokens that were computed. */
  tokens: z.strictObject({ scored: z.int().min(0), generated: z.int().min(0) }),
  /** The machine, in words. */
  machine: z.string(),
});

/** What a shard took. */
export type ShardWork = z.infer<typeof doneSchema>;

export interface ShardsFolder {
  readonly path: string;
  /** A {@link ShardsConfig}, written last. */
  readonly config: string;
  /** Each request with its shard's number, in the order in which one process would be asked. */
  readonly requests: string;
  readonly machines: string;
  /** Files that no worker writes. */
  readonly own: readonly string[];
  /** What a shard's worker writes. */
  shard(number: number): {
    readonly path: string;
    readonly answers: string;
    /** A {@link ShardWork}, written when all answers are there. */
    readonly done: string;
  };
}

/** The files of a folder of shards, whether they are there or not. */
export function shardsFolder(path: string): ShardsFolder {
  const config = join(path, "shards.json");
  const requests = join(path, "requests.jsonl");
  const machines = join(path, "machines.json");
  return {
    ...{ path, config, requests, machines },
    own: [config, requests, machines],
    shard(number) {
      const own = join(path, "answers", String(number));
      return { path: own, answers: join(own, "answers.jsonl"), done: join(own, "done.json") };
    },
  };
}

/** A request in a shard, whose numbers begin at 1. */
export interface ShardRequest<T extends RequestType = RequestType> {
  readonly shard: number;
  readonly request: ModelRequest<T>;
}

/** Makes the folder anew. @param shards the requests' numbers, by shard */
export async function writeShards<T extends RequestType>(
  folder: ShardsFolder,
  config: Omit<ShardsConfig, "shards">,
  requests: readonly ModelRequest<T>[],
  shards: readonly (readonly number[])[],
): Promise<void> {
  const shardOf = new Map(shards.flatMap((indices, shard) => indices.map((index) => [index, shard + 1])));
  remove(folder.path);
  makeFolder(folder.path);
  await writeInParts(folder.requests, encodeLines());
  writeWhole(folder.config, `${JSON.stringify({ ...config, shards: shards.length }, undefined, 1)}\n`);

  async function* encodeLines() {
    for (const [index, request] of requests.entries())
      yield Buffer.from(`${JSON.stringify({ shard: shardOf.get(index), request })}\n`);
  }
}

/** @throws InputError if the folder has none, or it is damaged. */
export function readShardsConfig(folder: ShardsFolder): ShardsConfig {
  return readJson(folder.config, shardsSchema);
}

/** The requests of a folder, of the type that its options name. @throws InputError if they are damaged. */
export function readRequests<T extends RequestType>(folder: ShardsFolder, type: T): ShardRequest<T>[] {
  const shape: z.ZodType<ModelRequest<T>> = requestShapes[type];
  return readLines(folder.requests, requestLine, ({ shard, request }, where) => ({
    shard,
    request: parseFields(shape, request, where),
  }));
}

const requestLine = z.strictObject({ shard: z.int().min(1), request: z.unknown() });
const answerLine = z.strictObject({ key: z.string(), answer: z.unknown() });

function readLines<T extends z.ZodType, R>(
  path: string,
  schema: T,
  read: (line: z.output<T>, where: string) => R,
): R[] {
  const bytes = readWhole(path);
  const lines: R[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf("\n", start);
    const where = `${path}, line ${lines.length + 1}`;
    if (end < 0) throw new InputError(`${where}, was cut off.`);
    const line = parseJson(bytes.toString("utf8", start, end), where);
    lines.push(read(parseFields(schema, line, where), where));
    start = end + 1;
  }
  return lines;
}

/** Whether a folder was begun with these options, and holds all these requests. */
export function holdsRequests<T extends RequestType>(
  folder: ShardsFolder,
  config: Omit<ShardsConfig, "shards">,
  requests: readonly ModelRequest<T>[],
): boolean {
  if (!existsSync(folder.config)) return false;
  const { shards: _, ...begun } = readShardsConfig(folder);
  if (!isDeepStrictEqual(begun, config)) return false;
  const known = new Set(readRequests(folder, config.type).map(({ request }) => hashRequest(request)));
  return requests.every((request) => known.has(hashRequest(request)));
}

/** The machines that have answered shards of any type, in words. @param path where the folders of all types are */
export function readMachines(path: string): string[] {
  const folders = requestTypes.map((type) => shardsFolder(join(path, type)));
  const machines = folders
    .filter(({ config }) => existsSync(config))
    .flatMap((folder) => {
      const { shards } = readShardsConfig(folder);
      const numbers = Array.from({ length: shards }, (_, i) => i + 1).filter((shard) =>
        isAnswered(folder, shard),
      );
      return numbers.map((shard) => readJson(folder.shard(shard).done, doneSchema).machine);
    });
  return [...new Set(machines)];
}

export function isAnswered(folder: ShardsFolder, shard: number): boolean {
  return existsSync(folder.shard(shard).done);
}

/**
 * The answers of a shard and what they took. What is no such shard is removed.
 *
 * @param keys the hashes of its requests
 * @returns the answers by their requests' hashes
 * @throws InputError if answers are missing, damaged, or to other requests.
 */
export function readShard<T extends RequestType>(
  folder: ShardsFolder,
  shard: number,
  type: T,
  keys: ReadonlySet<string>,
): { readonly answers: ReadonlyMap<string, Answer<T>>; readonly work: ShardWork } {
  const { path, answers: file, done } = folder.shard(shard);
  const shape: z.ZodType<Answer<T>> = answerShapes[type];
  try {
    const answers = new Map(
      readLines(file, answerLine, ({ key, answer }, where) => {
        if (!keys.has(key)) throw new InputError(`${where}, answers a request that the shard does not have.`);
        return [key, parseFields(shape, answer, where)];
      }),
    );
    if (answers.size < keys.size)
      throw new InputError(`${file} has ${answers.size} of the shard's ${keys.size} answers.`);
    return { answers, work: readJson(done, doneSchema) };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    remove(path);
    throw new InputError(
      `${error.message.replace(/\.$/, "")}; the shard was removed, so look at its worker and give the same command again.`,
    );
  }
}
