/** @file Gain against forgetting in words and tables. */

import { countOf, formatNumber, formatRange, formatSigned, joinWords } from "../../reporting/format.ts";
import type { Table } from "../../reporting/sections.ts";
import { mean } from "../../statistics/estimates.ts";
import type { Estimate } from "../../statistics/wilson.ts";
import { tuningOf } from "../grid/results.ts";
import type { ForgettingMeasure, Tradeoff } from "./results.ts";
import { averageOfPoints, type RowChange, type Study } from "./study-rows.ts";
import { notMeasured } from "./tables.ts";
import { gainMargin, weightOf } from "./tradeoffs.ts";

type Comparison = Tradeoff["comparisons"][number];

const measures: Readonly<Record<ForgettingMeasure, string>> = {
  divergence: "divergence",
  forgotten: "bits per byte",
};
const measureNames = Object.keys(measures) as ForgettingMeasure[];

const isShown = ({ adjustedP }: { readonly adjustedP: number }) => adjustedP <= 0.05;

/** How a variant's gain is shown to compare with the plain one's. */
function judgeGain({ gain, gainsAsMuch }: Comparison): "more" | "as much" | "less" | "not shown" {
  if (!gain || !gainsAsMuch) return "not shown";
  if (isShown(gain) && gain.value > 0) return "more";
  if (isShown(gainsAsMuch)) return "as much";
  return isShown(gain) ? "less" : "not shown";
}

/** The measures by which a variant is shown to forget less than the plain one, or more. */
function judgeForgetting(comparison: Comparison, side: "less" | "more"): string[] {
  return measureNames.flatMap((name) => {
    const difference = comparison[name];
    const isOnSide = difference && isShown(difference) && difference.value > 0 === (side === "more");
    return isOnSide ? [measures[name]] : [];
  });
}

/** "gains as much and forgets less (divergence)" */
export function describeVerdict(comparison: Comparison): string {
  const gained = judgeGain(comparison);
  const [less, more] = (["less", "more"] as const).map((side) => judgeForgetting(comparison, side)) as [
    string[],
    string[],
  ];
  const forgets = [
    ...(less.length > 0 ? [`forgets less (${joinWords(less)})`] : []),
    ...(more.length > 0 ? [`forgets more (${joinWords(more)})`] : []),
  ];
  const forgetting = forgets.length > 0 ? forgets.join(" but ") : "no difference in forgetting is shown";
  if (!comparison.gain) return forgetting;
  const gain = gained === "not shown" ? "not shown to gain as much" : `gains ${gained}`;
  return `${gain}; ${forgetting}`;
}

/** Whether it is shown to gain as much as the plain variant at least, to forget less by one measure, and not more by another. */
function gainsAndKeeps(comparison: Comparison): boolean {
  return (
    ["more", "as much"].includes(judgeGain(comparison)) &&
    judgeForgetting(comparison, "less").length > 0 &&
    judgeForgetting(comparison, "more").length === 0
  );
}

/** For each method and set of data, which variants are shown to gain as much as the plain one and to forget less. */
export function describeTradeoffs({ results: { tradeoffs = [], variants = [] } }: Study): string[] {
  const keeping = variants.filter((variant) => (weightOf(variant) ?? 0) > 0).map(({ name }) => name);
  return tradeoffs.flatMap(({ method, data, plain, variants: measured, comparisons }) => {
    const { gain } = measured.find(({ variant }) => variant === plain)!;
    if (!gain) return [];
    const run = `With ${method} on ${data}`;
    if (gain.low <= 0) return [`${run}, ${plain} is not shown to gain, so nothing is shown to gain as much.`];
    const winners = comparisons.filter(gainsAndKeeps).map(({ variant }) => variant);
    const ofThose = (names: readonly string[]) => winners.filter((name) => names.includes(name));
    const others = comparisons.map(({ variant }) => variant).filter((name) => !keeping.includes(name));
    const [kept, rivals] = [ofThose(keeping), ofThose(others)];
    const claim = `shown to gain as much as ${plain} and to forget less`;
    const isOrAre = (names: readonly string[]) => `${joinWords(names)} ${names.length === 1 ? "is" : "are"}`;
    const hasKept = comparisons.some(({ variant }) => keeping.includes(variant));
    if (!hasKept) return [`${run}, ${rivals.length > 0 ? isOrAre(rivals) : "no variant is"} ${claim}.`];
    const first = `${run}, ${kept.length > 0 ? isOrAre(kept) : "no run that keeps is"} ${claim}`;
    if (others.length === 0) return [`${first}.`];
    return [
      rivals.length > 0
        ? `${first}; without keeping, ${isOrAre(rivals)}.`
        : `${first}; without keeping, none is.`,
    ];
  });
}

