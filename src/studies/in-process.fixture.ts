/** @file Stands in for run-part.ts: computes a study's parts in the test's own process. */

import { isDiskFull } from "../node/files/explain-error.ts";
import type { PartOutcome, Workers } from "./run-part.ts";
import type { StudyFolder } from "./study-folder.ts";
import type { Part } from "./study-kind.ts";

export function localWorkers(): Workers {
  return { count: 1, run: runPart };
}

async function runPart(_folder: StudyFolder, part: Part): Promise<PartOutcome> {
  try {
    await part.compute({ onProgress() {}, signal: new AbortController().signal });
    return { type: "finished" };
  } catch (error) {
    return { type: "failed", message: (error as Error).message, isFatal: isDiskFull(error) };
  }
}
