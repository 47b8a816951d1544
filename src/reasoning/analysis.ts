/** @file From solved problems to curves of accuracy against tokens, with intervals over the problems as pairs. */

import { paretoFront } from "../reporting/pareto.ts";
import type { SearchTree } from "../search/tree.ts";
import { excludesZero, mean } from "../statistics/estimates.ts";
import { pairedBootstrap } from "../statistics/paired-bootstrap.ts";
import { type Estimate, wilsonInterval } from "../statistics/wilson.ts";
import type { Meter } from "./meter.ts";

/** A problem as one strategy solved it. */
export interface SolvedProblem {
  readonly strategy: string;
  readonly task: string;
  readonly id: string;
  readonly question: string;
  readonly gold: string;
  /** Calculations of the right solution, if it shows them. */
  readonly steps: number | null;
  /** Null if there is none. */
  readonly answer: string | null;
  readonly isRight: boolean;
  readonly isCut: boolean;
  readonly text: string;
  readonly target: { readonly tokens: number; readonly used: number } | null;
  readonly details: Readonly<Record<string, number | string | boolean>>;
  readonly usage: Readonly<Meter>;
  /** What there was to compute: the tokens of each conversation once, and all that were written and scored. */
  readonly computedTokens: number;
  /** The trees of steps that were searched, if any were. */
  readonly trees?: readonly SearchTree[];
  /** The texts on the way, in the order in which they were known. */
  readonly trace: readonly { readonly after?: string; readonly text: string; readonly tokens: number }[];
}

/**
 * Which tokens are a strategy's cost: those that were written, or all that there were to compute, which are also those of the
 * question and of scores.
 */
export type Cost = "written" | "computed";

function tokensOf({ usage, computedTokens }: SolvedProblem, cost: Cost): number {
  return cost === "written" ? usage.completionTokens : computedTokens;
}

/** A strategy's place on the curve of a task. */
export interface CurvePoint {
  readonly strategy: string;
  /** Whether a claim of saving has to beat it. */
  readonly isBaseline: boolean;
  /** Whether it knows what is right, so that it cannot be used. */
  readonly isOracle: boolean;
  /** The share of right answers, with Wilson's 95 % interval. */
  readonly accuracy: Estimate;
  /** Tokens a problem, by the cost that is asked for: the mean, with a bootstrap interval over the problems. */
  readonly tokens: Estimate;
  /** Means over the problems; of the seconds the sum. */
  readonly usage: Readonly<Meter>;
  /** Shares of the problems. */
  readonly cut: number;
  readonly unanswered: number;
  /** Of strategies with an aim for their tokens: the mean of |used − aim| / aim, over the problems that had one. */
  readonly compliance: number | null;
  /** Whether no other strategy but oracles is as good with fewer tokens, or better with as many. */
  readonly isOnFront: boolean;
  /** Compared with the first strategy; null of itself. */
  readonly againstFirst: { readonly accuracy: Estimate; readonly tokens: Estimate } | null;
  /** Accuracy above that of the baselines at its number of tokens; null where they do not reach from below to above it. */
  readonly accuracyAtEqualTokens: Estimate | null;
  /** Tokens above those with which the baselines are as accurate; negative is a saving. Null where they never are. */
  readonly tokensAtEqualAccuracy: Estimate | null;
}

/** What is said of a strategy beside its solutions. */
export interface StrategyFacts {
  readonly name: string;
  readonly isBaseline: boolean;
  readonly isOracle: boolean;
  /** The most tokens that may be computed for a problem. Default: as many as it takes. */
  readonly budget?: number;
  /** Whether it draws whole solutions. Default false. */
  readonly drawsWholes?: boolean;
}

/** Draws of each interval: their number decides the third digit. */
const resamples = 2000;

/**
 * The curve of one task.
 *
 * @param solved of each strategy, the same problems in the same order
 */
