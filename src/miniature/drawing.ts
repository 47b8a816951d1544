/** @file Seeded draws from tables, and the split that keeps tuning and held-out items apart. */

import type { Random } from "../core/random.ts";

/** One element of a table, each as likely as the others. */
export function pick<T>(random: Random, table: readonly T[]): T {
  return table[random.below(table.length)]!;
}

/** Two different elements of a table. */
export function pickTwo<T>(random: Random, table: readonly T[]): [T, T] {
  const first = random.below(table.length);
  const second = (first + 1 + random.below(table.length - 1)) % table.length;
  return [table[first]!, table[second]!];
}

/** A whole number from `low` to `high`, both included. */
export function between(random: Random, low: number, high: number): number {
  return low + random.below(high - low + 1);
}

/** An element drawn with probability proportional to its `weight`, a positive whole number. */
export function pickWeighted<T extends { weight: number }>(random: Random, table: readonly T[]): T {
  let ticket = random.below(table.reduce((sum, row) => sum + row.weight, 0));
  for (const row of table) {
    ticket -= row.weight;
    if (ticket < 0) return row;
  }
  throw new RangeError("A weighted table needs positive whole weights.");
}

/** Which of a domain's two disjoint halves an item belongs to. */
export type Split = "train" | "held-out";

/**
 * The split that owns a combination of numbers or entities, such as `"gain 3 4"`: one in five is held out. It
 * depends on the key alone, so that no combination can be in both splits, whatever the seed (FNV-1a hash, 32 bits).
 */
export function splitOf(key: string): Split {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193) >>> 0;
  return (hash >>> 8) % 5 === 0 ? "held-out" : "train";
}
