/** @file Choosing the next token from logits. */

import { InputError } from "../errors.ts";
import type { Random } from "../random.ts";

export interface SamplingOptions {
  /** Logits are divided by it before the softmax; 0 takes the likeliest token. Default 0. */
  readonly temperature?: number;
  /** Only the likeliest tokens that together have this probability are drawn from. Default 1. */
  readonly topP?: number;
  /** Only this many of the likeliest tokens are drawn from. Default: all. */
  readonly topK?: number;
  /** Only tokens at least this many times as likely as the likeliest are drawn from. Default 0: all. */
  readonly minP?: number;
  /**
   * Logits of tokens that stand in the prompt or the answer are divided by it if positive, else multiplied (Keskar et
   * al. 2019, section 4.1). Default 1: unchanged.
   */
  readonly repetitionPenalty?: number;
}

/** @throws InputError if an option is out of its range. */
export function checkSampling({ temperature = 0, topP = 1 }: SamplingOptions): void {
  if (!(temperature >= 0 && Number.isFinite(temperature))) {
    throw new InputError(`The temperature is ${temperature}, but must be 0 or more.`);
  }
  if (!(topP > 0 && topP <= 1)) {
    throw new InputError(`Top-p is ${topP}, but must be above 0 and at most 1.`);
  }
}

/** The id of the next token: the likeliest, or one drawn from the (truncated) softmax. */
export function sampleToken(
  logits: Float32Array,
  { temperature = 0, topP = 1 }: SamplingOptions,
  random: Random,
): number {
  const best = logits.reduce((top, logit, id) => (logit > logits[top]! ? id : top), 0);
  if (temperature === 0) return best;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - logits[best]!) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const order = Array.from(weights.keys()).sort((a, b) => weights[b]! - weights[a]!);
  let kept = 0;
  let mass = 0;
  while (kept < order.length && mass < topP * total) mass += weights[order[kept++]!]!;
  let draw = random.uniform() * mass;
  for (const id of order.slice(0, kept)) {
    draw -= weights[id]!;
    if (draw < 0) return id;
  }
  return order[kept - 1]!;
}
