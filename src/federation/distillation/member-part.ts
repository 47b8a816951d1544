/** @file Distillation at a client: its own adapter is taught what the server has told, tuned on its own data, and asked about the public texts. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Parameters } from "../../core/adapters/parameters.ts";
import { readWhole } from "../../node/files/read.ts";
import { makeFolder, remove, writeWhole } from "../../node/files/write.ts";
import type { RunEvents } from "../../node/training/run-events.ts";
import { clientModelOf, distillationBytes, distillationMultiplyAdds, workFigures } from "../accounting.ts";
import { roundFolder, tuneLocally } from "../local-tuning.ts";
import type { MemberPart } from "../rounds/framework.ts";
import { decodeTensors, encodeTrained } from "../tensors.ts";
import { type OwnOptions, runConfigOf, runOptionsOf, type TaskAdapter, withFrozen } from "../tuning.ts";
import type { PublicLearner } from "./public-learner.ts";
import { longestBeginning, readTold } from "./server-part.ts";
import type { DistillationTask } from "./task.ts";

export interface DistillationMemberOptions {
  readonly task: DistillationTask;
  readonly own: OwnOptions;
  /** The task's adapter on the member's model. */
  readonly adapter: TaskAdapter;
  readonly learner: PublicLearner;
  /** Rows of its data. */
  readonly examples: number;
  /** Where its rounds' runs and its own adapter are. */
  readonly folder: string;
  readonly events?: RunEvents;
}

/** @throws InputError if the task's options are bad. */
export function createDistillationMember({
  task,
  own,
  adapter,
  learner,
  examples,
  folder,
  events = {},
}: DistillationMemberOptions): MemberPart {
  const options = runOptionsOf(task, own);
  const { seed: firstSeed } = runConfigOf(task, own);
  const { initial, model } = adapter;
  const kept = createOwnAdapters(join(folder, "own"), initial);
  return {
    examples,
    longestBeginning: longestBeginning(learner),
    async update({ round }, begins, signal) {
      const told = readTold(begins, learner);
      const seed = firstSeed + round - 1;
      const started = performance.now();
      const taught = async () => {
        const before = await kept.before(round);
        return told ? (await learner.teach(before, told, seed)).parameters : before;
      };
      const { tuned, tokens, loss } = await tuneLocally({
        ...{ folder: roundFolder(folder, round), options, seed, adapter, begins: taught },
        events: { ...events, ...(signal && { signal }) },
      });
      const parameters = withFrozen(initial, tuned);
      await kept.keep(round, parameters);
      const update = learner.encode(await learner.predict(parameters));
      const bytes = distillationBytes({ ...learner.shape, positions: learner.shape.count, bytes: 4 });
      const work = distillationMultiplyAdds(clientModelOf(model, [...initial.values()]), {
        ...{ tuned: tokens, taught: told ? learner.taughtTokens : 0, predicted: learner.tokens },
      });
      return {
        update,
        figures: {
          ...{ tokens, ...(loss !== undefined && { loss }) },
          ...workFigures(
            { up: bytes.up, down: told ? bytes.down : 0 },
            work,
            (performance.now() - started) / 1000,
          ),
        },
      };
    },
    forget: (round) => remove(roundFolder(folder, round)),
  };
}

/** A client's own adapter after each round that it took part in: the last two, of which one is what a round begins with. */
function createOwnAdapters(folder: string, initial: Parameters) {
  const fileOf = (round: number) => `${String(round).padStart(5, "0")}.safetensors`;
  const list = () =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter((n) => /^\d+\.safe/.test(n))
          .sort()
      : [];
  return {
    async before(round: number): Promise<Parameters> {
      const newest = list().findLast((name) => name < fileOf(round));
      if (newest === undefined) return initial;
      const path = join(folder, newest);
      return withFrozen(initial, await decodeTensors(readWhole(path), path));
    },
    async keep(round: number, parameters: Parameters): Promise<void> {
      makeFolder(folder);
      writeWhole(join(folder, fileOf(round)), await encodeTrained(parameters));
      const older = list().filter((name) => name < fileOf(round));
      for (const name of older.slice(0, -1)) remove(join(folder, name));
    },
  };
}
