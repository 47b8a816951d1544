/** @file A language model whose requests are answered in shards, by processes of this machine or of others. */

import { join } from "node:path";
import {
  type Answer,
  answering,
  type LanguageModel,
  type ModelRequest,
  type OnResult,
  type RequestType,
} from "../language-model.ts";
import type { LocalModel } from "../local-model.ts";
import { type ModelIdentity, slimtuneVersion } from "../model-identity.ts";
import { hashRequest } from "../recorded-answers.ts";
import {
  holdsRequests,
  isAnswered,
  readRequests,
  readShard,
  readShardsConfig,
  type ShardsConfig,
  type ShardsFolder,
  shardsFolder,
  writeShards,
} from "./shards-folder.ts";

/** Who answers shards. */
export interface ShardWorkers {
  /** How many are answered at once at most. */
  readonly count: number;
  /**
   * Has shards of a folder answered; each is then in the folder.
   *
   * @throws InputError if one cannot be answered; the reason of what interrupted it.
   */
  answer(folder: ShardsFolder, shards: readonly number[], events: ShardEvents): Promise<void>;
}

export interface ShardEvents {
  /** Says in a few words how far a shard is. */
  onProgress(shard: number, text: string): void;
  /** A shard was answered. */
  onAnswered(shard: number): void;
}

export interface ShardedModelOptions {
  readonly identity: ModelIdentity;
  readonly batchSize: number | undefined;
  /** Where the shards are kept. */
  readonly folder: string;
  readonly workers: ShardWorkers;
  onProgress?(text: string): void;
}

/** A shard has so many requests at least, since its worker opens the model for it. */
const leastRequests = 8;
/** Shards for each worker, so that all end at about the same time; and shards if it is not known how many workers there are. */
const shardsPerWorker = 4;
const shardsOfFleet = 32;

/**
 * Has requests answered by workers, as `model` would answer them. Its folder keeps the division, so that an evaluation that was
 * interrupted goes on with the shards that are left.
 */
export function shardedModel(model: LocalModel, options: ShardedModelOptions): LanguageModel {
  const { workers, identity } = options;
  const tokenCounts = { scored: 0, generated: 0 };

  const openShards = async <T extends RequestType>(
    type: T,
    requests: readonly ModelRequest<T>[],
  ): Promise<ShardsFolder> => {
    const folder = shardsFolder(join(options.folder, type));
    const config: Omit<ShardsConfig, "shards"> = {
      ...{ slimtune: slimtuneVersion, type },
      model: identity.name,
      model_sha256: identity.sha256,
      adapter: identity.adapter?.path ?? null,
      adapter_sha256: identity.adapter?.sha256 ?? null,
      storage: identity.storage as ShardsConfig["storage"],
      arithmetic: identity.arithmetic ?? "float32",
      bits: identity.bits,
      device: identity.device ?? "cpu",
      batch_size: options.batchSize ?? null,
    };
    if (!holdsRequests(folder, config, requests)) {
      const most = Number.isFinite(workers.count) ? shardsPerWorker * workers.count : shardsOfFleet;
      const count = Math.max(1, Math.min(most, Math.floor(requests.length / leastRequests)));
      await writeShards(folder, config, requests, model.divide(type, requests, count));
    }
    return folder;
  };

  async function answer<T extends RequestType>(
    type: T,
    requests: readonly ModelRequest<T>[],
    onResult: OnResult<Answer<T>> | undefined,
  ): Promise<Answer<T>[]> {
    const folder = await openShards(type, requests);
    const { shards: count } = readShardsConfig(folder);
    const keysOf = new Map<number, Set<string>>();
    const shardOf = new Map<string, number>();
    for (const { shard, request } of readRequests(folder, type)) {
      const key = hashRequest(request);
      keysOf.set(shard, (keysOf.get(shard) ?? new Set()).add(key));
      shardOf.set(key, shard);
    }
    const indicesOf = new Map<number, number[]>();
    for (const [index, request] of requests.entries()) {
      const shard = shardOf.get(hashRequest(request))!;
      const others = indicesOf.get(shard);
      if (others) others.push(index);
      else indicesOf.set(shard, [index]);
    }

    const results = new Array<Answer<T>>(requests.length);
    const take = (shard: number) => {
      const { answers, work } = readShard(folder, shard, type, keysOf.get(shard)!);
      tokenCounts.scored += work.tokens.scored;
      tokenCounts.generated += work.tokens.generated;
      for (const index of indicesOf.get(shard)!) {
        results[index] = answers.get(hashRequest(requests[index]!))!;
        onResult?.(index, results[index]);
      }
    };
    const asked = [...indicesOf.keys()];
    for (const shard of asked) if (isAnswered(folder, shard)) take(shard);
    await workers.answer(
      folder,
      asked.filter((shard) => !isAnswered(folder, shard)),
      {
        onAnswered: take,
        onProgress: (shard, text) => options.onProgress?.(`${type}, shard ${shard} of ${count}: ${text}`),
      },
    );
    return results;
  }

  return {
    maxLength: model.maxLength,
    chatTemplate: model.chatTemplate,
    canScore: (request) => model.canScore?.(request) ?? true,
    applyChatTemplate: (messages) => model.applyChatTemplate(messages),
    tokenCounts,
    ...answering(answer),
  };
}
