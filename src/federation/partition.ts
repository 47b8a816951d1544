/** @file Examples divided among simulated clients, whose shares of each class differ as much as is asked for. */

import { InputError } from "../core/errors.ts";
import { createRandom, type Random } from "../core/random.ts";

export interface PartitionOptions {
  readonly clients: number;
  /**
   * Concentration α of the Dirichlet distribution from which each class is divided: with 0.1 most of a class is one client's, with 1 all
   * divisions are equally likely, with Infinity each client has the same share.
   */
  readonly alpha: number;
  /** Fewest examples of a client. The division is drawn anew until all have as many. Default 1. */
  readonly minimumSize?: number;
  readonly seed: number;
}

/** So often a division is drawn before it is given up. */
const maxAttempts = 1000;

/**
 * The numbers, from 0, of each client's examples, rising: every example is one client's. For each class a division among the clients is drawn
 * from Dirichlet(α) (Hsu, Qi and Brown 2019).
 *
 * @param classes the class of each example; of data without classes one for all, so that only sizes differ
 * @throws InputError if the options are out of range, or no division is found in which all clients have enough.
 */
export function partitionExamples(
  classes: readonly (string | number)[],
  { clients, alpha, minimumSize = 1, seed }: PartitionOptions,
): number[][] {
  if (!Number.isSafeInteger(clients) || clients < 1)
    throw new InputError(
      `The examples cannot be divided among ${clients} clients; give a whole number of at least 1.`,
    );
  if (!(alpha > 0))
    throw new InputError(
      `The Dirichlet distribution's alpha is ${alpha}; take a positive number, or Infinity.`,
    );
  if (!Number.isSafeInteger(minimumSize) || minimumSize < 1)
    throw new InputError(
      `A client cannot have ${minimumSize} examples at least; give a whole number of at least 1.`,
    );
  if (clients * minimumSize > classes.length)
    throw new InputError(
      `${classes.length} examples are too few for ${clients} clients with at least ${minimumSize}; take fewer clients or a lower minimum.`,
    );
  const ofClass = new Map<string | number, number[]>();
  for (const [i, each] of classes.entries()) ofClass.set(each, [...(ofClass.get(each) ?? []), i]);
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const random = createRandom(seed, attempt);
    const parts = Array.from({ length: clients }, (): number[] => []);
    // With equal shares a class begins where the one before ended, so that sizes differ by one at most.
    let turn = 0;
    for (const examples of ofClass.values()) {
      shuffle(examples, random);
      if (alpha === Number.POSITIVE_INFINITY) {
        for (const example of examples) parts[turn++ % clients]!.push(example);
        continue;
      }
      const shares = drawDirichlet(clients, alpha, random);
      let [sum, start] = [0, 0];
      for (const [client, share] of shares.entries()) {
        sum += share;
        const end = client === clients - 1 ? examples.length : Math.round(sum * examples.length);
        parts[client]!.push(...examples.slice(start, end));
        start = end;
      }
    }
    if (parts.every((part) => part.length >= minimumSize))
      return parts.map((part) => part.sort((a, b) => a - b));
  }
  throw new InputError(
    `In ${maxAttempts} draws with alpha ${alpha} there was always a client with fewer than ${minimumSize} examples; take a larger alpha, fewer clients or a lower minimum.`,
  );
}

/** Shares from the symmetric Dirichlet distribution: Gamma(α) numbers over their sum, by their logarithms, since small α make tiny ones. */
function drawDirichlet(count: number, alpha: number, random: Random): number[] {
  const logs = Array.from({ length: count }, () => drawLogGamma(alpha, random));
  const largest = Math.max(...logs);
  const weights = logs.map((value) => Math.exp(value - largest));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/** The logarithm of a draw from Gamma(α, 1) (Marsaglia and Tsang 2000); for α below 1 that of α + 1 times U^(1 / α). */
function drawLogGamma(alpha: number, random: Random): number {
  if (alpha < 1) return drawLogGamma(alpha + 1, random) + Math.log(1 - random.uniform()) / alpha;
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < x ** 2 / 2 + d - d * v + d * Math.log(v))
      return Math.log(d * v);
  }
}

function shuffle(values: number[], random: Random): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
}
