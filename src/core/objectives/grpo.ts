/** @file Group relative policy optimization and its variants, as TRL 1.16 computes them. */

import * as z from "zod";
import type { Objective, ScoredExample, ScoredText } from "./objective.ts";
import {
  clipMetrics,
  clippedSurrogate,
  deviationOf,
  estimateEntropy,
  numGenerationsSchema,
  oldOf,
  rewardMetrics,
  rolloutOptions,
} from "./rollouts.ts";
import { lengthOf, mean, sum } from "./scored-text.ts";

export const grpoOptions = rolloutOptions.extend({
  num_generations: numGenerationsSchema.default(8),
  /** How strongly the model is held to its reference. */
  beta: z.number().min(0).default(0),
  /** By what the sum over an answer's tokens is divided; see {@link grpo}. */
  loss_type: z.enum(["grpo", "bnpo", "dr_grpo", "dapo"]).default("dapo"),
  /** By whose standard deviation advantages are divided: that of their group's rewards, of all of a step, or not at all. */
  scale_rewards: z.enum(["group", "batch", "none"]).default("group"),
});

type GrpoOptions = z.output<typeof grpoOptions>;

/** Added to standard deviations of rewards, by which is divided. */
const leastDeviation = 1e-4;

/**
 * GRPO (Shao et al. 2024, equation 3): of each token −min(ρA, clip(ρ, 1 − ε, 1 + ε)·A) + β·KL. Here ρ is how much likelier the token has
 * become since it was written, and A the answer's advantage, its reward less the mean of its group over their standard deviation. KL
 * to the reference is estimated by e^d − d − 1, where d is log π_ref/π (Schulman 2020), times ρ (DeepSeek-AI 2025, DeepSeek-V3.2, which
 * makes its gradient that of the divergence).
 *
 * The sum over tokens is divided by the answer's length and the number of answers ("grpo"); by the number of all tokens of the
 * step ("dapo", Yu et al. 2025, equation 8; "bnpo", which in TRL is of a micro-batch, is here the same); or by the number of answers times
 * the longest possible length ("dr_grpo", Liu et al. 2025, section 3.2, to which `scale_rewards` "none" belongs).
 */
export function grpo(options: GrpoOptions): Objective {
  const { beta, num_iterations, scale_rewards } = options;
  return {
    name: "grpo",
    learnsFrom: "prompts",
    usesReference: beta > 0,
    isLinear: false,
    evaluate(examples) {
      const advantages = advantagesOf(examples, scale_rewards);
      const divisorOf = createDivisor(options, examples);
      const groups = examples.map(({ texts, weight }, group) =>
        texts.map((text, i) => {
          const tokens = tokensOf(text, advantages[group]![i]!, options);
          const share = weight / divisorOf(text);
          return {
            tokens,
            loss: share * sum(tokens.map(({ surrogate, kl }) => surrogate.loss + beta * kl)),
            coefficients: Float64Array.from(
              tokens,
              ({ surrogate, klSlope }) => share * (surrogate.slope + beta * klSlope),
            ),
          };
        }),
      );
      const texts = groups.flat();
      const divergences = texts.flatMap(({ tokens }) => tokens.map(({ kl }) => kl));
      const surrogates = texts.map(({ tokens }) => tokens.map(({ surrogate }) => surrogate));
      return {
        loss: sum(texts.map(({ loss }) => loss)),
        coefficients: groups.map((group) => group.map(({ coefficients }) => coefficients)),
        metrics: {
          ...rewardMetrics(
            examples,
            examples.map(({ rewards }) => rewards!),
          ),
          entropy: estimateEntropy(
            examples.flatMap((example) => example.texts),
            options,
          ),
          ...(beta > 0 && { kl: sum(divergences) / Math.max(1, divergences.length) }),
          ...(num_iterations > 1 && clipMetrics(surrogates)),
        },
      };
    },
  };
}

/** Of each example's answers: rewards less their group's mean, over a standard deviation. */
function advantagesOf(examples: readonly ScoredExample[], scale: GrpoOptions["scale_rewards"]): number[][] {
  const ofAll = scale === "batch" ? deviationOf(examples.flatMap(({ rewards }) => rewards!)) : 0;
  return examples.map(({ rewards }) => {
    const center = mean(rewards!);
    const divisor =
      scale === "none" ? 1 : leastDeviation + (scale === "group" ? deviationOf(rewards!) : ofAll);
    return rewards!.map((reward) => (reward - center) / divisor);
  });
}

/** By what the sum over a text's tokens is divided. */
function createDivisor(
  { loss_type, max_completion_length }: GrpoOptions,
  examples: readonly ScoredExample[],
): (text: ScoredText) => number {
  const texts = examples.flatMap((example) => example.texts);
  if (loss_type === "grpo") return (text) => texts.length * lengthOf(text);
  const tokens = sum(texts.map(({ logProbabilities }) => logProbabilities.length));
  const divisor = loss_type === "dr_grpo" ? texts.length * max_completion_length : Math.max(1, tokens);
  return () => divisor;
}

/** Each token's part of the loss, and its derivatives by the token's log-probability. */
function tokensOf(text: ScoredText, advantage: number, options: GrpoOptions) {
  const old = oldOf(text, options);
  return Array.from(text.logProbabilities, (logProbability, i) => {
    const ratio = Math.exp(logProbability - old[i]!);
    const surrogate = clippedSurrogate(ratio, advantage, options);
    if (options.beta === 0) return { surrogate, kl: 0, klSlope: 0 };
    const lead = text.reference[i]! - logProbability;
    return { surrogate, kl: ratio * (Math.expm1(lead) - lead), klSlope: -ratio * lead };
  });
}
