/** @file One client's part of a round as a command, for frameworks whose clients are programs in other languages. */

import { InputError } from "../core/errors.ts";
import { resolveDataset } from "../node/data/hub-dataset.ts";
import { withLock } from "../node/files/lock.ts";
import { readWhole } from "../node/files/read.ts";
import { remove, writeWhole } from "../node/files/write.ts";
import type { RunEvents } from "../node/training/run-events.ts";
import { hashOf } from "../transport/transport.ts";
import { countRows } from "./divide-rows.ts";
import { createFedLlmMember } from "./fedllm/member-part.ts";
import { fedLlmTask } from "./fedllm/task.ts";
import { type Figures, roundOptions } from "./rounds/documents.ts";
import { decodeTensors, encodeTrained } from "./tensors.ts";
import { checkTuning, type OwnOptions, openTaskAdapter, runConfigOf, type TuningTask } from "./tuning.ts";

export interface StepOptions extends TuningTask {
  readonly own: OwnOptions;
  /** Of which data order and dropout are drawn, with the seed. */
  readonly round: number;
  /** File of the tensors that the round begins with. Default: the adapter that the task's seed draws. */
  readonly begins?: string;
  /** File for the tensors that it ends with. */
  readonly out: string;
}

export interface StepResult {
  /** Rows that the client has, by which an average weights it. */
  readonly examples: number;
  readonly figures: Figures;
}

const origin = "The step's tuning";

/**
 * Writes the trained tensors, as safetensors, that a first round begins with.
 *
 * @throws InputError if the model or an option is bad.
 */
export async function writeBeginning({ tuning, own, out }: Omit<StepOptions, "round">): Promise<void> {
  checkTuning({ tuning }, origin);
  const { initial } = await openTaskAdapter(runConfigOf({ tuning }, own, origin));
  writeWhole(out, await encodeTrained(initial));
}

/**
 * Tunes from tensors to tensors: what a client of federated tuning does in a round. It goes on after a kill, from its last checkpoint, if it
 * is asked the same again.
 *
 * @throws InputError if the model, the data or an option is bad, or the tensors are not those of the task's adapter.
 */
export async function tuneStep(
  { tuning, own, round, begins, out }: StepOptions,
  { signal, ...events }: RunEvents & { readonly signal?: AbortSignal } = {},
): Promise<StepResult> {
  checkTuning({ tuning }, origin);
  const task = fedLlmTask.parse({ framework: "fedllm", aggregation: "fedavg", tuning });
  const config = runConfigOf(task, own, origin);
  const adapter = await openTaskAdapter(config);
  const bytes = begins === undefined ? await encodeTrained(adapter.initial) : readWhole(begins);
  await checkBeginning(bytes, adapter.initial, begins ?? "the beginning");
  const examples = await countRows(await resolveDataset(config.data, config.data_split));
  const asked = hashOf(Buffer.concat([Buffer.from(JSON.stringify([task, own, round])), bytes]));
  const folder = `${out}.${asked.slice(0, 12)}`;
  const result = await withLock(folder, "step", async () => {
    const client = "step";
    const rounds = roundOptions.parse({ run: "step", clients: [client] });
    const part = createFedLlmMember({ rounds, client, task, own, adapter, examples, folder, events });
    const attempt = { round, attempt: 1, participants: [{ client, examples }] };
    const { update, figures } = await part.update(attempt, bytes, signal);
    writeWhole(out, update);
    return { examples, figures };
  });
  remove(folder);
  return result;
}

async function checkBeginning(
  bytes: Uint8Array,
  initial: ReadonlyMap<string, { readonly dims: readonly number[]; readonly isFrozen?: boolean }>,
  name: string,
): Promise<void> {
  const given = await decodeTensors(bytes, name);
  for (const tensor of given.keys())
    if (initial.get(tensor)?.isFrozen !== undefined || !initial.has(tensor))
      throw new InputError(`${name} holds the tensor "${tensor}", which is none that these options train.`);
  for (const [tensor, { dims, isFrozen }] of initial)
    if (!isFrozen && given.get(tensor)?.dims.join() !== dims.join())
      throw new InputError(
        `${name} holds no tensor "${tensor}" of the shape [${dims.join(", ")}]; give the same model and options as the others.`,
      );
}
