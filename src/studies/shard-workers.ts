/** @file Workers of parts as those of an evaluation's shards. */

import { InputError } from "../core/errors.ts";
import type { ShardWorkers } from "../evaluation/shards/sharded-model.ts";
import { listShards } from "./parts-folder.ts";
import { inOrder } from "./parts-in-order.ts";
import type { Workers } from "./run-part.ts";

/**
 * Has shards answered by workers.
 *
 * @param signal aborting it ends the evaluation with the signal's reason; answers that have come are kept
 * @example
 * await runEvaluation({ model: "model.gguf", tasks: ["gsm8k"], workers: shardWorkers(localWorkers(2)) });
 */
export function shardWorkers(workers: Workers, signal?: AbortSignal): ShardWorkers {
  return {
    count: workers.count,
    async answer(folder, shards, { onProgress, onAnswered }) {
      const parts = listShards(folder);
      const asked = shards.map((shard) => parts[shard - 1]!);
      const outcome = await inOrder(asked, workers.count, signal, async (part, index, stop) => {
        const shard = shards[index]!;
        const computed = await workers.run(folder, part, (text) => onProgress(shard, text), stop);
        if (computed.type === "interrupted") return false;
        if (computed.type === "failed") throw new InputError(`${part.name}: ${computed.message}`);
        onAnswered(shard);
        return true;
      });
      if (outcome === "interrupted") throw signal?.reason;
    },
  };
}
