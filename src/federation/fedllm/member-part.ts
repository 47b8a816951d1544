/** @file FedLLM at a client: some steps of tuning on its own data, from where the round begins. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Parameter } from "../../core/adapters/parameters.ts";
import { peftPrefix } from "../../core/adapters/peft-config.ts";
import { InputError } from "../../core/errors.ts";
import { makeFolder, remove } from "../../node/files/write.ts";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { fineTune, type RunResult } from "../../node/training/fine-tune.ts";
import { openRun } from "../../node/training/open-run.ts";
import { parseRunConfig } from "../../node/training/run-config.ts";
import type { RunEvents } from "../../node/training/run-events.ts";
import { runFolder } from "../../node/training/run-folder.ts";
import type { MemberPart } from "../rounds/framework.ts";
import { decodeTensors, encodeTrained, longestEncoding } from "../tensors.ts";
import { type FedLlmTask, type OwnOptions, openTaskAdapter, runOptionsOf } from "./task.ts";

export interface FedLlmMemberOptions {
  readonly task: FedLlmTask;
  readonly own: OwnOptions;
  /** Rows of its data. */
  readonly examples: number;
  /** Where its rounds' runs are. */
  readonly folder: string;
  readonly events?: RunEvents;
}

/** @throws InputError if the model cannot be read, or the task's options are bad. */
export async function openFedLlmMember({
  task,
  own,
  examples,
  folder,
  events = {},
}: FedLlmMemberOptions): Promise<MemberPart> {
  const options = runOptionsOf(task, own);
  const config = parseRunConfig(options, "The federation's tuning");
  const { initial, write } = await openTaskAdapter(config);
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
  return {
    examples,
    longestBeginning: longestEncoding(initial),
    async update(round, begins, signal) {
      const output = await tune(round, begins, signal);
      const file = await openSafetensorsFile(join(output, "adapter_model.safetensors"));
      const tuned = new Map<string, Parameter>();
      for (const [name, { dims, isFrozen }] of initial)
        if (!isFrozen) tuned.set(name, { dims, data: await file.readFloat32(peftPrefix + name) });
      file.close();
      const { metrics } = openRun(join(folderOf(round), "run"));
      const last = metrics.findLast((line) => "loss" in line);
      const tokens = metrics.reduce((sum, line) => sum + ("tokens" in line ? Number(line.tokens) : 0), 0);
      return {
        update: await encodeTrained(tuned),
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
