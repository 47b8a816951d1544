/** @file Runs a job in a process of its own, so that what one takes or breaks does not touch the next. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Job } from "./perform-job.ts";

/** What a job's process tells. */
export type JobMessage =
  | { readonly type: "progress"; readonly text: string }
  | { readonly type: "finished" }
  | { readonly type: "interrupted" }
  | { readonly type: "failed"; readonly message: string; readonly isFatal: boolean };

export type JobOutcome =
  | { readonly type: "finished" }
  | { readonly type: "interrupted" }
  | {
      readonly type: "failed";
      /** A sentence. */
      readonly message: string;
      /** Whether every further job would fail for the same reason. */
      readonly isFatal: boolean;
    };

/**
 * Does a job in a process of its own.
 *
 * @param signal if aborted, the process is asked to end; a job that tunes saves its state first
 */
export function runJob(
  job: Job,
  onProgress: (text: string) => void,
  signal?: AbortSignal,
): Promise<JobOutcome> {
  const program = fileURLToPath(new URL("./job-process.js", import.meta.url));
  // What it prints is not for the command's output.
  const child = fork(program, [JSON.stringify(job)], { stdio: ["ignore", 2, 2, "ipc"] });
  const stop = () => void child.kill("SIGTERM");
  signal?.addEventListener("abort", stop);
  let outcome: JobOutcome | undefined;
  child.on("message", (message: JobMessage) => {
    if (message.type === "progress") onProgress(message.text);
    else if (message.type === "failed") outcome = message;
    else outcome = { type: message.type };
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    // The last message may arrive after the exit, but not after the end of the channel.
    const end = once(child, "disconnect");
    child.once("exit", async (code, killedBy) => {
      await end;
      signal?.removeEventListener("abort", stop);
      const how = killedBy === null ? `with exit code ${code}` : `by ${killedBy}`;
      const memory = killedBy === "SIGKILL" ? "; the memory may have been too small" : "";
      if (code === 130 || signal?.aborted)
        resolve(outcome?.type === "finished" ? outcome : { type: "interrupted" });
      else
        resolve(
          outcome ?? { type: "failed", message: `The process was ended ${how}${memory}.`, isFatal: false },
        );
    });
  });
}
