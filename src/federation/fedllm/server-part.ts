/** @file FedLLM at the server: adapters that the clients have tuned become the next one. */

import type { LoraConfig } from "../../core/adapters/lora.ts";
import { type Parameters, trainedOf } from "../../core/adapters/parameters.ts";
import { createTripletFinder } from "../../core/adapters/singular-triplets.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { parseRunConfig } from "../../node/training/run-config.ts";
import { aggregateRound } from "../aggregation/aggregation.ts";
import { aggregations } from "../aggregation/aggregations.ts";
import { checkUpdate } from "../aggregation/client-update.ts";
import { scalesOf } from "../aggregation/lora-pairs.ts";
import { epsilonOf } from "../privacy/accountant.ts";
import { checkSampling } from "../privacy/differential-privacy.ts";
import type { Figures, RoundOptions } from "../rounds/documents.ts";
import type { ServerPart } from "../rounds/framework.ts";
import { decodeTensors, encodeTrained, longestEncoding } from "../tensors.ts";
import { addHidden, checkHidden } from "./private-sum.ts";
import { type FedLlmTask, hidingOf, openTaskAdapter, runOptionsOf, type TaskAdapter } from "./task.ts";

export interface FedLlmServer extends ServerPart {
  /** The task's adapter on the model. */
  readonly adapter: TaskAdapter;
  /** Numbers of a client's update. */
  readonly trainedNumbers: number;
  /** What a round ended with, and what is frozen beside it. */
  parametersOf(ends: Uint8Array): Promise<Parameters>;
  /** Writes what a round ended with as an adapter in PEFT's layout. */
  write(folder: string, ends: Uint8Array): Promise<void>;
  release(): Promise<void>;
}

export interface FedLlmServerOptions {
  readonly task: FedLlmTask;
  readonly model: string;
  readonly rounds: RoundOptions;
  /** Of the noise: none but the server may know it, and after a kill it has to be the same. */
  readonly secret: Uint8Array;
}

/** @throws InputError if the model cannot be read, or options of the rounds do not suit the task. */
export async function openFedLlmServer({
  task,
  model,
  rounds,
  secret,
}: FedLlmServerOptions): Promise<FedLlmServer> {
  const hiding = hidingOf(task, rounds);
  if (hiding?.noise && rounds.sampling !== "poisson")
    checkSampling({ clientsPerRound: rounds.clients.length });
  const config = parseRunConfig(runOptionsOf(task, { model, data: "DATA" }), "The federation's tuning");
  const adapter = await openTaskAdapter(config);
  const finder = await createTripletFinder(openDevice("cpu"));
  const aggregation = aggregations[task.aggregation];
  const { initial } = adapter;
  const scales = scalesOf(adapter.settings as LoraConfig, initial);
  const complete = async (bytes: Uint8Array, name: string) => {
    const trained = await decodeTensors(bytes, name);
    return new Map([...initial].map(([name, own]) => [name, own.isFrozen ? own : trained.get(name)!]));
  };
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
    trainedNumbers: [...trainedOf(initial).values()].reduce((sum, { data }) => sum + data.length, 0),
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
