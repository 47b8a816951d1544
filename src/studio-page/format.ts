/** @file Amounts and times as the page prints them. */

import { formatNumber } from "../reporting/format.ts";

export { formatCount, formatNumber, formatSeconds } from "../reporting/format.ts";

/** Such as "1.31 GB", with 3 significant digits. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const index = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(bytes || 1) / 3)));
  return `${formatNumber(bytes / 1000 ** index, index === 0 ? 0 : undefined)} ${units[index]}`;
}

const dateTime = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** A moment in milliseconds since 1970, such as "1 Dec 2026, 10:32". */
export function formatMoment(milliseconds: number): string {
  return dateTime.format(milliseconds);
}

/** A value of a run's settings as config.yaml has it, in one line. */
export function formatSetting(value: unknown): string {
  if (value === undefined || value === null) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A number that may be as small as a learning rate: "2.0e-4" of what is below a hundredth, but "0". */
export function formatSmall(value: number): string {
  if (value === 0) return "0";
  return Math.abs(value) < 0.01 ? value.toExponential(1) : formatNumber(value);
}
