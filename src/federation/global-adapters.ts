/** @file The server's adapters, which no client is sent whole: a round begins with the hash of one. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Parameters } from "../core/adapters/parameters.ts";
import { InputError } from "../core/errors.ts";
import { readWhole } from "../node/files/read.ts";
import { makeFolder, remove, writeWhole } from "../node/files/write.ts";
import { hashOf } from "../transport/transport.ts";
import { decodeTensors, encodeTrained } from "./tensors.ts";
import { withFrozen } from "./tuning.ts";

/** Bytes of the SHA-256 with which a round's beginning starts. */
export const hashBytes = 32;

export interface GlobalAdapters {
  /**
   * Keeps what a round ended with, and of those before only what the round began with, since a kill may ask for it again.
   *
   * @param begins the round's beginning; undefined before the first
   * @returns the hash, {@link hashBytes}
   */
  keep(parameters: Parameters, begins?: Uint8Array): Promise<Uint8Array>;
  /** That which a round begins with. @throws InputError if the folder does not hold it */
  load(beginning: Uint8Array): Promise<Parameters>;
}

/** @param initial with what is frozen in all of them */
export function openGlobalAdapters(folder: string, initial: Parameters): GlobalAdapters {
  const nameOf = (hash: string) => `${hash}.safetensors`;
  const hashIn = (beginning: Uint8Array) => Buffer.from(beginning.subarray(0, hashBytes)).toString("hex");
  return {
    async keep(parameters, begins) {
      const bytes = await encodeTrained(parameters);
      const hash = hashOf(bytes);
      makeFolder(folder);
      writeWhole(join(folder, nameOf(hash)), bytes);
      if (begins) {
        const kept = new Set([hash, hashIn(begins)].map(nameOf));
        for (const name of readdirSync(folder)) if (!kept.has(name)) remove(join(folder, name));
      }
      return Buffer.from(hash, "hex");
    },
    async load(beginning) {
      const hash = hashIn(beginning);
      const path = join(folder, nameOf(hash));
      const bytes = readWhole(path, { isOptional: true });
      if (!bytes || hashOf(bytes) !== hash)
        throw new InputError(
          `${path}, the server's adapter of the round before, is missing or damaged; restore the folder, or begin a new run.`,
        );
      return withFrozen(initial, await decodeTensors(bytes, path));
    },
  };
}
