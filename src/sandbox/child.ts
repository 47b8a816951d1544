/** @file What the programs of the interpreters' processes share: requests come line by line on standard input, answers go to standard output. */

import process from "node:process";
import { createInterface } from "node:readline";
import { BoundedText, cutText } from "./bounded-text.ts";

/** A program to run, and what it may take. */
export interface ProgramRequest {
  readonly code: string;
  readonly timeoutMs: number;
  readonly memoryBytes: number;
  /** Of the output and of the error, each: {@link BoundedText}. */
  readonly outputLimit: number;
}

/** How a program ended. */
export interface ProgramEnd {
  /**
   * - `ok`: it came to its end
   * - `error`: it raised an exception, or ended the interpreter
   * - `timeout`, `memory`: it took more than it may
   * - `refused`: it was stopped where it reached for something outside, or was not run at all
   */
  readonly reason: "ok" | "error" | "timeout" | "memory" | "refused";
  /** The last line of Python's traceback, such as "ZeroDivisionError: division by zero"; none if it is ok. */
  readonly error?: string;
}

/** How a program ends that takes too long, in whichever interpreter. */
export const outOfTime: ProgramEnd = { reason: "timeout", error: "TimeoutError: time limit exceeded" };

/** What an interpreter's process tells. */
export type FromChild =
  /** Programs can be run. */
  | { readonly type: "ready" }
  /** The time of the program begins. */
  | { readonly type: "started" }
  | ({
      readonly type: "done";
      readonly stdout: string;
      /** Resident memory of the process: now, and at most since it was started. */
      readonly residentBytes: number;
      readonly peakBytes: number;
    } & ProgramEnd);

export interface Interpreter {
  /** Does what the program needs and its time does not count. */
  prepare?(code: string): void;
  /** Runs a program from a fresh state. @param output takes what it prints */
  run(request: ProgramRequest, output: BoundedText): ProgramEnd;
}

/** Answers requests, one after the other, until the parent closes the line. */
export function serve(interpreter: Interpreter): void {
  const tell = (message: FromChild) => void process.stdout.write(`${JSON.stringify(message)}\n`);
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const request = JSON.parse(line) as ProgramRequest;
      const output = new BoundedText(request.outputLimit);
      interpreter.prepare?.(request.code);
      tell({ type: "started" });
      const { reason, error } = interpreter.run(request, output);
      tell({
        type: "done",
        reason,
        ...(error !== undefined && { error: cutText(error, request.outputLimit) }),
        stdout: output.toString(),
        residentBytes: process.memoryUsage.rss(),
        peakBytes: process.resourceUsage().maxRSS * 1024,
      });
    })
    .on("close", () => process.exit());
  tell({ type: "ready" });
}

/** The last line of a text that says something. */
export function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1)!.trim();
}
