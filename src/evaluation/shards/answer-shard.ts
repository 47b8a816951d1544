/** @file Answers a shard of an evaluation's requests, as one process that is asked all of them would. */

import type { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { withLock } from "../../node/files/lock.ts";
import { writeWhole } from "../../node/files/write.ts";
import { openAnswerLog } from "../answer-log.ts";
import type { Answer, ModelRequest } from "../language-model.ts";
import { slimtuneVersion } from "../model-identity.ts";
import { openModelToAsk } from "../open-model-to-ask.ts";
import { answerShapes, checkFinite, hashRequest } from "../recorded-answers.ts";
import { describeMachine } from "../results.ts";
import {
  readRequests,
  readShardsConfig,
  type ShardsConfig,
  type ShardsFolder,
  type ShardWork,
} from "./shards-folder.ts";

/**
 * Answers the requests of a shard that are not answered yet. All of the folder's requests decide what is computed together, so
 * that log-likelihoods do not depend on the division or on interruptions.
 *
 * @param onProgress is told in a few words how far it is
 * @throws InputError if the model is not the one that the folder names, or this is another version than has made the folder.
 */
export async function answerShard(
  folder: ShardsFolder,
  shard: number,
  onProgress: (text: string) => void,
): Promise<void> {
  const config = readShardsConfig(folder);
  if (config.slimtune !== slimtuneVersion)
    throw new InputError(
      `${folder.config} is of slimtune ${config.slimtune}, and this machine has ${slimtuneVersion}; install the same version on all machines.`,
    );
  const { path, answers, done } = folder.shard(shard);
  await withLock(path, "shard", async () => {
    const all = readRequests(folder, config.type);
    onProgress("reading the model");
    const { model, release } = await openModelOf(config);
    const log = openAnswerLog(answers);
    try {
      const shape: z.ZodType<Answer> = answerShapes[config.type];
      const isAnswered = (request: ModelRequest) => log.find(hashRequest(request), shape) !== undefined;
      const wanted = all.map((one) => one.shard === shard && !isAnswered(one.request));
      const total = wanted.filter((isWanted) => isWanted).length;
      let answered = 0;
      await model.answerSome(
        config.type,
        all.map(({ request }) => request),
        (index) => wanted[index]!,
        (index, answer) => {
          checkFinite(answer);
          log.append(hashRequest(all[index]!.request), answer);
          onProgress(`${++answered}/${total}`);
        },
      );
      const work: ShardWork = { tokens: { ...model.tokenCounts }, machine: describeMachine() };
      writeWhole(done, `${JSON.stringify(work)}\n`);
    } finally {
      log.close();
      await release();
    }
  });
}

/** Opens the model, which must be the same to the last bit of its files. */
async function openModelOf({
  model,
  adapter,
  storage,
  arithmetic,
  bits,
  device,
  batch_size: batchSize,
  ...config
}: ShardsConfig) {
  const { local, identity, release } = await openModelToAsk(
    {
      ...{ model, storage, arithmetic, bits, device },
      ...(adapter !== null && { adapter }),
      ...(batchSize !== null && { batchSize }),
    },
    false,
  );
  const other =
    identity.sha256 !== config.model_sha256
      ? model
      : (identity.adapter?.sha256 ?? null) !== config.adapter_sha256
        ? adapter
        : undefined;
  if (!local || other !== undefined) {
    await release();
    throw new InputError(
      `${other ?? model} has other files on this machine than where the evaluation was begun; give its path, so that it is sent, or have both machines fetch it from the Hub anew.`,
    );
  }
  return { model: local, release };
}
