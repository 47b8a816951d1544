/** @file Golden values by SciPy and statsmodels, made by reference/paired_statistics.py. */

import { readFileSync } from "node:fs";

interface PairedValues {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

interface Golden {
  readonly normalQuantile: readonly { readonly p: number; readonly z: number }[];
  readonly wilson: readonly {
    readonly successes: number;
    readonly n: number;
    readonly level: number;
    readonly low: number;
    readonly high: number;
  }[];
  readonly mcnemar: readonly { readonly fixed: number; readonly broken: number; readonly p: number }[];
  readonly holm: readonly { readonly p: readonly number[]; readonly adjusted: readonly number[] }[];
  /** Ends of 95 % intervals of the mean difference, by 1,000,000 resamples. */
  readonly bootstrap: readonly (PairedValues & { readonly low: number; readonly high: number })[];
  /** By 1,000,000 random signs. */
  readonly signFlip: readonly (PairedValues & { readonly p: number })[];
  /** How often the exact test showed a difference of the size that 80 % is promised for. */
  readonly power: readonly {
    readonly n: number;
    readonly discordant: number;
    readonly difference: number;
    readonly power: number;
  }[];
  readonly meanInterval: readonly {
    readonly values: readonly number[];
    readonly mean: number;
    readonly deviation: number;
    readonly low: number;
    readonly high: number;
  }[];
}

export const golden: Golden = JSON.parse(readFileSync("fixtures/evaluation/statistics.json", "utf8"));

export function pairedDifferences({ before, after }: PairedValues): number[] {
  return after.map((value, i) => value - before[i]!);
}
