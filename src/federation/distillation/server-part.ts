/** @file Distillation at the server: its adapter learns what the clients together predict of public texts, and tells them what it then predicts. */

import { join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { hashBytes, openGlobalAdapters } from "../global-adapters.ts";
import type { AdapterServerPart } from "../rounds/framework.ts";
import { type OwnOptions, openTaskAdapter, runConfigOf, type TaskAdapter } from "../tuning.ts";
import { openPublicLearner, type PublicLearner } from "./public-learner.ts";
import { aggregatePredictions, type SparsePredictions } from "./sparse-predictions.ts";
import type { DistillationTask } from "./task.ts";

export interface DistillationServer extends AdapterServerPart {
  /** The task's adapter on the model. */
  readonly adapter: TaskAdapter;
  readonly learner: PublicLearner;
}

export interface DistillationServerOptions {
  readonly task: DistillationTask;
  readonly own: Omit<OwnOptions, "data">;
  /** File of the public rows. */
  readonly publicRows: string;
  /** Where its adapters are: a round's beginning names one. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A round begins with the hash of the server's adapter, and what that predicts, but for the first round.
 *
 * @throws InputError if the model or the public rows cannot be read.
 */
export async function openDistillationServer({
  task,
  own,
  publicRows,
  folder,
  signal,
}: DistillationServerOptions): Promise<DistillationServer> {
  const config = runConfigOf(task, { ...own, data: publicRows });
  const adapter = await openTaskAdapter(config);
  const learner = await openPublicLearner(config, task, signal);
  const adapters = openGlobalAdapters(join(folder, "adapters"), adapter.initial);
  return {
    task,
    adapter,
    learner,
    needsAll: false,
    longestUpdate: learner.bytes,
    begin: () => adapters.keep(adapter.initial),
    async check(update) {
      learner.decode(update, "the update");
    },
    async aggregate({ round }, begins, contributions) {
      const clients: { predictions: SparsePredictions; weight: number }[] = [];
      for (const { client, examples, load } of contributions)
        clients.push({ predictions: learner.decode(await load(), client), weight: examples });
      const together = aggregatePredictions(clients, task.confidence, learner.shape.entries);
      const taught = await learner.teach(await adapters.load(begins), together, config.seed + round - 1);
      const hash = await adapters.keep(taught.parameters, begins);
      const told = learner.encode(await learner.predict(taught.parameters));
      return {
        ends: Buffer.concat([hash, told]),
        figures: { distillation_before: taught.divergence.first, distillation_after: taught.divergence.last },
      };
    },
    adapterOf: async (ends) => ({ adaptation: adapter.adaptation, parameters: await adapters.load(ends) }),
    write: async (target, ends) => adapter.write(target, await adapters.load(ends)),
    release: () => learner.release(),
  };
}

/** What the server's adapter predicts, as a round's beginning tells it; undefined in the first round. */
export function readTold(begins: Uint8Array, learner: PublicLearner): SparsePredictions | undefined {
  if (begins.length < hashBytes)
    throw new InputError(`The round begins with ${begins.length} bytes, which name no adapter.`);
  return begins.length === hashBytes ? undefined : learner.decode(begins.subarray(hashBytes), "the server");
}

/** Bytes of a round's beginning at most. */
export const longestBeginning = ({ bytes }: PublicLearner) => hashBytes + bytes;