export function drawCurve(
  strategies: readonly StrategyFacts[],
  solved: readonly (readonly SolvedProblem[])[],
  cost: Cost = "written",
): CurvePoint[] {
  const measured = solved.map((rows) => ({
    right: Float64Array.from(rows, ({ isRight }) => Number(isRight)),
    tokens: Float64Array.from(rows, (row) => tokensOf(row, cost)),
  }));
  const n = solved[0]!.length;
  const all = Uint32Array.from({ length: n }, (_, i) => i);
  const bootstrap = (statistic: (drawn: Uint32Array) => number): Estimate => ({
    value: statistic(all),
    ...pairedBootstrap(n, statistic, { resamples }),
  });
  const front = paretoFront(
    [...strategies.keys()].filter((i) => !strategies[i]!.isOracle),
    (i) => meanOf(measured[i]!.tokens, all),
    (i) => meanOf(measured[i]!.right, all),
  );
  return strategies.map(({ name, ...facts }, i): CurvePoint => {
    const rows = solved[i]!;
    const { right, tokens } = measured[i]!;
    const first = measured[0]!;
    const baselines = measured.filter((_, j) => strategies[j]!.isBaseline && j !== i);
    const curveOf = (drawn: Uint32Array) =>
      baselines.map((one): Point => [meanOf(one.tokens, drawn), meanOf(one.right, drawn)]);
    const aims = rows.flatMap(({ target }) => target ?? []);
    const successes = rows.filter(({ isRight }) => isRight).length;
    return {
      strategy: name,
      ...facts,
      accuracy: { value: successes / n, ...wilsonInterval(successes, n) },
      tokens: bootstrap((drawn) => meanOf(tokens, drawn)),
      usage: sumUp(rows),
      cut: rows.filter(({ isCut }) => isCut).length / n,
      unanswered: rows.filter(({ answer }) => answer === null).length / n,
      compliance:
        aims.length > 0 ? mean(aims.map(({ tokens, used }) => Math.abs(used - tokens) / tokens)) : null,
      isOnFront: front.includes(i),
      againstFirst:
        i === 0
          ? null
          : {
              accuracy: bootstrap((drawn) => meanOf(right, drawn) - meanOf(first.right, drawn)),
              tokens: bootstrap((drawn) => meanOf(tokens, drawn) - meanOf(first.tokens, drawn)),
            },
      accuracyAtEqualTokens: knownOr(
        bootstrap,
        (drawn) => meanOf(right, drawn) - accuracyAt(meanOf(tokens, drawn), curveOf(drawn)),
      ),
      tokensAtEqualAccuracy: knownOr(
        bootstrap,
        (drawn) => meanOf(tokens, drawn) - tokensFor(meanOf(right, drawn), curveOf(drawn)),
      ),
    };
  });
}

/** What a strategy gains over whole solutions under the same budget. */
export interface Gain {
  readonly task: string;
  readonly strategy: string;
  /** What draws whole solutions: self-consistency, or the best of n. */
  readonly against: string;
  /** Computed tokens of a problem. */
  readonly budget: number;
  /** Difference of the accuracies, over the problems as pairs. */
  readonly accuracy: Estimate;
  /** Whether its interval excludes zero. */
  readonly isShown: boolean;
}

/**
 * The gains of strategies that are held to a budget over others that spend as much on whole solutions, and of these over each other.
 *
 * @param solved of each strategy, the same problems in the same order
 */
export function gainsAtEqualBudget(
  strategies: readonly StrategyFacts[],
  solved: readonly (readonly SolvedProblem[])[],
): Gain[] {
  return strategies.flatMap(({ name: strategy, budget, isOracle }, i) =>
    strategies.flatMap((other, j): Gain[] => {
      if (budget === undefined || isOracle || i === j) return [];
      if (other.budget !== budget || !other.drawsWholes) return [];
      const gains = Float64Array.from(
        solved[i]!,
        ({ isRight }, at) => Number(isRight) - Number(solved[j]![at]!.isRight),
      );
      const accuracy = {
        value: mean([...gains]),
        ...pairedBootstrap(gains.length, (drawn) => meanOf(gains, drawn), { resamples }),
      };
      const { task } = solved[i]![0]!;
      return [{ task, strategy, against: other.name, budget, accuracy, isShown: excludesZero(accuracy) }];
    }),
  );
}

type Point = readonly [tokens: number, accuracy: number];

/** A statistic with its interval, or null if it is not a number. */
function knownOr(
  bootstrap: (statistic: (drawn: Uint32Array) => number) => Estimate,
  statistic: (drawn: Uint32Array) => number,
): Estimate | null {
  const estimate = bootstrap(statistic);
  return Object.values(estimate).every(Number.isFinite) ? estimate : null;
}

/** What the points reach with fewer and fewer tokens: those that no other beats, joined by straight lines, since problems may be divided between two. */
function frontOf(points: readonly Point[]): Point[] {
  return paretoFront(
    points,
    ([tokens]) => tokens,
    ([, accuracy]) => accuracy,
  );
}

