/** @file FedLLM at a client: some steps of tuning on its own data, from where the round begins. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Parameter } from "../../core/adapters/parameters.ts";
import { peftPrefix } from "../../core/adapters/peft-config.ts";
import { InputError } from "../../core/errors.ts";
import { readText } from "../../node/files/read.ts";
import { makeFolder, remove, writeWhole } from "../../node/files/write.ts";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { fineTune, type RunResult } from "../../node/training/fine-tune.ts";
import { openRun } from "../../node/training/open-run.ts";
import { parseRunConfig } from "../../node/training/run-config.ts";
import type { RunEvents } from "../../node/training/run-events.ts";
import { runFolder } from "../../node/training/run-folder.ts";
import { createMaskKeys, readMaskKeys, writeMaskKeys } from "../privacy/secure-aggregation.ts";
import type { RoundOptions } from "../rounds/documents.ts";
import type { MemberPart } from "../rounds/framework.ts";
import { decodeTensors, encodeTrained, longestEncoding } from "../tensors.ts";
import { hideUpdate } from "./private-sum.ts";
import { type FedLlmTask, hidingOf, type OwnOptions, runOptionsOf, type TaskAdapter } from "./task.ts";

export interface FedLlmMemberOptions {
  readonly rounds: RoundOptions;
  readonly client: string;
  readonly task: FedLlmTask;
  readonly own: OwnOptions;
  /** The task's adapter on the member's model. */
  readonly adapter: TaskAdapter;
  /** Rows of its data. */
  readonly examples: number;
  /** Where its rounds' runs are. */
  readonly folder: string;
  readonly events?: RunEvents;
}

/** @throws InputError if the task's options are bad. */
export function createFedLlmMember({
  rounds,
  client,
  task,
  own,
  adapter: { initial, write },
  examples,
  folder,
  events = {},
}: FedLlmMemberOptions): MemberPart {
  const options = runOptionsOf(task, own);
  const config = parseRunConfig(options, "The federation's tuning");
  const folderOf = (round: number) => join(folder, `round-${String(round).padStart(5, "0")}`);

  const tune = async (round: number, begins: Uint8Array, signal: AbortSignal | undefined) => {
    const [run, adapter] = [join(folderOf(round), "run"), join(folderOf(round), "begins")];
    const heard = { ...events, ...(signal && { signal }) };
    if (existsSync(runFolder(run).config)) {
      const begun = openRun(run);
      return begun.result ?? outputOf(await begun.resume(heard));
    }
    makeFolder(folderOf(round));
    await write(adapter, await decodeTensors(begins, `what round ${round} begins with`));
    const seed = config.seed + round - 1;
    return outputOf(await fineTune({ ...options, adapter, seed, out: run }, heard));
  };
  const hiding = hidingOf(task, rounds);
  /** The keys of an attempt, kept so that they are the same after a kill; of others none is. */
  const keysOf = (round: number, attempt: number) => {
    const path = join(folderOf(round), `mask-key-${attempt}`);
    if (existsSync(path)) return readMaskKeys(readText(path), path);
    const keys = createMaskKeys();
    makeFolder(folderOf(round));
    writeWhole(path, writeMaskKeys(keys), 0o600);
    return keys;
  };
  return {
    examples,
    longestBeginning: longestEncoding(initial),
    ...(hiding?.masks && { keyOf: (round, attempt) => keysOf(round, attempt).publicKey }),
    async update(attempt, begins, signal) {
      const { round } = attempt;
      const output = await tune(round, begins, signal);
      const file = await openSafetensorsFile(join(output, "adapter_model.safetensors"));
      const tuned = new Map<string, Parameter>();
      for (const [name, { dims, isFrozen }] of initial)
        if (!isFrozen) tuned.set(name, { dims, data: await file.readFloat32(peftPrefix + name) });
      file.close();
      const { metrics } = openRun(join(folderOf(round), "run"));
      const last = metrics.findLast((line) => "loss" in line);
      const tokens = metrics.reduce((sum, line) => sum + ("tokens" in line ? Number(line.tokens) : 0), 0);
      const hide = async () => {
        const trained = await decodeTensors(begins, `what round ${round} begins with`);
        const keys = keysOf(round, attempt.attempt);
        return hideUpdate(tuned, trained, hiding!, { run: rounds.run, client, attempt, keys });
      };
      return {
        update: hiding ? await hide() : await encodeTrained(tuned),
        figures: { tokens, ...(last && "loss" in last && { loss: Number(last.loss) }) },
      };
    },
    forget: (round) => remove(folderOf(round)),
  };
}

function outputOf({ output, folder }: RunResult): string {
  if (output === undefined)
    throw new InputError(`The run in ${folder} was stopped; give the same command again to go on.`);
  return output;
}
