/** @file Folders that are computed in parts: studies, and evaluations' requests in shards. */

import { existsSync } from "node:fs";
import { answerShard } from "../evaluation/shards/answer-shard.ts";
import {
  isAnswered,
  readShardsConfig,
  type ShardsFolder,
  shardsFolder,
} from "../evaluation/shards/shards-folder.ts";
import { kindOf } from "./kinds.ts";
import { readStudyConfig } from "./study-config.ts";
import { studyFolder } from "./study-folder.ts";
import type { Part } from "./study-kind.ts";

/** What all that is computed in parts has: where it is, and what is asked of it. */
export interface PartsFolder {
  readonly path: string;
  /** All options, some of which name models and files. */
  readonly config: string;
  /** The machines that computed parts. */
  readonly machines: string;
  /** Files that no part writes. */
  readonly own: readonly string[];
}

/** Reads the options in a folder. @throws InputError if there are none, or they are not valid. */
export function readPartsConfig(path: string): object {
  const shards = shardsFolder(path);
  return existsSync(shards.config) ? readShardsConfig(shards) : readStudyConfig(studyFolder(path).config);
}

/** Lists the parts of a folder, from its files alone. @throws InputError as {@link readPartsConfig}. */
export async function listParts(path: string): Promise<readonly Part[]> {
  const shards = shardsFolder(path);
  if (existsSync(shards.config)) return listShards(shards);
  const folder = studyFolder(path);
  const config = readStudyConfig(folder.config);
  return (await kindOf(config).listParts(config, folder)).parts;
}

/** A part for each shard, in their order. */
export function listShards(folder: ShardsFolder): Part[] {
  const { type, shards } = readShardsConfig(folder);
  return Array.from({ length: shards }, (_, i) => i + 1).map((shard) => ({
    name: `${type}, shard ${shard} of ${shards}`,
    cell: String(shard),
    isIndependent: true,
    isDone: () => isAnswered(folder, shard),
    compute: ({ onProgress }) => answerShard(folder, shard, onProgress),
  }));
}
