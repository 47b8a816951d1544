/** @file What a run will take. */

import { type EstimatedRun, estimate } from "../../node/training/estimate-run.ts";
import type { RunOptions } from "../../node/training/run-config.ts";
import type { Estimate } from "../api.ts";

/** @throws InputError as `estimate` does. */
export async function* estimateCost(
  given: Partial<RunOptions>,
): AsyncGenerator<Omit<Estimate, "warnings" | "command">> {
  const { chosen, steps, memoryBytes, advice } = await estimate(given as EstimatedRun);
  yield {
    memoryBytes: chosen.peakBytes,
    availableBytes: memoryBytes,
    seconds: chosen.seconds,
    ...(steps && { steps: steps.total }),
    tokensPerSecond: chosen.tokensPerSecond,
    trainableParameters: chosen.trainableParameters,
    fits: chosen.peakBytes <= memoryBytes,
    advice,
  };
}
