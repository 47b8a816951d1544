/** @file Tuning in rounds without anybody else: what a client of FedLLM does, whose own adapter is the next round's. */

import { join } from "node:path";
import { runOptionsOf } from "../../federation/tuning.ts";
import type { RunOptions } from "../../node/training/run-config.ts";
import type { PartEvents } from "../study-kind.ts";
import { findTunedModel, tuneModel } from "../tuning.ts";
import { type FederatedConfig, ownOptions, tuningOptions } from "./options.ts";

/**
 * The runs of all rounds, each of which goes on with the adapter of the one before, with the optimizer's moments at zero and the seed of
 * that round, as a client does.
 *
 * @param data file of rows
 * @param out folder of the rounds
 */
export function localRuns(config: FederatedConfig, data: string, seed: number, out: string): RunOptions[] {
  const options = runOptionsOf({ tuning: tuningOptions(config, seed) }, ownOptions(config, data));
  const runOf = (round: number) => join(out, `round-${round}`);
  return Array.from({ length: config.rounds }, (_, i) => ({
    ...options,
    seed: seed + i,
    out: runOf(i + 1),
    ...(i > 0 && { adapter: join(runOf(i), "adapter") }),
  }));
}

/** Computes runs one after the other, or goes on with them; ends early if it is told to. */
export async function tuneInRounds(runs: readonly RunOptions[], events: PartEvents): Promise<void> {
  for (const [i, run] of runs.entries()) {
    if (findTunedModel(run)) continue;
    await tuneModel(run, {
      signal: events.signal,
      onProgress: (text) => events.onProgress(`round ${i + 1} of ${runs.length}: ${text}`),
    });
    if (events.signal.aborted) return;
  }
}
