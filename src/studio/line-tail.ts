/** @file A file of JSON lines that grows, read again and again: each time only what was added. */

import { closeSync, fstatSync } from "node:fs";
import { giveWay } from "../core/event-loop.ts";
import { openForReading, readAt } from "../node/files/read.ts";

export interface LineTail<T> {
  /** What was made of the lines so far. */
  readonly value: T;
  /** Another one whenever the file was replaced, as by a run that goes on from a checkpoint; then it is read from its beginning. */
  readonly version: string;
  /** Reads on. @returns whether the value has changed */
  read(): Promise<boolean>;
}

/** Bytes that are read at a time. A line that is longer is of no metrics: the file is read no further. */
const chunkBytes = 2 ** 20;

/**
 * @param begin makes the value of no lines
 * @param add takes a line into the value; those that are no JSON objects are passed over
 */
export function createLineTail<T>(
  path: string,
  begin: () => T,
  add: (value: T, line: Readonly<Record<string, unknown>>) => void,
): LineTail<T> {
  let value = begin();
  let version = "";
  let position = 0;
  let reading: Promise<boolean> | undefined;

  async function readOn(): Promise<boolean> {
    let descriptor: number;
    try {
      descriptor = openForReading(path);
    } catch {
      // There is none yet, or none any more.
      return false;
    }
    try {
      const { ino, size, birthtimeMs } = fstatSync(descriptor);
      const found = `${ino}-${Math.round(birthtimeMs)}`;
      let hasChanged = found !== version || size < position;
      if (hasChanged) {
        value = begin();
        version = found;
        position = 0;
      }
      while (position < size) {
        const bytes = await readAt(descriptor, position, Math.min(chunkBytes, size - position), path);
        const end = Buffer.from(bytes.buffer).lastIndexOf(0x0a) + 1;
        // The last line is still being written.
        if (end === 0) break;
        for (const line of Buffer.from(bytes.buffer, 0, end).toString("utf8").split("\n")) {
          const parsed = parse(line);
          if (parsed) add(value, parsed);
        }
        position += end;
        hasChanged = true;
        await giveWay();
      }
      return hasChanged;
    } finally {
      closeSync(descriptor);
    }
  }

  return {
    get value() {
      return value;
    },
    get version() {
      return version;
    },
    read() {
      reading ??= readOn().finally(() => {
        reading = undefined;
      });
      return reading;
    },
  };
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
