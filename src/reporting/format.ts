/** @file Numbers as a report prints them, with the minus sign U+2212, which is as wide as a plus sign. */

import type { Estimate, Interval } from "../statistics/wilson.ts";

/** `digits` decimals, or as many as leave 3 significant digits. */
export function formatNumber(value: number, digits = significantDecimals(value)): string {
  // -0.04 would be "-0.0".
  return value
    .toFixed(digits)
    .replace(/^-(?=[0.]*$)/, "")
    .replace("-", "−");
}

/** Decimals with which a number has 3 significant digits: 0 for hundreds, 10 at most. */
function significantDecimals(value: number): number {
  return Math.min(10, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1))));
}

/** With a sign, but for zero: "+4.1", "−0.3", "0.0". */
export function formatSigned(value: number, digits?: number): string {
  const text = formatNumber(value, digits);
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** "[−0.4, 7.0]", for tables */
export function formatRange({ low, high }: Interval, digits?: number): string {
  return `[${formatNumber(low, digits)}, ${formatNumber(high, digits)}]`;
}

/** "33.5 (27.3 to 40.3)" */
export function withRange({ value, low, high }: Estimate, scale: number, digits: number): string {
  return `${formatNumber(scale * value, digits)} ${formatRange({ low: scale * low, high: scale * high }, digits)}`;
}

/** The same of a difference, with its sign; a dash where there is none. */
export function withSignedRange(
  estimate: Estimate | null | undefined,
  scale: number,
  digits: number,
): string {
  if (!estimate) return "–";
  const { value, low, high } = estimate;
  return `${formatSigned(scale * value, digits)} ${formatRange({ low: scale * low, high: scale * high }, digits)}`;
}

/** Whole numbers with their thousands apart. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** A share between 0 and 1 in per cent, with 3 significant digits. */
export function formatShare(share: number): string {
  return share === 1 ? "100 %" : `${formatNumber(100 * share)} %`;
}

/** Bytes in GB, so that the lines of a table can be compared. */
export function formatGigabytes(bytes: number): string {
  return `${formatNumber(bytes / 1e9, 2)} GB`;
}

/** "48 s", "12.5 min" or "3.2 h". */
export function formatSeconds(seconds: number): string {
  if (seconds < 120) return `${formatNumber(seconds, seconds < 10 ? 1 : 0)} s`;
  return seconds < 7200 ? `${formatNumber(seconds / 60, 1)} min` : `${formatNumber(seconds / 3600, 1)} h`;
}

/** How the scores of one task are printed. */
export interface ScorePrinter {
  /** " points", or nothing of scores that are not between 0 and 1. */
  readonly unit: string;
  score(value: number): string;
  /** A difference with its sign. */
  change(value: number): string;
  /** The size of a difference, such as "4.1 points". */
  size(value: number): string;
  /** The interval of a score or a difference, "[1.2, 7.0]". */
  range(interval: Interval): string;
  /** The same for sentences, "1.2 to 7.0". */
  ends(interval: Interval): string;
}

/** Scores in points (hundredths) to a tenth; others, such as perplexities, to the decimals that give the base score 4 digits. */
export function scorePrinter(inPoints: boolean, base: Estimate): ScorePrinter {
  const scale = inPoints ? 100 : 1;
  const digits = inPoints ? 1 : significantDecimals(base.value) + 1;
  const unit = inPoints ? " points" : "";
  return {
    unit,
    score: (value) => formatNumber(value * scale, digits),
    change: (value) => formatSigned(value * scale, digits),
    size: (value) => `${formatNumber(Math.abs(value) * scale, digits)}${unit}`,
    range: ({ low, high }) => formatRange({ low: low * scale, high: high * scale }, digits),
    ends: ({ low, high }) => `${formatNumber(low * scale, digits)} to ${formatNumber(high * scale, digits)}`,
  };
}

/** "a", "a and b", "a, b and c" */
export function joinWords(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** "1 item", "2 items" */
export function countOf(count: number, noun: string, plural = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : plural}`;
}
