/** @file What rounds with noise reveal of a client at most: epsilon, by the Rényi divergences of the sampled Gaussian mechanism. */

import { InputError } from "../../core/errors.ts";
import { checkPositive, checkRate } from "./checks.ts";

/** Rounds in each of which every client takes part with the same probability, independently of all others. */
export interface NoisyRounds {
  /** With which a client takes part in a round: q, in (0, 1]. */
  readonly samplingRate: number;
  /** Standard deviation of the noise on the sum over the norm to which updates are clipped: σ. */
  readonly noiseMultiplier: number;
  readonly rounds: number;
}

/** The orders α that Google's dp-accounting tries by default. */
const defaultOrders: readonly number[] = [
  ...Array.from({ length: 99 }, (_, i) => 1.1 + i / 10),
  ...Array.from({ length: 53 }, (_, i) => 11 + i),
  128,
  256,
  512,
  1024,
];

/**
 * The ε of (ε, δ)-differential privacy at the level of clients, where one client more or less is to be hidden: the least over the orders α of
 * T ε_α + log((α − 1) / α) − (log δ + log α) / (α − 1) (Canonne, Kamath and Steinke 2020, proposition 12).
 *
 * @param delta the probability with which ε may not hold; less than one over the number of clients
 * @param orders the α above 1 that are tried. Default: 156 from 1.1 to 1024
 * @throws InputError if a quantity is out of its range.
 */
export function epsilonOf(given: NoisyRounds, delta: number, orders = defaultOrders): number {
  checkRounds(given);
  const { samplingRate, noiseMultiplier, rounds } = given;
  if (!(delta > 0 && delta < 1))
    throw new InputError(
      `A delta of ${delta} is no probability between 0 and 1; take one over more than the clients.`,
    );
  const epsilons = orders.map((order) => {
    const divergence = rounds * renyiDivergence(order, samplingRate, noiseMultiplier);
    // A total variation of at most sqrt(1 - exp(-KL)) (Bretagnolle and Huber 1979) that is below delta needs no epsilon.
    if (delta ** 2 + Math.expm1(-divergence) > 0) return 0;
    return divergence + Math.log1p(-1 / order) - Math.log(delta * order) / (order - 1);
  });
  return Math.max(0, Math.min(...epsilons));
}

function checkRounds({ samplingRate, noiseMultiplier, rounds }: NoisyRounds): void {
  checkRate(samplingRate);
  checkPositive("noise multiplier", noiseMultiplier);
  if (!Number.isSafeInteger(rounds) || rounds < 0)
    throw new InputError(`There cannot be ${rounds} rounds; give a whole number.`);
}

/**
 * The Rényi divergence of order α of (1 − q) N(0, σ²) + q N(1, σ²) from N(0, σ²), in nats: log E[((1 − q) + q exp((2z − 1) / 2σ²))^α] / (α − 1)
 * over z from N(0, σ²) (Mironov, Talwar and Zhang 2019, sections 3.2 and 3.3), by the trapezoidal rule, whose error falls exponentially with the
 * step for functions such as this.
 */
function renyiDivergence(order: number, q: number, sigma: number): number {
  if (q === 1) return order / (2 * sigma ** 2);
  // All that counts lies within some deviations of [0, α]. The integrand's singularities are π σ² from the real line.
  const [low, high] = [-12 * sigma, order + 12 * sigma];
  const steps = Math.ceil((high - low) / Math.min(sigma / 6, sigma ** 2 / 2));
  const step = (high - low) / steps;
  const logs = Float64Array.from({ length: steps + 1 }, (_, i) => {
    const z = low + i * step;
    const ratio = (2 * z - 1) / (2 * sigma ** 2) + Math.log(q);
    const largest = Math.max(ratio, Math.log1p(-q));
    const logMixture = largest + Math.log(Math.exp(ratio - largest) + Math.exp(Math.log1p(-q) - largest));
    return order * logMixture - z ** 2 / (2 * sigma ** 2);
  });
  const most = logs.reduce((a, b) => Math.max(a, b));
  const sum = logs.reduce((total, value) => total + Math.exp(value - most), 0);
  return (most + Math.log((sum * step) / (sigma * Math.sqrt(2 * Math.PI)))) / (order - 1);
}
