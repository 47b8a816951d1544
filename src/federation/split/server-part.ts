/** @file Split learning at the server: a side of its own for each client of a round, averaged with the client's (SplitFed's first version, Thapa et al. 2022). */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { LoraConfig } from "../../core/adapters/lora.ts";
import type { Parameters } from "../../core/adapters/parameters.ts";
import { createTripletFinder } from "../../core/adapters/singular-triplets.ts";
import { InputError } from "../../core/errors.ts";
import { readWhole } from "../../node/files/read.ts";
import { makeFolder, remove, writeWhole } from "../../node/files/write.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { aggregateRound } from "../aggregation/aggregation.ts";
import { fedAvg } from "../aggregation/average.ts";
import { checkUpdate } from "../aggregation/client-update.ts";
import { scalesOf } from "../aggregation/lora-pairs.ts";
import { hashBytes, openGlobalAdapters } from "../global-adapters.ts";
import { roundFolder } from "../local-tuning.ts";
import type { AdapterServerPart } from "../rounds/framework.ts";
import { decodeTensors, encodeTrained, longestEncoding } from "../tensors.ts";
import { type OwnOptions, openTaskAdapter, runConfigOf, type TaskAdapter } from "../tuning.ts";
import { type BothHalves, openBothHalves } from "./both-halves.ts";
import type { SplitTask } from "./task.ts";

export interface SplitServer extends AdapterServerPart {
  /** The task's adapter on the model. */
  readonly adapter: TaskAdapter;
  readonly halves: BothHalves;
  /** Keeps the server's side as a client's rows have tuned it, until the round is averaged. */
  keepSide(round: number, client: string, side: Parameters): Promise<void>;
}

export interface SplitServerOptions {
  readonly task: SplitTask;
  readonly own: Omit<OwnOptions, "data">;
  /** Where its adapters and sides are: a round's beginning names an adapter. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A round begins with the hash of the whole adapter, and the client's side of it.
 *
 * @throws InputError if the model cannot be read, or not be cut there.
 */
export async function openSplitServer({
  task,
  own,
  folder,
  signal,
}: SplitServerOptions): Promise<SplitServer> {
  const config = runConfigOf(task, { ...own, data: "DATA" });
  const adapter = await openTaskAdapter(config);
  const { initial, settings } = adapter;
  const halves = await openBothHalves(config, task, initial, signal);
  const finder = await createTripletFinder(openDevice("cpu"));
  const scales = scalesOf(settings as LoraConfig, initial);
  const ofClient = halves.divide(initial).client;
  const adapters = openGlobalAdapters(join(folder, "adapters"), initial);
  const sides = join(folder, "sides");
  const sideOf = (round: number, client: string) => join(roundFolder(sides, round), `${client}.safetensors`);
  const beginningOf = async (parameters: Parameters, before?: Uint8Array) => {
    const hash = await adapters.keep(parameters, before);
    return Buffer.concat([hash, await encodeTrained(halves.divide(parameters).client)]);
  };
  return {
    task,
    adapter,
    halves,
    needsAll: false,
    longestUpdate: longestEncoding(ofClient),
    begin: () => beginningOf(initial),
    async check(update, client) {
      const parameters = await decodeTensors(update, `the update of client "${client}"`);
      checkUpdate({ client, examples: 1, parameters }, ofClient, { mixedRanks: false });
    },
    async keepSide(round, client, side) {
      makeFolder(roundFolder(sides, round));
      writeWhole(sideOf(round, client), await encodeTrained(side));
    },
    async aggregate({ round }, begins, contributions) {
      const updates = contributions.map(({ client, examples, load }) => ({
        ...{ client, examples },
        async load() {
          const path = sideOf(round, client);
          const side = await decodeTensors(readWhole(path), path);
          return new Map([...(await decodeTensors(await load(), client)), ...side]);
        },
      }));
      const { parameters, error } = await aggregateRound(fedAvg, {
        ...{ global: await adapters.load(begins), updates, scales, finder },
        ...{ residual: new Map(), initial: async () => initial, seed: config.seed + round },
      });
      // Those of this round are needed again after a kill.
      for (const name of readdirSync(sides))
        if (join(sides, name) < roundFolder(sides, round)) remove(join(sides, name));
      return { ends: await beginningOf(parameters, begins), figures: { aggregation_error: error.relative } };
    },
    adapterOf: async (ends) => ({ adaptation: adapter.adaptation, parameters: await adapters.load(ends) }),
    write: async (target, ends) => adapter.write(target, await adapters.load(ends)),
    async release() {
      await finder.release();
      await halves.release();
    },
  };
}

/** The client's side of the adapter that a round begins with. @throws InputError if the beginning is not one */
export async function readClientSide(begins: Uint8Array, round: number): Promise<Parameters> {
  if (begins.length <= hashBytes)
    throw new InputError(`Round ${round} begins with ${begins.length} bytes, which hold no adapter.`);
  return decodeTensors(begins.subarray(hashBytes), `what round ${round} begins with`);
}

/** Bytes of a round's beginning at most. */
export const longestBeginning = (ofClient: Parameters) => hashBytes + longestEncoding(ofClient);
