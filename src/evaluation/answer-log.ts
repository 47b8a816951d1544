/** @file A file of answers that a model gave: what stands in it need not be asked again. */

import { createHash } from "node:crypto";
import { dirname } from "node:path";
import type { z } from "zod";
import { InputError } from "../core/errors.ts";
import { openAppendLog } from "../node/files/append-log.ts";
import { readWhole } from "../node/files/read.ts";
import { makeFolder } from "../node/files/write.ts";

export interface AnswerLog {
  /**
   * The answer under a key; undefined if there is none.
   *
   * @throws InputError if it is not of this shape.
   */
  find<T>(key: string, shape: z.ZodType<T>): T | undefined;
  /** Whether the answer under a key was taken from elsewhere. */
  isTaken(key: string): boolean;
  /** Keeps an answer, as one line that is written at once. @param isTaken whether it is from elsewhere. Default false */
  append(key: string, answer: unknown, options?: { readonly isTaken: boolean }): void;
  close(): void;
}

/**
 * Opens the log at `path`, which is made if there is none. A last line that was cut off as its writer was ended is
 * dropped.
 *
 * @throws InputError if another line is damaged.
 */
export function openAnswerLog(path: string): AnswerLog {
  const answers = new Map<string, unknown>();
  const taken = new Set<string>();
  const whole = readLines(path, ({ key, answer, isTaken }) => {
    answers.set(key, answer);
    if (isTaken) taken.add(key);
  });
  makeFolder(dirname(path));
  const log = openAppendLog(path, whole);
  return {
    find(key, shape) {
      const found = answers.get(key);
      const { success, data } = shape.optional().safeParse(found);
      if (success) return data;
      throw new InputError(
        `${path}: the line with the key ${key} holds no answer to its request; delete that line and go on.`,
      );
    },
    isTaken: (key) => taken.has(key),
    append(key, answer, { isTaken } = { isTaken: false }) {
      answers.set(key, answer);
      if (isTaken) taken.add(key);
      log.append(`${JSON.stringify({ key, answer, ...(isTaken && { isTaken }) })}\n`);
    },
    close: log.close,
  };
}

/**
 * The answer that is kept under the hash of a request, or else computed and kept.
 *
 * @throws the signal's reason, if it was aborted before the answer is computed.
 */
export async function findOrCompute<T>(
  log: AnswerLog,
  request: unknown,
  shape: z.ZodType<T>,
  compute: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const key = createHash("sha256").update(JSON.stringify(request)).digest("hex");
  const found = log.find(key, shape);
  if (found !== undefined) return found;
  signal.throwIfAborted();
  const answer = await compute();
  log.append(key, answer);
  return answer;
}

/** Reads the lines of a log and returns how many bytes of it are whole lines. */
function readLines(path: string, onLine: (line: Line) => void): number {
  const bytes = readWhole(path, { isOptional: true }) ?? Buffer.alloc(0);
  let start = 0;
  for (let number = 1; ; number++) {
    const end = bytes.indexOf("\n", start);
    if (end < 0) return start;
    const line = parseLine(bytes.toString("utf8", start, end));
    if (line) onLine(line);
    else if (end === bytes.length - 1) return start;
    else throw new InputError(`${path}, line ${number}, is damaged; delete that line and go on.`);
    start = end + 1;
  }
}

interface Line {
  readonly key: string;
  readonly answer: unknown;
  readonly isTaken: boolean;
}

function parseLine(text: string): Line | undefined {
  try {
    const { key, answer, isTaken } = JSON.parse(text);
    return typeof key === "string" && answer !== undefined && answer !== null
      ? { key, answer, isTaken: isTaken === true }
      : undefined;
  } catch {
    return undefined;
  }
}
