/** @file Vectors of texts by a model, which are computed once and kept. */

import { createHash } from "node:crypto";
import type { Model } from "../core/models/model.ts";
import { slimtuneVersion } from "../evaluation/model-identity.ts";
import { cachePath } from "../node/cache-folder.ts";
import { readWhole } from "../node/files/read.ts";
import { makeFolder, writeWhole } from "../node/files/write.ts";
import { hashFiles } from "../node/models/hash-files.ts";

/** A vector [hiddenSize] for each text, in their order. */
export type Embed = (
  texts: readonly string[],
  onText?: (done: number, total: number) => void,
) => Promise<Float32Array[]>;

/** Texts of one file: so many at most have to be read again if the process is ended. */
const textsOfFile = 256;

/**
 * Keeps vectors in memory, and in the user's folder of caches under the hash of the model's files, the kind of vectors and the
 * texts.
 *
 * @param kind of vectors, with all that decides them beside the model and the texts
 */
export function keepVectors(model: Model, kind: string, embed: Embed): Embed {
  const known = new Map<string, Float32Array>();
  const { hiddenSize } = model.config;
  let modelHash: Promise<string> | undefined;

  const embedFile = async (texts: readonly string[]): Promise<void> => {
    modelHash ??= hashFiles(model.path);
    const key = [slimtuneVersion, await modelHash, model.weights.storage, kind, texts];
    const name = createHash("sha256").update(JSON.stringify(key)).digest("hex");
    const path = cachePath("embeddings", `${name}.f32`);
    const found = readWhole(path, { isOptional: true });
    if (found?.length === 4 * texts.length * hiddenSize) {
      const values = new Float32Array(new Uint8Array(found).buffer);
      for (const [i, text] of texts.entries())
        known.set(text, values.subarray(i * hiddenSize, (i + 1) * hiddenSize));
      return;
    }
    const vectors = await embed(texts);
    const whole = new Float32Array(texts.length * hiddenSize);
    for (const [i, vector] of vectors.entries()) {
      whole.set(vector, i * hiddenSize);
      known.set(texts[i]!, vector);
    }
    makeFolder(cachePath("embeddings"));
    writeWhole(path, new Uint8Array(whole.buffer));
  };

  return async (texts, onText) => {
    const missing = [...new Set(texts)].filter((text) => !known.has(text));
    for (let start = 0; start < missing.length; start += textsOfFile) {
      onText?.(start, missing.length);
      await embedFile(missing.slice(start, start + textsOfFile));
    }
    return texts.map((text) => known.get(text)!);
  };
}
