/** @file The server's adapters, which no client is sent whole: a round begins with the hash of one. */

import { join } from "node:path";
import type { Parameters } from "../core/adapters/parameters.ts";
import { InputError } from "../core/errors.ts";
import { readWhole } from "../node/files/read.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { hashOf } from "../transport/transport.ts";
import { decodeTensors, encodeTrained } from "./tensors.ts";
import { withFrozen } from "./tuning.ts";

/** Bytes of the SHA-256 with which a round's beginning starts. */
export const hashBytes = 32;

export interface GlobalAdapters {
  /** @returns the hash, {@link hashBytes} */
  keep(parameters: Parameters): Promise<Uint8Array>;
  /** That which a round begins with. @throws InputError if the folder does not hold it */
  load(beginning: Uint8Array): Promise<Parameters>;
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
      return Buffer.from(hash, "hex");
    },
    async load(beginning) {
      const hash = Buffer.from(beginning.subarray(0, hashBytes)).toString("hex");
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
