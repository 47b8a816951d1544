/** @file The program of a study's process: does one job, and tells its parent how far it is. */

import process from "node:process";
import { inspect } from "node:util";
import { showControls } from "../core/control-characters.ts";
import { InputError, isDiskFull } from "../core/errors.ts";
import { printWarnings } from "../core/warnings.ts";
import { type Job, performJob } from "./perform-job.ts";
import type { JobMessage } from "./run-job.ts";

const send = (message: JobMessage) =>
  new Promise<void>((resolve) => process.send!(message, undefined, undefined, () => resolve()));
const interrupt = new AbortController();
const job = JSON.parse(process.argv[2]!) as Job;

printWarnings();
// A terminal's Ctrl-C reaches this process too, but the study decides when it ends; without the study it is of no use.
process.on("SIGINT", () => {});
process.on("disconnect", () => process.exit());
process.on("SIGTERM", () => {
  // Only tuning has something to save; every answer of an evaluation is kept at once.
  if (job.type !== "tune") process.exit(130);
  interrupt.abort();
});

try {
  const finished = await performJob(job, {
    signal: interrupt.signal,
    onProgress: (text) => void send({ type: "progress", text }),
  });
  await send({ type: finished ? "finished" : "interrupted" });
} catch (error) {
  if (!(error instanceof InputError)) process.stderr.write(`${showControls(inspect(error))}\n`);
  await send({ type: "failed", message: (error as Error).message, isFatal: isDiskFull(error) });
}
process.disconnect();
