/** @file Compares two evaluations item by item: which scores changed, how surely, and what could have been seen. */

import { InputError } from "../core/errors.ts";
import { detectableMeanDifference, detectableShareDifference } from "../statistics/detectable-difference.ts";
import { holm } from "../statistics/holm.ts";
import { mcnemarExact } from "../statistics/mcnemar.ts";
import { defaultResamples, pairedBootstrap } from "../statistics/paired-bootstrap.ts";
import { signFlipTest } from "../statistics/sign-flip.ts";
import { type Estimate, wilsonInterval } from "../statistics/wilson.ts";
import { toMarkdown } from "./comparison-report.ts";
import { readEvaluation } from "./evaluation-folder.ts";
import { mean } from "./metrics/aggregations.ts";
import { type ItemPair, type PairedEvaluations, pairEvaluations } from "./paired-items.ts";
import { aggregationOf, collectPairedScores, type PairedScore } from "./paired-scores.ts";

export interface CompareOptions {
  /** Seed of the bootstrap and of the sign-flip test. Default 0. */
  readonly seed?: number;
  /** Compare even if versions, data, prompts or correct answers differ. Default false: that is refused. */
  readonly allowDifferentPrompts?: boolean;
  /** Names of metrics or filters, such as "acc_norm" or "strict-match", to which it is limited. Default: all. */
  readonly metrics?: readonly string[];
  /**
   * Scores to which it is limited, one of a task or group. They are one family, by whose size p is adjusted. Default: those
   * that `metrics` names.
   */
  readonly scores?: readonly ScoreName[];
}

/** Which score of a task or group is meant. */
export interface ScoreName {
  readonly task: string;
  readonly metric: string;
  readonly filter: string;
}

export interface Comparison extends ComparedScores {
  /** The comparison in Markdown: a table, a sentence for each score, and the notes. */
  toMarkdown(): string;
}

export interface ComparedScores {
  readonly before: Run;
  readonly after: Run;
  /** Of tasks and groups, each group before its tasks. */
  readonly scores: readonly ScoreComparison[];
  /** How often both gave the same answers, by task and filter. */
  readonly agreements: readonly AnswerAgreement[];
  /** Sentences on what was left out or must be kept in mind. */
  readonly notes: readonly string[];
  /** Number of resamples of the bootstrap, and of random signs of the sign-flip test. */
  readonly resamples: number;
  readonly seed: number;
}

/** To how many of a task's items both runs gave the same answer: the same likeliest choice, or the same text. */
export interface AnswerAgreement {
  readonly task: string;
  /** "none" if answers are not filtered. */
  readonly filter: string;
  readonly items: number;
  readonly same: number;
  /** Same answers of all, with Wilson's interval. */
  readonly share: Estimate;
}

export interface Run {
  /** Its file of results. */
  readonly path: string;
  readonly model: string;
}

/** One metric of a task or group. Scores and differences are as in the results: 0.01 is one point of an accuracy. */
export interface ScoreComparison extends Findings, Judgement {}

/** What is shown, of several scores that are tested. */
export interface Judgement {
  /** The scores that p is adjusted for: of all tasks and groups that stand on their own, or of a group's tasks. */
  readonly family: { readonly name: string; readonly size: number };
  /** By Holm's method over the family. */
  readonly adjustedP: number;
  /** What is shown at an adjusted p of at most 0.05. */
  readonly verdict: "better" | "worse" | "no difference shown";
}

/** What the paired items tell about one score on its own. */
export interface Findings {
  /** Name of the task or group. */
  readonly task: string;
  /** Of a group, the tasks whose items are pooled. */
  readonly pooled?: readonly string[];
  readonly metric: string;
  /** "none" if answers are not filtered. */
  readonly filter: string;
  readonly higherIsBetter: boolean;
  /** Whether the items' values lie within 0 and 1, so that a hundredth is called a point. */
  readonly inPoints: boolean;
  /** Number of items in both runs. */
  readonly items: number;
  /** With Wilson's interval if each item is right or wrong, otherwise with the bootstrap's. */
  readonly before: Estimate;
  readonly after: Estimate;
  /** After less before, with the paired bootstrap's interval. */
  readonly difference: Estimate;
  /** "mcnemar-exact" if each item is right or wrong, otherwise "sign-flip". */
  readonly test: "mcnemar-exact" | "sign-flip";
  readonly p: number;
  /** The smallest difference that a test at 0.05 would have shown with 80 % power; undefined if no item differs. */
  readonly detectable: number | undefined;
  /** Items that became right. Like `broken`, only known if each item is right or wrong. */
  readonly fixed?: readonly ItemPair[];
  /** Items that became wrong. */
  readonly broken?: readonly ItemPair[];
}

