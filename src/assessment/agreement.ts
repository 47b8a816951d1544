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
  const values = texts.map(({ group, reference, level }) => ({ group, value: { reference, level } }));
  const kappa = measureKappa(texts);
  return {
    texts: texts.length,
    kappa,
    whyNoKappa: kappa ? null : explainMissing(levels, texts[0]!.reference),
    exact: measureOverGroups(values, (pairs, counts) => {
      const right = counts.filter((_, place) => pairs[place]!.level === pairs[place]!.reference);
      return sumOf(right) / sumOf(counts);
    })!,
    macroF1: measureOverGroups(values, (pairs, counts) =>
      macroF1(
        pairs.map(({ reference }) => reference),
        pairs.map(({ level }) => level ?? undefined),
        counts,
      ),
    )!,
    alpha: measureOverGroups(values, (pairs, counts) =>
      krippendorffAlpha(
        pairs.map(({ reference, level }) => [reference, level ?? undefined]),
        counts,
      ),
    ),
  };
}

/** Quadratic weighted kappa over the texts that have a level; null where it is not known. */
export function measureKappa(texts: readonly RatedText[]): Measured | null {
  const rated = texts.flatMap(({ group, reference, level }) =>
    level === null ? [] : [{ group, value: { reference, level } }],
  );
  return measureOverGroups(rated, (pairs, counts) =>
    quadraticKappa(
      pairs.map(({ reference }) => reference),
      pairs.map(({ level }) => level),
      counts,
    ),
  );
}

function sumOf(counts: Float64Array): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function explainMissing(levels: readonly number[], reference: number): string {
  if (levels.length === 0) return "no text has a level";
  const whose = levels.every((level) => level === levels[0])
    ? `given are ${levels[0]}`
    : `of the reference are ${reference}`;
  return `all levels ${whose}, so that agreement beyond chance is not to be seen`;
}

/**
 * A statistic with the interval of the bootstrap over groups, which are drawn whole.
 *
 * @param statistic of different values, and how often each stands
 * @returns null if there is none
 */
export function measureOverGroups<T>(
  items: readonly { readonly group: string; readonly value: T }[],
  statistic: (values: readonly T[], counts: Float64Array) => number | undefined,
): Measured | null {
  const places = new Map<string, number>();
  const values: T[] = [];
  const placeOf = (value: T) => {
    const key = JSON.stringify(value);
    const place = places.get(key) ?? values.push(value) - 1;
    places.set(key, place);
    return place;
  };
  const groups = byGroup(items).map((group) => group.map(({ value }) => placeOf(value)));
  const counts = new Float64Array(values.length);
  const ofDraw = (drawn: Iterable<number>) => {
    counts.fill(0);
    for (const group of drawn) for (const place of groups[group]!) counts[place]!++;
    return statistic(values, counts) ?? Number.NaN;
  };
  const value = ofDraw(groups.keys());
  if (Number.isNaN(value)) return null;
  if (groups.length < 2) return { value, interval: null };
  const interval = pairedBootstrap(groups.length, ofDraw, { resamples });
  return { value, interval: Number.isNaN(interval.low) ? null : interval };
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
