/** @file FedLLM at the server: adapters that the clients have tuned become the next one. */

import type { LoraConfig } from "../../core/adapters/lora.ts";
import { createTripletFinder } from "../../core/adapters/singular-triplets.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { aggregateRound } from "../aggregation/aggregation.ts";
import { aggregations } from "../aggregation/aggregations.ts";
import { checkUpdate } from "../aggregation/client-update.ts";
import { scalesOf } from "../aggregation/lora-pairs.ts";
import { checkLayers, joinResidual } from "../aggregation/residual-adapter.ts";
import { epsilonOf } from "../privacy/accountant.ts";
import { checkSampling } from "../privacy/differential-privacy.ts";
import type { Figures, RoundOptions } from "../rounds/documents.ts";
import type { AdapterServerPart } from "../rounds/framework.ts";
import { decodeTensors, encodeTrained, longestEncoding } from "../tensors.ts";
import { type OwnOptions, openTaskAdapter, runConfigOf, type TaskAdapter } from "../tuning.ts";
import { adapterOf, encodeBeginning, readBeginning } from "./beginning.ts";
import { highestRank } from "./own-rank.ts";
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
  if (aggregation.leavesResidual) checkLayers(initial);
  const settings = adapter.settings as LoraConfig;
  const scales = scalesOf(settings, initial);
  const readEnd = (ends: Uint8Array) => readBeginning(ends, initial, "the result");
  return {
    task,
    adapter,
    needsAll: task.secure_aggregation,
    longestUpdate: Math.ceil((highestRank(task) / settings.r) * longestEncoding(initial)),
    begin: () => encodeTrained(initial),
    async check(update, client) {
      if (hiding) return checkHidden(update, initial, hiding);
      const parameters = await decodeTensors(update, `the update of client "${client}"`);
      checkUpdate({ client, examples: 1, parameters }, initial, { mixedRanks: aggregation.mixesRanks });
    },
    async aggregate(attempt, begins, contributions) {
      const { parameters: global, residual } = await readBeginning(begins, initial, "the round's beginning");
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
      const seed = config.seed + round;
      const { error, ...next } = await aggregateRound(aggregation, {
        ...{ global, residual, updates, scales, finder, seed },
        initial: async () => (await openTaskAdapter({ ...config, seed })).initial,
        ...(task.residual_rank !== undefined && { residualRank: task.residual_rank }),
      });
      return { ends: await encodeBeginning(next), figures: { aggregation_error: error.relative } };
    },
    adapterOf: async (ends) => adapterOf(adapter, await readEnd(ends)),
    async write(folder, ends) {
      const { parameters, residual } = await readEnd(ends);
      if (residual.size === 0) return adapter.write(folder, parameters);
      const joined = joinResidual(settings, parameters, residual);
      return adapter.write(folder, joined.parameters, joined.settings);
    },
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
