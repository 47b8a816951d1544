/** @file FedLLM at a client: some steps of tuning on its own data, from where the round begins. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { readText } from "../../node/files/read.ts";
import { makeFolder, remove, writeWhole } from "../../node/files/write.ts";
import type { RunEvents } from "../../node/training/run-events.ts";
import {
  clientModelOf,
  countNumbers,
  countTrained,
  fedLlmBytes,
  trainingMultiplyAdds,
  workFigures,
} from "../accounting.ts";
import { aggregations } from "../aggregation/aggregations.ts";
import { withResidual } from "../aggregation/residual-adapter.ts";
import { roundFolder, tuneLocally } from "../local-tuning.ts";
import { createMaskKeys, readMaskKeys, writeMaskKeys } from "../privacy/secure-aggregation.ts";
import type { RoundOptions } from "../rounds/documents.ts";
import type { MemberPart } from "../rounds/framework.ts";
import { encodeTrained } from "../tensors.ts";
import { type OwnOptions, runConfigOf, runOptionsOf, type TaskAdapter } from "../tuning.ts";
import { longestBeginning, readBeginning } from "./beginning.ts";
import { atRank, fitBeginning } from "./own-rank.ts";
import { hideUpdate } from "./private-sum.ts";
import { type FedLlmTask, hidingOf } from "./task.ts";

export interface FedLlmMemberOptions {
  readonly rounds: RoundOptions;
  readonly client: string;
  readonly task: FedLlmTask;
  readonly own: OwnOptions;
  /** The task's adapter on the member's model. */
  readonly adapter: TaskAdapter;
  /** Rows of its data. */
  readonly examples: number;
  /** Where it is another than the task's. */
  readonly rank?: number | undefined;
  /** Where its rounds' runs are. */
  readonly folder: string;
  readonly events?: RunEvents;
}

/** @throws InputError if the task's options are bad, or it does not take the client's rank. */
export function createFedLlmMember({
  rounds,
  client,
  task,
  own,
  adapter,
  examples,
  rank,
  folder,
  events = {},
}: FedLlmMemberOptions): MemberPart {
  const ownTask = rank === undefined ? task : atRank(task, rank);
  const options = runOptionsOf(ownTask, own);
  const config = runConfigOf(ownTask, own);
  const { initial, model } = adapter;
  const { leavesResidual } = aggregations[task.aggregation];
  const folderOf = (round: number) => roundFolder(folder, round);
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
    longestBeginning: longestBeginning(initial, leavesResidual),
    ...(hiding?.masks && { keyOf: (round, attempt) => keysOf(round, attempt).publicKey }),
    async update(attempt, begins, signal) {
      const { round } = attempt;
      const { parameters, residual } = await readBeginning(
        begins,
        initial,
        `what round ${round} begins with`,
      );
      const seed = config.seed + round - 1;
      const mine =
        ownTask === task
          ? { adapter, parameters }
          : await fitBeginning({ ...adapter, parameters }, { ...config, seed });
      const { tuned, tokens, seconds, loss } = await tuneLocally({
        ...{ folder: folderOf(round), options, seed, adapter: mine.adapter },
        begins: async () => mine.parameters,
        events: {
          ...{ ...events, ...(signal && { signal }) },
          adapt: (adaptation) => withResidual(adaptation, residual),
        },
      });
      const hide = () => {
        const keys = keysOf(round, attempt.attempt);
        return hideUpdate(tuned, parameters, hiding!, { run: rounds.run, client, attempt, keys });
      };
      return {
        update: hiding ? await hide() : await encodeTrained(tuned),
        figures: {
          ...{ tokens, ...(loss !== undefined && { loss }) },
          ...workFigures(
            fedLlmBytes({
              sent: countTrained(mine.adapter.initial),
              received: countTrained(initial) + countNumbers(residual),
              bytes: 4,
            }),
            trainingMultiplyAdds(
              clientModelOf(model, [...mine.adapter.initial.values(), ...residual.values()]),
              tokens,
            ),
            seconds,
          ),
        },
      };
    },
    forget: (round) => remove(folderOf(round)),
  };
}
