/** @file What a study found, in sentences that say no more than its numbers do. */

import type { AlignmentScore } from "../../alignment/align.ts";
import {
  countOf,
  formatCount,
  formatGigabytes,
  formatNumber,
  formatSeconds,
  formatShare,
  joinWords,
} from "../../reporting/format.ts";
import { excludesZero } from "../../statistics/estimates.ts";
import { describeRecommendation, recommend } from "./recommend.ts";
import { improvementOf, type RowChange, type Study, type StudyRow } from "./study-rows.ts";

/** A change with the row that it is from. */
interface Found extends RowChange {
  readonly row: StudyRow;
}

/**
 * The study's answer in three parts: what was gained, what was forgotten, and what to take or what it cost; with each what
 * speaks against it.
 */
export function answer(study: Study): string[] {
  const found = study.rows.flatMap((row) => row.changes.map((change): Found => ({ ...change, row })));
  const aligned = found.filter((change) => change.aligned);
  const others = found.filter((change) => !change.aligned);
  const recommendation = describeMethods(study);
  return [
    [...describeGains(study, aligned, found), ...describeTendency(found, 1), ...describeContamination(found)],
    [...(aligned.length > 0 ? describeLosses(others) : []), ...describeTendency(found, -1)],
    [...(recommendation.length > 0 ? recommendation : describeCost(study)), ...describeFailures(study)],
  ]
    .map((sentences) => sentences.join(" "))
    .filter((part) => part !== "");
}

/**
 * Methods of which several intervals leave zero on the same side, 1 for gains or -1 for losses, also where the adjustment for
 * the number of comparisons does not let each of them be called shown.
 */
function describeTendency(found: readonly Found[], side: 1 | -1): string[] {
  const verdict = side > 0 ? "better" : "worse";
  const tunings = [...new Set(found.map(({ row }) => row.tuning))].flatMap((tuning) => {
    const ofTuning = found.filter(({ row }) => row.tuning === tuning);
    const beyond = ofTuning.filter(
      ({ difference, improvement }) => excludesZero(difference) && Math.sign(improvement) === side,
    );
    const shown = beyond.filter((change) => change.verdict === verdict).length;
    return beyond.length < 2 || shown === beyond.length
      ? []
      : [
          `${beyond.length} of the ${ofTuning.length} with ${tuning} (${shown === 0 ? "none" : shown} of them shown)`,
        ];
  });
  return tunings.length === 0
    ? []
    : [
        `Intervals that lie wholly on the side of a ${side > 0 ? "gain" : "loss"}: ${joinWords(tunings)} once all comparisons are counted.`,
      ];
}

function describeGains({ tasks }: Study, aligned: readonly Found[], found: readonly Found[]): string[] {
  const hasAligned = tasks.some(({ alignedData }) => alignedData.length > 0);
  const judged = hasAligned ? aligned : found;
  if (judged.length === 0) {
    return hasAligned
      ? ["No model tuned on data that are meant for a task was computed, so nothing is shown about gains."]
      : ["No tuned model was computed, so nothing is shown about gains."];
  }
  const scores = `${countOf(judged.length, "score")}${hasAligned ? " that the data were meant to improve" : ""}`;
  const better = judged.filter(({ verdict }) => verdict === "better");
  const worse = judged.filter(({ verdict }) => verdict === "worse");
  const sentences = [
    better.length > 0
      ? `Tuning is shown to help in ${better.length} of the ${scores}, most of all ${describeChange(greatest(better, gain))}.`
      : `Tuning is not shown to help in any of the ${scores}; the largest change measured is ${describeChange(greatest(judged, gain))}.`,
  ];
  if (worse.length > 0) {
    sentences.push(
      `In ${worse.length} of them the tuned model is shown to be worse, most of all ${describeChange(greatest(worse, loss))}.`,
    );
  }
  return sentences;
}

function describeLosses(others: readonly Found[]): string[] {
  if (others.length === 0) {
    return ["Every task has data meant for it in every run, so what was forgotten is not measured here."];
  }
  const scores = `the ${countOf(others.length, "score")} on other tasks`;
  const worse = others.filter(({ verdict }) => verdict === "worse");
  const better = others.filter(({ verdict }) => verdict === "better");
  const sentences: string[] = [];
  if (worse.length > 0) {
    sentences.push(
      `Forgetting is shown in ${worse.length} of ${scores}, most of all ${describeChange(greatest(worse, loss))}.`,
    );
  } else {
    const possible = greatest(others, possibleLoss);
    const open =
      possibleLoss(possible) === 0
        ? "and no interval leaves one open"
        : `the largest that an interval leaves open is ${possible.task.print.size(lossEnd(possible))} (${possible.task.name} with ${possible.row.label})`;
    sentences.push(`No loss is shown in ${scores}; ${open}.`);
  }
  if (better.length > 0) {
    sentences.push(`${better.length} of ${scores} ${better.length === 1 ? "is" : "are"} shown to be better.`);
  }
  return sentences;
}

/** How far the tuned models have moved from the base model. */
export function describeDivergence({ rows }: Study): string[] {
  const values = rows.flatMap(({ divergence }) => divergence?.value ?? []);
  return values.length === 0
    ? []
    : [
        `On neutral text the tuned models' next-token predictions lie ${span(values, (value) => formatNumber(value, 3))} nats from the base model's (Kullback-Leibler divergence).`,
      ];
}

