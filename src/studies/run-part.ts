/** @file Computes a part in a process of its own, so that what one takes or breaks does not touch the next. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { PartsFolder } from "./parts-folder.ts";
import type { Part } from "./study-kind.ts";

/** What a part's process tells. */
export type PartMessage = { readonly type: "progress"; readonly text: string } | PartOutcome;

export type PartOutcome =
  | { readonly type: "finished" }
  | { readonly type: "interrupted" }
  | {
      readonly type: "failed";
      /** A sentence. */
      readonly message: string;
      /** Whether every further part would fail for the same reason. */
      readonly isFatal: boolean;
      /** Whether its process was ended from without. */
      readonly hasVanished?: boolean;
    };

/** Who computes parts: processes of this machine, or others. */
export interface Workers {
  /** How many parts are given out at once at most. */
  readonly count: number;
  /** Computes a part; its files are then in the folder. */
  run(
    folder: PartsFolder,
    part: Part,
    onProgress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<PartOutcome>;
}

/** How often a part is begun whose process vanishes. */
const attempts = 3;

/**
 * Processes of this machine. A part whose process vanishes goes on in another, unless there is but one process: then the
 * machine is likely too small for it.
 *
 * @param count how many there are at once. Default: 1
 * @example
 * await resumeStudy("runs/study", { workers: localWorkers(2) });
 */
export function localWorkers(count = 1): Workers {
  return {
    count,
    async run(folder, part, onProgress, signal) {
      let outcome = await runPart(folder, part, onProgress, signal);
      for (let attempt = 1; count > 1 && attempt < attempts && hasVanished(outcome); attempt++)
        outcome = await runPart(folder, part, onProgress, signal);
      return outcome;
    },
  };
}

function hasVanished(outcome: PartOutcome): boolean {
  return outcome.type === "failed" && outcome.hasVanished === true;
}

/**
 * Computes a part of what a folder holds.
 *
 * @param signal if aborted, the process is asked to end; a part that has a state saves it first
 * @param cwd the folder from which its paths lead. Default: that of this process
 */
export function runPart(
  { path }: Pick<PartsFolder, "path">,
  { name }: Pick<Part, "name">,
  onProgress: (text: string) => void,
  signal?: AbortSignal,
  cwd?: string,
): Promise<PartOutcome> {
  const program = fileURLToPath(new URL("./part-process.js", import.meta.url));
  // What it prints is not for the command's output.
  const child = fork(program, [path, name], { cwd, stdio: ["ignore", 2, 2, "ipc"] });
  const stop = () => void child.kill("SIGTERM");
  signal?.addEventListener("abort", stop);
  let outcome: PartOutcome | undefined;
  child.on("message", (message: PartMessage) => {
    if (message.type === "progress") onProgress(message.text);
    else outcome = message;
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
          outcome ?? {
            type: "failed",
            message: `The process was ended ${how}${memory}.`,
            isFatal: false,
            hasVanished: killedBy !== null,
          },
        );
    });
  });
}
