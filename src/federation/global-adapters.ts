/** @file The server's adapters, which no client is sent, by their hash. */

import { join } from "node:path";
import type { Parameters } from "../core/adapters/parameters.ts";
import { InputError } from "../core/errors.ts";
import { readWhole } from "../node/files/read.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { hashOf } from "../transport/transport.ts";
import { decodeTensors, encodeTrained } from "./tensors.ts";
import { withFrozen } from "./tuning.ts";

export interface GlobalAdapters {
  keep(parameters: Parameters): Promise<string>;
  /** @throws InputError if the folder does not hold it */
  load(hash: string): Promise<Parameters>;
}

/** @param initial with what is frozen in all of them */
export function openGlobalAdapters(folder: string, initial: Parameters): GlobalAdapters {
  const pathOf = (hash: string) => join(folder, `${hash}.safetensors`);
  return {
    async keep(parameters) {
      const bytes = await encodeTrained(parameters);
      const hash = hashOf(bytes);
      makeFolder(folder);
      writeWhole(pathOf(hash), bytes);
      return hash;
    },
    async load(hash) {
      const path = pathOf(hash);
      const bytes = readWhole(path, { isOptional: true });
      if (!bytes || hashOf(bytes) !== hash)
        throw new InputError(
          `${path}, the server's adapter of the round before, is missing or damaged; restore the folder, or begin a new run.`,
        );
      return withFrozen(initial, await decodeTensors(bytes, path));
    },
  };
}
