/** @file Demonstrations drawn at random. */

import { createHash } from "node:crypto";
import { createRandom } from "../core/random.ts";
import type { DemonstrationSelector } from "../evaluation/demonstration-selector.ts";

/** Draws without replacement, all alike likely. A draw is named by the seed and the query's text, whatever else is asked. */
export function randomSelector(seed = 0): DemonstrationSelector {
  return {
    name: "random",
    prepare: async (_pool, queries) => (query, candidates, k) => {
      const random = createRandom(seed, hashText(queries[query]!.text));
      const left = [...candidates];
      return Array.from({ length: k }, () => left.splice(random.below(left.length), 1)[0]!);
    },
  };
}

function hashText(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32LE();
}