/** For each rival, the runs that keep which are shown to gain as much and to forget less, and those against which it is. */
export function describeRivals({ results: { tradeoffs = [] } }: Study): string[] {
  return tradeoffs.flatMap(({ method, data, rivalries }) =>
    [...new Set(rivalries.map(({ rival }) => rival))].map((rival) => {
      const own = rivalries.filter((one) => one.rival === rival && isShown(one));
      const list = (better: (one: (typeof own)[number]) => boolean) =>
        [...new Set(own.filter(better).map(({ keeping }) => keeping))].map((name) => {
          const by = own.filter((one) => better(one) && one.keeping === name).map((one) => measures[one.by]);
          return `${name} (${joinWords(by)})`;
        });
      const winners = list(({ better }) => better !== rival);
      const losers = list(({ better }) => better === rival);
      const whose = winners.length > 0 ? joinWords(winners) : "no run that keeps";
      const verb = winners.length > 1 ? "are" : "is";
      return `${method} on ${data}, beside ${rival}: ${whose} ${verb} shown to gain as much and to forget less; the reverse is shown ${losers.length > 0 ? `of ${joinWords(losers)}` : "of none"}.`;
    }),
  );
}

/** What each variant gained and forgot. */
export function tradeoffTable({ results: { tradeoffs = [] }, rows }: Study): Table {
  return {
    headings: [
      "run",
      "own tasks: change of score, points",
      "own tasks: fall of bits per byte",
      "divergence, nats",
      "other tasks: change of score, points",
      "other tasks: rise of bits per byte",
    ],
    rows: tradeoffs.flatMap(({ method, data, keptTasks, variants }) =>
      variants.map(({ variant, gain, forgotten, divergence }) => {
        const tuning = tuningOf({ method, variant });
        const { label, changes } = rows.find((row) => row.tuning === tuning && row.data === data)!;
        const others = changes.filter(({ aligned }) => !aligned);
        const kept = others.filter(({ task }) => keptTasks.includes(task.name));
        return [
          label,
          printPoints(changes.filter(({ aligned }) => aligned)),
          printMeasured(gain, formatSigned),
          printMeasured(divergence, formatNumber),
          printPoints(kept.some(({ task }) => task.inPoints) ? kept : others),
          printMeasured(forgotten, formatSigned),
        ];
      }),
    ),
    numeric: true,
  };
}

/** Each variant less the plain one, with what is shown. */
export function comparisonTable({ results: { tradeoffs = [] } }: Study): Table {
  return {
    headings: [
      "run",
      "less",
      "gain, bits per byte",
      "of its gain",
      "divergence, nats",
      "other tasks, bits per byte",
      "shown",
    ],
    rows: tradeoffs.flatMap(({ method, data, plain, variants, comparisons }) =>
      comparisons.map((comparison) => {
        const { variant, gain, forgotten, divergence } = comparison;
        const own = variants.find((one) => one.variant === plain)!.gain;
        return [
          `${tuningOf({ method, variant })} on ${data}`,
          plain,
          printDifference(gain, 1),
          gain && own && own.value > 0 ? `${formatNumber(100 * (1 + gain.value / own.value), 0)} %` : "–",
          printDifference(divergence, -1),
          printDifference(forgotten, -1),
          describeVerdict(comparison),
        ];
      }),
    ),
    numeric: false,
  };
}

