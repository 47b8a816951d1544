/** @file Decoding strategies: how the next token is chosen from logits. */

import { DamagedModelError, InputError } from "../errors.ts";
import { areFinite } from "../formats/weight-file.ts";
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
export function checkSampling(options: SamplingOptions): void {
  const { temperature = 0, topP = 1, topK = 1, minP = 0, repetitionPenalty = 1 } = options;
  const check = (fits: boolean, name: string, value: number, range: string) => {
    if (!fits) throw new InputError(`${name} is ${value}, but must be ${range}.`);
  };
  check(temperature >= 0 && Number.isFinite(temperature), "The temperature", temperature, "0 or more");
  check(topP > 0 && topP <= 1, "Top-p", topP, "above 0 and at most 1");
  check(Number.isInteger(topK) && topK >= 1, "Top-k", topK, "a whole number above 0");
  check(minP >= 0 && minP <= 1, "Min-p", minP, "between 0 and 1");
  check(
    repetitionPenalty > 0 && Number.isFinite(repetitionPenalty),
    "The repetition penalty",
    repetitionPenalty,
    "above 0",
  );
}

/** What is known of a text as its next token is chosen. */
export interface DecodingState {
  readonly promptIds: readonly number[];
  /** The tokens written so far. */
  readonly ids: readonly number[];
  /** A source of draws that is the text's own. */
  readonly random: Random;
}

/**
 * Chooses the next token from the model's logits, one per token of the vocabulary, which it may change.
 *
 * @example
 * const neverTwiceInARow: DecodingStrategy = ({ ids }, logits) => {
 *   if (ids.length > 0) logits[ids.at(-1)!] = Number.NEGATIVE_INFINITY;
 *   return likeliest(logits, 1)[0]!;
 * };
 * await generator.generate({ promptIds, maxNewTokens: 64, strategy: neverTwiceInARow });
 */
export type DecodingStrategy = (state: DecodingState, logits: Float32Array) => number;

/**
 * The strategy that options ask for: the repetition penalty comes first, as in Transformers.
 *
 * @example
 * const strategy = strategyOf({ temperature: 0.8, topP: 0.95, repetitionPenalty: 1.1 });
 */
export function strategyOf(options: SamplingOptions): DecodingStrategy {
  const { temperature = 0, repetitionPenalty = 1 } = options;
  const strategy = temperature === 0 ? greedy : sampling(options);
  return repetitionPenalty === 1 ? strategy : penalizeRepetition(repetitionPenalty, strategy);
}

/** Takes the likeliest token, and of equals the first. */
export const greedy: DecodingStrategy = (_, logits) => argmax(logits);

/**
 * Draws from the truncated softmax: after the temperature, top-k, top-p and min-p each on what the one before has left, as
 * in Transformers.
 *
 * @example
 * const strategy = sampling({ temperature: 0.8, topK: 40 });
 */
export function sampling({
  temperature = 1,
  topP = 1,
  topK = Number.POSITIVE_INFINITY,
  minP = 0,
}: Omit<SamplingOptions, "repetitionPenalty">): DecodingStrategy {
  /** Of a text's tokens one after the other. */
  let weights = new Float64Array(0);
  return ({ random }, logits) => {
    const best = argmax(logits);
    if (weights.length !== logits.length) weights = new Float64Array(logits.length);
    for (let id = 0; id < weights.length; id++)
      weights[id] = Math.exp((logits[id]! - logits[best]!) / temperature);
    const least = leastWeight(weights, topK, topP, minP);
    let mass = 0;
    for (let id = 0; id < weights.length; id++) if (weights[id]! >= least) mass += weights[id]!;
    let draw = random.uniform() * mass;
    for (let id = 0; id < weights.length; id++) {
      if (weights[id]! < least) continue;
      draw -= weights[id]!;
      if (draw < 0) return id;
    }
    return best;
  };
}

/**
 * A strategy over logits of which those of tokens in the prompt or the text are lessened; see {@link SamplingOptions}.
 *
 * @example
 * const strategy = penalizeRepetition(1.2, sampling({ temperature: 0.8 }));
 */
export function penalizeRepetition(penalty: number, strategy: DecodingStrategy): DecodingStrategy {
  return (state, logits) => {
    for (const id of new Set([...state.promptIds, ...state.ids])) {
      const logit = logits[id]!;
      logits[id] = logit > 0 ? logit / penalty : logit * penalty;
    }
    return strategy(state, logits);
  };
}

/** @throws DamagedModelError if a logit is not a finite number */
export function checkLogits(logits: Float32Array): void {
  if (areFinite(logits)) return;
  throw new DamagedModelError(
    "The model's logits are not finite numbers, so no token can be chosen; the weights or the adapter are damaged: load them anew, or tune again at a lower learning rate.",
  );
}

/** The least weight that is drawn from: that of the last token which top-k, top-p and min-p leave. */
function leastWeight(weights: Float64Array, topK: number, topP: number, minP: number): number {
  const isAll = topK >= weights.length;
  if (isAll && topP === 1) return minP;
  let enough = isAll ? topP * sumOf(weights) : Number.POSITIVE_INFINITY;
  const descending = heaviest(weights, (count, mass) => count >= topK || mass >= enough).subarray(0, topK);
  if (!isAll) enough = topP * sumOf(descending);
  let mass = 0;
  let last = 0;
  while (last < descending.length - 1 && mass + descending[last]! < enough) mass += descending[last++]!;
  return Math.max(minP, descending[last]!);
}

/**
 * The heaviest weights, of which the first is 1, in falling order: so many that their number and sum are enough. Few are put in order,
 * since few of a vocabulary's tokens have most of the weight.
 */
function heaviest(weights: Float64Array, isEnough: (count: number, mass: number) => boolean): Float64Array {
  for (let bound = 2 ** -8; ; bound /= 2 ** 8) {
    const heavy: number[] = [];
    let mass = 0;
    for (let id = 0; id < weights.length; id++) {
      const weight = weights[id]!;
      if (weight < bound) continue;
      heavy.push(weight);
      mass += weight;
    }
    if (heavy.length === weights.length || isEnough(heavy.length, mass))
      return Float64Array.from(heavy).sort().reverse();
  }
}

function sumOf(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}

export function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/**
 * The ids of the `count` largest logits, largest first.
 *
 * @example
 * const [second] = likeliest(Float32Array.of(0, 3, 2), 2).slice(1); // 2
 */
export function likeliest(logits: Float32Array, count: number): number[] {
  const descending = (a: number, b: number) => logits[b]! - logits[a]! || a - b;
  if (count >= logits.length) return Array.from(logits.keys()).sort(descending);
  const sorted = Float32Array.from(logits).sort();
  const least = sorted[sorted.length - count]!;
  const ids: number[] = [];
  for (let id = 0; id < logits.length; id++) if (logits[id]! >= least) ids.push(id);
  return ids.sort(descending).slice(0, count);
}

/**
 * ln of the sum of the exponentials: what a logit must be lessened by to be a log-probability.
 *
 * @example
 * const logits = Float32Array.of(0, 3, 2);
 * const logProbabilities = logits.map((logit) => logit - logSumExp(logits));
 */
export function logSumExp(logits: Float32Array): number {
  const largest = logits[argmax(logits)]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - largest);
  return largest + Math.log(sum);
}
