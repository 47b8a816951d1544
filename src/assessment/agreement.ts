/** @file How far levels agree with a reference, and runs of a model with each other. */

import { krippendorffAlpha } from "../statistics/krippendorff-alpha.ts";
import { macroF1 } from "../statistics/macro-f1.ts";
import { pairedBootstrap } from "../statistics/paired-bootstrap.ts";
import { quadraticKappa } from "../statistics/quadratic-kappa.ts";
import type { Interval } from "../statistics/wilson.ts";
import { byGroup } from "./texts.ts";

/** A number with its 95 % interval over groups of texts; null if there are fewer than two groups. */
export interface Measured {
  readonly value: number;
  readonly interval: Interval | null;
}

/** A level beside that of a reference. */
export interface RatedText {
  /** What the text belongs to. */
  readonly group: string;
  readonly reference: number;
  /** Null if there is none. */
  readonly level: number | null;
}

export interface Agreement {
  readonly texts: number;
  /** Quadratic weighted kappa over the texts that have a level; null where it is not known, which `whyNoKappa` explains. */
  readonly kappa: Measured | null;
  readonly whyNoKappa: string | null;
  /** Share of texts with the very level; without a level is wrong. */
  readonly exact: Measured;
  /** Without a level is wrong. */
  readonly macroF1: Measured;
  /** Krippendorff's, for ordinal data; texts without a level count for nothing. Null where all levels are equal. */
  readonly alpha: Measured | null;
}

const resamples = 2000;

/** @returns null if there are no texts */
export function measureAgreement(texts: readonly RatedText[]): Agreement | null {
  if (texts.length === 0) return null;
  const levels = texts.flatMap(({ level }) => (level === null ? [] : [level]));
  const references = texts.map(({ reference }) => reference);
  const measure = (statistic: (texts: readonly RatedText[]) => number | undefined) =>
    measureOverGroups(texts, statistic);
  return {
    texts: texts.length,
    kappa: measure(kappaOf),
    whyNoKappa:
      kappaOf(texts) === undefined
        ? levels.length === 0
          ? "no text has a level"
          : new Set(levels).size === 1
            ? `all levels given are ${levels[0]}, so that agreement beyond chance is not to be seen`
            : `all levels of the reference are ${references[0]}, so that agreement beyond chance is not to be seen`
        : null,
    exact: measure(
      (texts) => texts.filter(({ level, reference }) => level === reference).length / texts.length,
    )!,
    macroF1: measure((texts) =>
      macroF1(
        texts.map(({ reference }) => reference),
        texts.map(({ level }) => level ?? undefined),
      ),
    )!,
    alpha: measure((texts) =>
      krippendorffAlpha(texts.map(({ reference, level }) => [reference, level ?? undefined])),
    ),
  };
}

/** A statistic with the interval of the bootstrap over groups, which are drawn whole. @returns null if there is none */
export function measureOverGroups<T extends { readonly group: string }>(
  items: readonly T[],
  statistic: (items: readonly T[]) => number | undefined,
): Measured | null {
  const value = statistic(items);
  if (value === undefined) return null;
  const groups = byGroup(items);
  if (groups.length < 2) return { value, interval: null };
  const ofDraw = (drawn: Uint32Array) =>
    statistic(Array.from(drawn, (place) => groups[place]!).flat()) ?? Number.NaN;
  const interval = pairedBootstrap(groups.length, ofDraw, { resamples });
  return { value, interval: Number.isNaN(interval.low) ? null : interval };
}

function kappaOf(texts: readonly RatedText[]): number | undefined {
  const rated = texts.filter(({ level }) => level !== null);
  return quadraticKappa(
    rated.map(({ reference }) => reference),
    rated.map(({ level }) => level!),
  );
}

/** How alike several runs of a model are. The definition is this project's: the paper's was not found. */
export interface Consistency {
  readonly runs: number;
  /** Share of texts that every run gives the same level. */
  readonly identical: number;
  /** Mean quadratic weighted kappa of two runs, over the pairs of runs of which it is known; null if it is of none. */
  readonly kappa: number | null;
}

/** @param texts of each text the levels that the runs give it; of a run without one null */
export function measureConsistency(texts: readonly (readonly (number | null)[])[]): Consistency {
  const runs = texts[0]?.length ?? 0;
  const identical = texts.filter(
    (levels) => levels[0] !== null && levels.every((level) => level === levels[0]),
  ).length;
  const kappas: number[] = [];
  for (let a = 0; a < runs; a++) {
    for (let b = a + 1; b < runs; b++) {
      const both = texts.filter((levels) => levels[a] !== null && levels[b] !== null);
      const kappa = quadraticKappa(
        both.map((levels) => levels[a]!),
        both.map((levels) => levels[b]!),
      );
      if (kappa !== undefined) kappas.push(kappa);
    }
  }
  const kappa = kappas.length > 0 ? kappas.reduce((sum, one) => sum + one, 0) / kappas.length : null;
  return { runs, identical: identical / texts.length, kappa };
}
