/** @file FedLLM at the server: adapters that the clients have tuned become the next one. */

import type { LoraConfig } from "../../core/adapters/lora.ts";
import { createTripletFinder } from "../../core/adapters/singular-triplets.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { aggregateRound } from "../aggregation/aggregation.ts";
import { aggregations } from "../aggregation/aggregations.ts";
import { checkUpdate } from "../aggregation/client-update.ts";
import { scalesOf } from "../aggregation/lora-pairs.ts";
import { epsilonOf } from "../privacy/accountant.ts";
import { checkSampling } from "../privacy/differential-privacy.ts";
import type { Figures, RoundOptions } from "../rounds/documents.ts";
import type { AdapterServerPart } from "../rounds/framework.ts";
import { decodeTensors, encodeTrained, longestEncoding } from "../tensors.ts";
import { type OwnOptions, openTaskAdapter, runConfigOf, type TaskAdapter, withFrozen } from "../tuning.ts";
import { addHidden, checkHidden } from "./private-sum.ts";
import { type FedLlmTask, hidingOf } from "./task.ts";

export interface FedLlmServer extends AdapterServerPart {
  /** The task's adapter on the model. */
  readonly adapter: TaskAdapter;
}

export interface FedLlmServerOptions {
  readonly task: FedLlmTask;
  readonly own: Omit<OwnOptions, "data">;
  readonly rounds: RoundOptions;
  /** Of the noise: none but the server may know it, and after a kill it has to be the same. */
  readonly secret: Uint8Array;
}

/** @throws InputError if the model cannot be read, or options of the rounds do not suit the task. */
export async function openFedLlmServer({
  task,
  own,
  rounds,
  secret,
}: FedLlmServerOptions): Promise<FedLlmServer> {
  const hiding = hidingOf(task, rounds);
  if (hiding?.noise && rounds.sampling !== "poisson")
    checkSampling({ clientsPerRound: rounds.clients.length });
  const config = runConfigOf(task, { ...own, data: "DATA" });
  const adapter = await openTaskAdapter(config);
  const finder = await createTripletFinder(openDevice("cpu"));
  const aggregation = aggregations[task.aggregation];
  const { initial } = adapter;
  const scales = scalesOf(adapter.settings as LoraConfig, initial);
  const complete = async (bytes: Uint8Array, name: string) =>
    withFrozen(initial, await decodeTensors(bytes, name));
  return {
    task,
    adapter,
    needsAll: task.secure_aggregation,
    longestUpdate: longestEncoding(initial),
    begin: () => encodeTrained(initial),
    async check(update, client) {
      if (hiding) return checkHidden(update, initial, hiding);
      const parameters = await decodeTensors(update, `the update of client "${client}"`);
      checkUpdate({ client, examples: 1, parameters }, initial, { mixedRanks: aggregation.mixesRanks });
    },
    async aggregate(attempt, begins, contributions) {
      const global = await complete(begins, "the round's beginning");
      const { round } = attempt;
      if (hiding) {
        const clients = rounds.clients.length;
        const next = await addHidden(rounds.run, attempt, global, contributions, hiding, { clients, secret });
        return { ends: await encodeTrained(next), figures: privacyOf(task, rounds, round) };
      }
      const updates = contributions.map(({ client, examples, load }) => ({
        ...{ client, examples },
        load: async () => decodeTensors(await load(), client),
      }));
      const { parameters, error } = await aggregateRound(aggregation, {
        ...{ global, updates, scales, finder },
        ...{ residual: new Map(), initial: async () => initial, seed: config.seed + round },
      });
      return { ends: await encodeTrained(parameters), figures: { aggregation_error: error.relative } };
    },
    parametersOf: (ends) => complete(ends, "the result"),
    write: async (folder, ends) => adapter.write(folder, await complete(ends, "the result")),
    release: () => finder.release(),
  };
}

/** The ε that the rounds so far have cost. */
function privacyOf(
  { differential_privacy }: FedLlmTask,
  { client_share: samplingRate }: RoundOptions,
  rounds: number,
): Figures {
  if (!differential_privacy) return {};
  const { noise_multiplier: noiseMultiplier, delta } = differential_privacy;
  return { epsilon: epsilonOf({ samplingRate, noiseMultiplier, rounds }, delta) };
}