/** What a run took. */
export function describeCost({ results, rows }: Study): string[] {
  const runs = rows.flatMap(({ cells }) => cells.map(({ run }) => run));
  if (runs.length === 0) return [];
  const of = (key: "seconds" | "peakMemoryBytes") => runs.map(({ efficiency }) => efficiency[key]);
  const shares = runs.map(({ trainableParameters }) => trainableParameters / results.model.parameters);
  return [
    `A run took ${span(of("seconds"), formatSeconds)} and ${span(of("peakMemoryBytes"), formatGigabytes)} of memory at its peak, and trained ${span(shares, formatShare)} of the weights.`,
  ];
}

function describeMethods(study: Study): string[] {
  if (study.results.kind !== "methods") return [];
  const text = recommend(study).list.map(describeRecommendation).join("; ");
  return text === "" ? [] : [`${text[0]!.toUpperCase()}${text.slice(1)}.`];
}

/** Whose right answers became likelier: those that the data were meant for, or others. */
export function describeBits({ rows }: Study): string[] {
  const found = rows.flatMap((row) => row.changes.map((change): Found => ({ ...change, row })));
  if (found.length === 0) return [];
  const count = (changes: readonly Found[]) => {
    const shown = (verdict: RowChange["verdict"]) =>
      changes.filter((change) => change.verdict === verdict).length;
    return `likelier in ${shown("better")} and less likely in ${shown("worse")}`;
  };
  const aligned = found.filter((change) => change.aligned);
  const others = found.filter((change) => !change.aligned);
  const cases = [
    ...(aligned.length > 0
      ? [`of ${countOf(aligned.length, "case")} that the data were meant for, ${count(aligned)}`]
      : []),
    ...(others.length > 0
      ? [`of ${countOf(others.length, aligned.length > 0 ? "other" : "case")}, ${count(others)}`]
      : []),
  ];
  return [
    [
      `By bits per byte, right answers are shown to be: ${cases.join("; ")}.`,
      ...describeOwnDomain(found),
    ].join(" "),
  ];
}

/** The data with which the right answers that they were meant for became likelier, with every method, and no others. */
function describeOwnDomain(found: readonly Found[]): string[] {
  const sets = [...new Set(found.map(({ row }) => row.data))].filter((data) =>
    found.some(({ row, aligned }) => row.data === data && aligned),
  );
  const only = sets.filter((data) =>
    found.every(({ row, aligned, verdict }) => row.data !== data || aligned === (verdict === "better")),
  );
  return only.length === 0
    ? []
    : [
        `Tuned on ${joinWords(only)}, the answers that the data were meant for are shown to be likelier with every method, and no others.`,
      ];
}

/** Whether a better fit of data and task went with larger gains. */
export function describeAlignment({ results }: Study): string[] {
  if (results.predictions.length === 0) return [];
  const named = (scores: readonly { readonly score: AlignmentScore }[]) =>
    joinWords(scores.map(({ score }) => score));
  const predicting = results.predictions.filter(({ correlation }) => correlation.low > 0);
  if (predicting.length > 0) {
    return [
      `A better fit of data and task before tuning went with larger gains, by ${named(predicting)} alignment.`,
    ];
  }
  return [
    `No score of alignment before tuning (${named(results.predictions)}) is shown to go with larger gains.`,
  ];
}

function describeContamination(found: readonly Found[]): string[] {
  const shared = new Map(
    found.flatMap(({ row, task, contaminated }) =>
      contaminated > 0
        ? [[`${row.data}/${task.name}`, `${contaminated} of ${task.name} in ${row.data}`] as const]
        : [],
    ),
  );
  return shared.size === 0
    ? []
    : [
        `Beware: items of tasks stand in the data (${joinWords([...shared.values()])}), so gains there may be memory.`,
      ];
}

function describeFailures({ results }: Study): string[] {
  const failed = results.cells.filter(({ error }) => error !== undefined);
  return failed.length === 0
    ? []
    : [
        `${formatCount(failed.length)} of ${countOf(results.cells.length, "run")} could not be computed (${joinWords(failed.map(({ id }) => id))}).`,
      ];
}

/** "gsm8k by +8.5 points with lora on math (95 % interval 5.0 to 12.1)". */
function describeChange({ row, task, difference, seeds }: Found): string {
  const { change, unit, ends } = task.print;
  const direction = task.higherIsBetter ? "" : " (lower is better)";
  const over = seeds.length > 1 ? `mean of ${seeds.length} seeds, ` : "";
  const zero = excludesZero(difference) ? "" : ", which does not exclude zero";
  return `${task.name} by ${change(difference.value)}${unit}${direction} with ${row.label} (${over}95 % interval ${ends(difference)}${zero})`;
}

const gain = (change: Found) => change.improvement;
const loss = (change: Found) => -change.improvement;
/** The largest loss that the interval leaves open, in the measure of improvements; 0 if it leaves none. */
const possibleLoss = (change: Found) => -improvementOf(change.task, lossEnd(change));

/** The end of the interval that is the worst for the tuned model, if it is a loss. */
function lossEnd({ task, difference }: Found): number {
  return task.higherIsBetter ? Math.min(0, difference.low) : Math.max(0, difference.high);
}

/** The first of those with the greatest measure. */
function greatest<T>(items: readonly T[], measure: (item: T) => number): T {
  return items.reduce((best, item) => (measure(item) > measure(best) ? item : best));
}

/** "0.31 to 0.94", or one number if both are printed alike. */
function span(values: readonly number[], print: (value: number) => string): string {
  const [low, high] = [print(Math.min(...values)), print(Math.max(...values))];
  return low === high ? low : `${low} to ${high}`;
}
