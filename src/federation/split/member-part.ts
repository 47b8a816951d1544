/** @file Split learning at a client: some steps through its first blocks and, over the cut, the server's others. */

import { clientModelOf, countTrained, splitBytes, trainingMultiplyAdds, workFigures } from "../accounting.ts";
import type { MemberPart } from "../rounds/framework.ts";
import { encodeTrained } from "../tensors.ts";
import { type OwnOptions, runConfigOf, withFrozen } from "../tuning.ts";
import { bytesPerRow } from "./codecs.ts";
import { longestBeginning, readClientSide, type SplitServer } from "./server-part.ts";
import type { SplitTask } from "./task.ts";

export interface SplitMemberOptions {
  readonly client: string;
  readonly task: SplitTask;
  readonly own: OwnOptions;
  /** In the same process: each step passes through it. */
  readonly server: SplitServer;
  /** Rows of its data. */
  readonly examples: number;
}

/** @throws InputError if the task's options are bad. */
export function createSplitMember({ client, task, own, server, examples }: SplitMemberOptions): MemberPart {
  const { seed: firstSeed } = runConfigOf(task, own);
  const { adapter, halves } = server;
  const { hiddenSize } = adapter.model;
  const ofClient = halves.divide(adapter.initial).client;
  const uShaped = task.variant === "u-shaped";
  let [sent, received] = [0, 0];
  return {
    examples,
    longestBeginning: longestBeginning(ofClient),
    // What a kill has cut off begins anew: the server's side of a step that was not ended is in no file.
    async update({ round }, begins) {
      const started = performance.now();
      const ofServer = halves.divide((await server.adapterOf(begins)).parameters).server;
      const told = new Map([...ofServer, ...(await readClientSide(begins, round))]);
      const before = halves.traffic();
      const { parameters, tokens, crossed, losses } = await halves.tune(withFrozen(adapter.initial, told), {
        ...{ data: own.data, seed: firstSeed + round - 1 },
      });
      const after = halves.traffic();
      sent += after.sent - before.sent;
      received += after.received - before.received;
      const tuned = halves.divide(parameters);
      await server.keepSide(round, client, tuned.server);
      const bytes = splitBytes({
        ...{ positions: crossed.positions, hiddenSize, uShaped },
        bytes: bytesPerRow(task.dtype, hiddenSize) / hiddenSize,
        labels: uShaped ? 0 : crossed.labels,
        clientParameters: countTrained(ofClient),
      });
      const model = clientModelOf(adapter.model, [...ofClient.values()], {
        blocks: task.cut,
        hasHead: uShaped,
      });
      return {
        update: await encodeTrained(tuned.client),
        figures: {
          ...{ tokens, loss: losses.at(-1)! },
          ...workFigures(bytes, trainingMultiplyAdds(model, tokens), (performance.now() - started) / 1000),
        },
      };
    },
    trafficOfSteps: () => ({ sent, received }),
    forget: () => {},
  };
}
