/** @file What objectives of answers that the model writes itself share: their options, the clipped ratio, and TRL's metrics. */

import * as z from "zod";
import type { ScoredExample, ScoredText } from "./objective.ts";
import { mean, sum } from "./scored-text.ts";

/** With TRL's names and defaults. */
export const rolloutOptions = z.strictObject({
  /** What an answer's reward is the sum of: names such as "correct" and "length:0.1", or paths of modules (docs/objectives.md). */
  reward: z.array(z.string().min(1)).min(1).default(["correct"]),
  /** Optimizer steps on the same answers. */
  num_iterations: z.int().min(1).default(1),
  /** Divides the logits, as answers are drawn and as they are learnt from. */
  temperature: z.number().positive().default(1),
  /** Longest answer in tokens. */
  max_completion_length: z.int().min(1).default(512),
  /** Whether nothing is learnt from answers that were cut off. */
  mask_truncated_completions: z.boolean().default(false),
  /** How far an answer's likelihood may move in the steps on it, as a share of what it was: down and, by default, up. */
  epsilon: z.number().positive().default(0.2),
  epsilon_high: z.number().positive().optional(),
});

/** Answers to each prompt: a group, within which rewards are compared. */
export const numGenerationsSchema = z.int().min(2);

export type RolloutOptions = z.output<typeof rolloutOptions>;

/**
 * The log-probabilities of a text's labels by the model that wrote it. With one iteration it is the model that is tuned, so that
 * they are not differentiated although they are the same.
 */
export function oldOf(text: ScoredText, { num_iterations }: RolloutOptions): Float64Array {
  return num_iterations === 1 ? text.logProbabilities : text.old!;
}

export interface Surrogate {
  readonly loss: number;
  /** Of the loss, by the logarithm of the ratio. */
  readonly slope: number;
  /** Whether the ratio is below or above its range, and the advantage would take it further. */
  readonly low: boolean;
  readonly high: boolean;
}

/** −min(ρA, clip(ρ, 1 − ε, 1 + ε)·A) (Schulman et al. 2017, equation 7). @param ratio ρ, of the likelihood to what it was */
export function clippedSurrogate(
  ratio: number,
  advantage: number,
  { epsilon, epsilon_high = epsilon }: RolloutOptions,
): Surrogate {
  const low = ratio < 1 - epsilon && advantage < 0;
  const high = ratio > 1 + epsilon_high && advantage > 0;
  const clipped = low ? 1 - epsilon : high ? 1 + epsilon_high : ratio;
  return { loss: -clipped * advantage, slope: low || high ? 0 : -ratio * advantage, low, high };
}

/** The standard deviation of a sample. */
export function deviationOf(values: readonly number[]): number {
  const center = mean(values);
  return Math.sqrt(sum(values.map((value) => (value - center) ** 2)) / (values.length - 1));
}

/** Rewards whose deviation is at most this are all alike, as to PyTorch's `isclose`. */
const negligible = 1e-8;

/** @param compared the rewards that advantages are made of, group by group */
export function rewardMetrics(
  examples: readonly ScoredExample[],
  compared: readonly (readonly number[])[],
): Record<string, number> {
  const rewards = examples.flatMap((example) => example.rewards!);
  return {
    reward: mean(rewards),
    reward_std: deviationOf(rewards),
    frac_reward_zero_std: mean(compared.map((group) => (deviationOf(group) <= negligible ? 1 : 0))),
  };
}

/** The shares of what was clipped, and the extremes over texts. @param texts of each text the surrogates of its parts */
export function clipMetrics(texts: readonly (readonly Surrogate[])[]): Record<string, number> {
  const share = (of: readonly Surrogate[], counts: (one: Surrogate) => boolean) =>
    of.filter(counts).length / Math.max(1, of.length);
  const all = texts.flat();
  const filled = texts.some(({ length }) => length > 0) ? texts.filter(({ length }) => length > 0) : [[]];
  return {
    "clip_ratio/low_mean": share(all, ({ low }) => low),
    "clip_ratio/low_min": Math.min(...filled.map((text) => share(text, ({ low }) => low))),
    "clip_ratio/high_mean": share(all, ({ high }) => high),
    "clip_ratio/high_max": Math.max(...filled.map((text) => share(text, ({ high }) => high))),
    "clip_ratio/region_mean": share(all, ({ low, high }) => low || high),
  };
}

/**
 * The entropy of the next token, estimated from the tokens that were drawn: the mean of their negative log-probabilities by the model
 * that drew them, in nats.
 */
export function estimateEntropy(texts: readonly ScoredText[], options: RolloutOptions): number {
  const values = texts.flatMap((text) => [...oldOf(text, options)]);
  return -sum(values) / Math.max(1, values.length);
}
