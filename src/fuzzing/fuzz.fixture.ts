/** @file For tests: changed files are read or refused in one sentence, in little time and memory. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { getHeapSpaceStatistics } from "node:v8";
import { expect } from "vitest";
import { parse, stringify } from "yaml";
import { InputError } from "../core/errors.ts";
import { createRandom, type Random } from "../core/random.ts";
import { ApiError } from "../server/api-error.ts";
import { attacks, mutateBytes, mutateJson } from "./mutations.fixture.ts";
import type { Reader } from "./readers.fixture.ts";

/** Other files are drawn with SLIMTUNE_SEED=<n>, as property tests draw other cases. */
const drawing = Number(process.env.SLIMTUNE_SEED ?? 1);
/** Seconds that reading one file may take. */
const patience = 5;
/** What reading a file may take is ten times its bytes; of small files, this. */
const floorBytes = 64 * 2 ** 20;

export interface Outcome {
  readonly files: number;
  readonly read: number;
  readonly refused: number;
}

/**
 * Reads changed files: first all attacks, then mutations of the good ones.
 *
 * @param count how many mutations
 * @throws AssertionError if one of them ends in anything but a value or a sentence, or takes too long or too much memory.
 */
export async function fuzz(reader: Reader, count: number): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "slimtune-fuzz-"));
  try {
    mkdirSync(dirname(join(folder, reader.file)), { recursive: true });
    const outcome = { files: 0, read: 0, refused: 0 };
    for (const content of listContents(reader, count)) {
      await reader.prepare?.(folder);
      writeFileSync(join(folder, reader.file), content);
      const isRead = await readOne(reader, folder, Buffer.byteLength(content), outcome.files);
      outcome[isRead ? "read" : "refused"]++;
      outcome.files++;
    }
    return outcome;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function readOne(reader: Reader, folder: string, bytes: number, number: number): Promise<boolean> {
  const what = `${reader.name}, file ${number}`;
  const before = measureMemory();
  const started = performance.now();
  let isRead = true;
  try {
    await reader.read(folder);
  } catch (error) {
    isRead = false;
    const sentence = (error as Error).message;
    const isExpected = error instanceof InputError || error instanceof ApiError;
    expect(isExpected, `${what}: ${(error as Error).stack}`).toBe(true);
    // Errors of the server's interface are named by their field, and end as the checks word them.
    expect(sentence, what).toMatch(error instanceof InputError ? /^[^\n]+[.!?)]$/ : /^[^\n]+$/);
  }
  const after = measureMemory();
  expect((performance.now() - started) / 1000, `${what}: seconds`).toBeLessThan(patience);
  const limit = Math.max(floorBytes, 10 * bytes);
  expect(after - before, `${what}: bytes`).toBeLessThan(limit);
  return isRead;
}

/** Bytes of array buffers and of what V8 keeps apart for its size: small things that are garbage do not count. */
function measureMemory(): number {
  const large = getHeapSpaceStatistics().filter(({ space_name }) =>
    space_name.endsWith("large_object_space"),
  );
  return large.reduce((sum, space) => sum + space.space_used_size, process.memoryUsage().arrayBuffers);
}

function* listContents(reader: Reader, count: number): Generator<string | Buffer> {
  yield* attacks;
  for (let i = 0; i < count; i++) {
    const seed = reader.seeds[i % reader.seeds.length]!;
    yield mutate(seed, extname(reader.file), createRandom(drawing, i));
  }
}

/** By bytes or, every second time where the file is one, as a tree of values. */
function mutate(seed: string | Buffer, extension: string, random: Random): string | Buffer {
  const isTree = [".json", ".yaml"].includes(extension) && typeof seed === "string";
  if (!isTree || random.below(2) === 0) return mutateBytes(Buffer.from(seed), random);
  return extension === ".json"
    ? mutateJson(JSON.parse(seed), random)
    : stringify(JSON.parse(mutateJson(parse(seed), random)));
}