/**
 * Compares two evaluations of the same tasks, by this project or by lm-evaluation-harness.
 *
 * @param before output folder, or file of results, of the first run
 * @param after the same of the run that is judged
 * @throws InputError if one is no evaluation or is damaged, if they have nothing in common, or if they asked differently
 * @example
 * const { scores, toMarkdown } = await compare("runs/eval-base", "runs/eval-tuned");
 * for (const { task, metric, verdict } of scores) console.log(task, metric, verdict);
 * console.log(toMarkdown());
 */
export async function compare(
  before: string,
  after: string,
  { seed = 0, allowDifferentPrompts = false, metrics, scores: chosen }: CompareOptions = {},
): Promise<Comparison> {
  const first = await readEvaluation(before);
  const second = await readEvaluation(after);
  const paired = pairEvaluations(first, second, allowDifferentPrompts);
  const notes = [...paired.notes];
  if (first.fingerprint !== undefined && first.fingerprint === second.fingerprint) {
    notes.push("Both runs are of the same model with the same adapter.");
  }
  const collected = collectPairedScores(paired, first.groups, notes);
  const scores = chosen ? choose(collected, chosen) : select(collected, metrics);
  const compared = {
    before: { path: first.path, model: first.model },
    after: { path: second.path, model: second.model },
    scores: judge(scores, seed),
    agreements: findAgreements(paired),
    notes,
    resamples: defaultResamples,
    seed,
  };
  return { ...compared, toMarkdown: () => toMarkdown(compared) };
}

function findAgreements({ tasks }: PairedEvaluations): AnswerAgreement[] {
  return [...tasks].flatMap(([task, { pairs }]) =>
    [...pairs].flatMap(([filter, all]) => {
      const answered = all.filter(
        ({ before, after }) => before.given !== undefined && after.given !== undefined,
      );
      if (answered.length === 0) return [];
      const isSame = answered.map(({ before, after }) => Number(before.given === after.given));
      return [
        {
          ...{ task, filter, items: answered.length },
          same: sum(isSame),
          share: estimateShare(Float64Array.from(isSame)),
        },
      ];
    }),
  );
}

function select(
  scores: readonly PairedScore[],
  names: readonly string[] | undefined,
): readonly PairedScore[] {
  if (scores.length === 0) {
    throw new InputError("The evaluations have no score in common that follows from single items.");
  }
  if (names === undefined) return scores;
  const known = new Set(scores.flatMap(({ metric, filter }) => [metric, filter]));
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new InputError(
      `The evaluations have no metric or filter "${unknown}" in common; they have ${[...known].join(", ")}.`,
    );
  }
  return scores.filter(({ metric, filter }) => names.includes(metric) || names.includes(filter));
}

function choose(scores: readonly PairedScore[], chosen: readonly ScoreName[]): readonly PairedScore[] {
  return chosen.map((name) => {
    const found = scores.find(
      ({ task, metric, filter }) => task === name.task && metric === name.metric && filter === name.filter,
    );
    if (found) return { ...found, family: "chosen scores" };
    throw new InputError(
      `The evaluations have no ${name.metric} (${name.filter}) of ${name.task} in common that follows from single items.`,
    );
  });
}