/**
 * The accuracy that the points reach with a number of tokens: on straight lines between those that no other beats.
 *
 * @returns NaN below the cheapest point, and beyond the dearest if there is only one
 */
export function accuracyAt(tokens: number, points: readonly Point[]): number {
  const front = frontOf(points);
  if (front.length === 0 || tokens < front[0]![0]) return Number.NaN;
  const above = front.findIndex(([cost]) => cost > tokens);
  if (above < 0) return front.at(-1)![1];
  return interpolate(front[above - 1]!, front[above]!, tokens);
}

/** The tokens with which the points reach an accuracy; NaN if none does. */
export function tokensFor(accuracy: number, points: readonly Point[]): number {
  const front = frontOf(points);
  const reached = front.findIndex(([, score]) => score >= accuracy);
  if (reached < 0) return Number.NaN;
  if (reached === 0) return front[0]![0];
  const flip = ([tokens, score]: Point): Point => [score, tokens];
  return interpolate(flip(front[reached - 1]!), flip(front[reached]!), accuracy);
}

/** The y of an x on the line through two points. */
function interpolate([x0, y0]: Point, [x1, y1]: Point, x: number): number {
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}

function meanOf(values: Float64Array, drawn: Uint32Array): number {
  let sum = 0;
  for (let i = 0; i < drawn.length; i++) sum += values[drawn[i]!]!;
  return sum / drawn.length;
}

function sumUp(rows: readonly SolvedProblem[]): Meter {
  const average = (name: keyof Meter) => mean(rows.map(({ usage }) => usage[name]));
  return {
    promptTokens: average("promptTokens"),
    computedPromptTokens: average("computedPromptTokens"),
    completionTokens: average("completionTokens"),
    verifierTokens: average("verifierTokens"),
    calls: average("calls"),
    seconds: rows.reduce((sum, { usage }) => sum + usage.seconds, 0),
  };
}

/** Problems of like difficulty, by the calculations of their right solutions. */
export interface DifficultyBin {
  readonly label: string;
  readonly problems: number;
  /** In the order of the strategies. */
  readonly points: readonly {
    readonly strategy: string;
    readonly accuracy: number;
    readonly tokens: number;
  }[];
}

const bins = [
  { label: "1 calculation", least: 1, most: 1 },
  { label: "2 calculations", least: 2, most: 2 },
  { label: "3 or 4 calculations", least: 3, most: 4 },
  { label: "5 or more", least: 5, most: Number.POSITIVE_INFINITY },
];

/** The label of the bin that a problem is in; undefined if its right solution shows no calculations. */
export function difficultyOf({ steps }: Pick<SolvedProblem, "steps">): string | undefined {
  return steps === null ? undefined : bins.find(({ least, most }) => steps >= least && steps <= most)?.label;
}

/** None if the right solutions of a task show no calculations. */
export function binByDifficulty(
  solved: readonly (readonly SolvedProblem[])[],
  cost: Cost = "written",
): DifficultyBin[] {
  return bins.flatMap(({ label }) => {
    const ofBin = solved.map((rows) => rows.filter((row) => difficultyOf(row) === label));
    const problems = ofBin[0]!.length;
    if (problems === 0) return [];
    const points = ofBin.map((rows) => ({
      strategy: rows[0]!.strategy,
      accuracy: mean(rows.map(({ isRight }) => Number(isRight))),
      tokens: mean(rows.map((row) => tokensOf(row, cost))),
    }));
    return [{ label, problems, points }];
  });
}

/** A solution as it is shown. */
export type ShownSolution = Pick<
  SolvedProblem,
  "strategy" | "task" | "id" | "question" | "answer" | "isRight" | "isCut" | "text" | "details"
> & { readonly usage: Pick<SolvedProblem["usage"], "completionTokens"> };

/** Problems whose solutions are shown side by side, of each task. */
const shownProblems = 3;

/** The solutions of some problems of a task: of those on which strategies differ first. */
export function chooseShown<Solution extends ShownSolution>(ofTask: readonly Solution[]): Solution[] {
  const ids = [...new Set(ofTask.map(({ id }) => id))];
  const ofProblem = ids.map((id) => ofTask.filter((solution) => solution.id === id));
  const disagree = (rows: readonly ShownSolution[]) => new Set(rows.map(({ isRight }) => isRight)).size > 1;
  const ordered = [...ofProblem.filter(disagree), ...ofProblem.filter((rows) => !disagree(rows))];
  return ordered.slice(0, shownProblems).flat();
}