/** What a reader must know of this study's trade-offs. */
export function tradeoffNotes({ results: { tradeoffs = [], cells } }: Study): string[] {
  const tests = tradeoffs.flatMap(({ comparisons }) =>
    comparisons.flatMap((one) => [one.gain, one.gainsAsMuch, one.forgotten, one.divergence]),
  );
  const compared = tests.filter((test) => test !== undefined).length;
  const rivalries = tradeoffs.reduce((sum, one) => sum + one.rivalries.length, 0);
  const fewest = Math.min(...tradeoffs.map(({ seeds }) => seeds.length));
  const known = new Set(cells.map(({ seed }) => seed)).size;
  return [
    ...tradeoffs.map(
      ({ method, data, gainTasks, keptTasks }) =>
        `${method} on ${data}: own tasks ${joinWords(gainTasks) || "none"}, other tasks ${joinWords(keptTasks) || "none"}. Bits per byte are those of the right answers of all their items together.`,
    ),
    `Intervals are those of a bootstrap that draws items (right answers; of the divergence, windows of the neutral text)${
      fewest > 1
        ? " and, independently of them, seeds, one fewer than there are; where seeds differ by more than items do, intervals of so few seeds are too narrow"
        : "; how much another seed would change was not measured"
    }. All variants have the same draws, so differences are paired.`,
    `“Gains as much” says that the variant is shown to have more than ${formatNumber(100 * (1 - gainMargin), 0)} % of the gain beside which it stands (a test of non-inferiority with a margin of ${formatNumber(100 * gainMargin, 0)} %); “gains more” and “gains less” that the difference is shown. “Forgets” names the measures by which it is shown. What is not said is not shown.`,
    `“Shown” means p ≤ 0.05 after Holm’s adjustment for all ${countOf(compared, "test")} against plain variants here${rivalries > 0 ? `; the ${countOf(rivalries, "test")} of runs that keep beside rivals are a family of their own` : ""}.`,
    ...(fewest < known
      ? [
          "Where a variant could not be computed with a seed, that seed counts for none of the variants beside it here.",
        ]
      : []),
  ];
}

/** "+55.7 [46.0, 64.5] (seeds 54.5, 56.9)" */
function printPoints(changes: readonly RowChange[]): string {
  const estimate = averageOfPoints(changes);
  if (!estimate) return "no such task";
  const inPoints = changes.filter(({ task }) => task.inPoints);
  const seeds = inPoints[0]!.seeds.map((_, i) =>
    mean(inPoints.map(({ task, seeds }) => (task.higherIsBetter ? 100 : -100) * seeds[i]!)),
  );
  const { value, low, high } = estimate;
  return printWith({ value: 100 * value, low: 100 * low, high: 100 * high }, seeds, formatSigned, 1);
}

type Format = (value: number, digits: number) => string;

function printMeasured(
  measured: (Estimate & { readonly seeds: readonly number[] }) | undefined,
  format: Format,
): string {
  return measured ? printWith(measured, measured.seeds, format, 3) : notMeasured;
}

function printWith(estimate: Estimate, seeds: readonly number[], format: Format, digits: number): string {
  const list = seeds.length > 1 ? ` (seeds ${seeds.map((value) => format(value, digits)).join(", ")})` : "";
  return `${format(estimate.value, digits)} ${formatRange(estimate, digits)}${list}`;
}

/** With a mark where the difference is shown. @param better the sign of what is better */
function printDifference(difference: Comparison["gain"], better: 1 | -1): string {
  if (!difference) return notMeasured;
  const mark = isShown(difference) ? (Math.sign(difference.value) === better ? " ▲" : " ▼") : "";
  return `${formatSigned(difference.value, 3)} ${formatRange(difference, 3)}${mark}`;
}
