/** @file What can be stopped, and gone on with by the same command. */

import process from "node:process";
import { createStatusLine, note, type StatusLine } from "../output.ts";

/** Runs until Ctrl-C, after which the same command goes on. @returns undefined if it was stopped */
export async function withInterrupt<T>(
  run: (signal: AbortSignal, status: StatusLine) => Promise<T>,
): Promise<T | undefined> {
  const status = createStatusLine();
  const interrupt = new AbortController();
  const onSignal = () => {
    status.done();
    if (interrupt.signal.aborted) process.exit(130);
    note("Stopping; give the same command again to go on.");
    interrupt.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await run(interrupt.signal, status);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = 130;
    return undefined;
  } finally {
    status.done();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}
