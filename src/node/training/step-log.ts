/** @file Logs of a run whose lines belong to steps: one JSON object a line. */

import type { Progress } from "../../core/training/loop.ts";
import { openAppendLog } from "../files/append-log.ts";
import { readWhole } from "../files/read.ts";
import { writeWhole } from "../files/write.ts";

interface StepLine {
  readonly step: number;
}

export interface StepLog<Line extends StepLine> {
  append(line: Line): void;
  close(): void;
}

/** Reads the lines of `path` that are whole; the last one may have been cut off by a crash. */
export function readStepLog<Line extends StepLine>(path: string): Line[] {
  const text = readWhole(path, { isOptional: true })?.toString("utf8") ?? "";
  const lines: Line[] = [];
  for (const line of text.split("\n")) {
    try {
      lines.push(JSON.parse(line));
    } catch {
      break;
    }
  }
  return lines;
}

/**
 * Opens a log to go on from `progress`: lines of what comes after it, of a run that was interrupted, are dropped. Lines without a "loss"
 * belong to the evaluation after their step.
 */
export function openStepLog<Line extends StepLine>(
  path: string,
  { step, evaluated }: Progress,
): StepLog<Line> {
  const isDone = (line: Line) => line.step < step || (line.step === step && ("loss" in line || evaluated));
  const kept = readStepLog<Line>(path).filter(isDone);
  writeWhole(path, kept.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const log = openAppendLog(path);
  return { append: (line) => log.append(`${JSON.stringify(line)}\n`), close: log.close };
}