/** Tests each score, adjusts the p-values of each family and says what is shown. */
function judge(scores: readonly PairedScore[], seed: number): ScoreComparison[] {
  const findings = scores.map((score) => examine(score, seed));
  const judged = new Array<ScoreComparison>(scores.length);
  for (const name of new Set(scores.map(({ family }) => family))) {
    const members = [...scores.keys()].filter((i) => scores[i]!.family === name);
    const ofFamily = judgeFamily(
      members.map((i) => findings[i]!),
      name,
    );
    for (const [place, i] of members.entries()) judged[i] = ofFamily[place]!;
  }
  return judged;
}

/** Adjusts the p-values of findings that belong together for their number, and says what is shown. */
export function judgeFamily<T extends Pick<Findings, "p" | "difference" | "higherIsBetter">>(
  findings: readonly T[],
  name: string,
): (T & Judgement)[] {
  const adjusted = holm(findings.map(({ p }) => p));
  return findings.map((finding, i) => {
    const adjustedP = adjusted[i]!;
    const improved = finding.difference.value > 0 === finding.higherIsBetter;
    const verdict = adjustedP > 0.05 ? "no difference shown" : improved ? "better" : "worse";
    return { ...finding, family: { name, size: findings.length }, adjustedP, verdict };
  });
}

function examine(score: PairedScore, seed: number): Findings {
  const { task, pooled, metric, filter, higherIsBetter, pairs, before, after, sizes } = score;
  const aggregation = aggregationOf(metric);
  const { score: evaluate } = aggregation.ofQuotient!;
  const everyItem = Uint32Array.from(pairs.keys());
  const scoresOf = (drawn: Uint32Array) => {
    let first = 0;
    let second = 0;
    let size = 0;
    for (const place of drawn) {
      first += before[place]!;
      second += after[place]!;
      size += sizes[place]!;
    }
    return { before: evaluate(first / size), after: evaluate(second / size) };
  };
  const estimate = (statistic: (drawn: Uint32Array) => number): Estimate => ({
    value: statistic(everyItem),
    ...pairedBootstrap(pairs.length, statistic, { seed }),
  });

  const values = [...before, ...after];
  const isMean = aggregation === mean && sizes.every((size) => size === 1);
  const common = {
    task,
    ...(pooled && { pooled }),
    metric,
    filter,
    higherIsBetter,
    inPoints: isMean && values.every((value) => value >= 0 && value <= 1),
    items: pairs.length,
    difference: estimate((drawn) => {
      const scores = scoresOf(drawn);
      return scores.after - scores.before;
    }),
  };
  if (isMean && values.every((value) => value === 0 || value === 1)) {
    const fixed = pairs.filter((_, i) => after[i]! > before[i]!);
    const broken = pairs.filter((_, i) => after[i]! < before[i]!);
    return {
      ...common,
      before: estimateShare(before),
      after: estimateShare(after),
      test: "mcnemar-exact",
      p: mcnemarExact(fixed.length, broken.length),
      detectable: detectableShareDifference(fixed.length + broken.length, pairs.length),
      fixed,
      broken,
    };
  }
  const differences = [...after].map((value, i) => value - before[i]!);
  return {
    ...common,
    before: estimate((drawn) => scoresOf(drawn).before),
    after: estimate((drawn) => scoresOf(drawn).after),
    test: "sign-flip",
    p: signFlipTest(differences, { seed }),
    detectable: detectableScoreDifference(score, differences),
  };
}

function estimateShare(values: Float64Array): Estimate {
  const successes = sum(values);
  return { value: successes / values.length, ...wilsonInterval(successes, values.length) };
}

/**
 * The smallest detectable difference of a score that is a function of a quotient of sums, by its linearization: item
 * i moves the quotient's difference q by (d_i - q size_i) / mean size (the ratio estimator of Cochran 1977, chapter 6).
 */
function detectableScoreDifference(
  { metric, before, sizes }: PairedScore,
  differences: readonly number[],
): number | undefined {
  const size = sum(sizes);
  const quotient = sum(differences) / size;
  const meanSize = size / sizes.length;
  const moves = differences.map((value, i) => (value - quotient * sizes[i]!) / meanSize);
  const detectable = detectableMeanDifference(moves);
  return detectable && detectable * Math.abs(aggregationOf(metric).ofQuotient!.slope(sum(before) / size));
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
