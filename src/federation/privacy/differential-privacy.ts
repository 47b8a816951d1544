/** @file Client-level differential privacy of averages: updates clipped, noise on their sum, participants drawn at random. */

import { randomFillSync } from "node:crypto";
import { type Parameter, type Parameters, trainedOf } from "../../core/adapters/parameters.ts";
import { InputError } from "../../core/errors.ts";
import { type Random, randomFrom } from "../../core/random.ts";
import { checkPositive, checkRate } from "./checks.ts";

export interface ClientPrivacy {
  /** The norm C to which a client's whole change is clipped. */
  readonly clipNorm: number;
  /** Standard deviation σ of the noise on the sum, in units of `clipNorm`. */
  readonly noiseMultiplier: number;
  /** Probability q with which each client takes part in a round. */
  readonly samplingRate: number;
}

/**
 * A client's change from the global adapter, Δ min(1, C / ‖Δ‖), of the tensors that are trained (McMahan et al. 2018, algorithm 1).
 *
 * @throws InputError if the norm to clip to is not positive.
 */
export function clipUpdate(
  parameters: Parameters,
  global: Parameters,
  clipNorm: number,
): { readonly update: Map<string, Parameter>; readonly norm: number } {
  checkPositive("norm to clip to", clipNorm);
  const update = new Map<string, Parameter>();
  let squares = 0;
  for (const [name, { dims, data: before }] of trainedOf(global)) {
    const after = parameters.get(name)!.data;
    const data = before.map((value, i) => after[i]! - value);
    for (const value of data) squares += value * value;
    update.set(name, { dims, data });
  }
  const norm = Math.sqrt(squares);
  // Rounding to float32 must not make it longer than it may be.
  const factor = norm > clipNorm ? (clipNorm / norm) * (1 - 2 ** -20) : 1;
  for (const { data } of update.values()) for (let i = 0; i < data.length; i++) data[i]! *= factor;
  return { update, norm };
}

/**
 * The global adapter after a round: global + (Σ Δ + N(0, σ²C²)) / (q n). All clients count alike, and the sum is divided by the number of
 * participants that is expected, since that of those who came would itself reveal something (McMahan et al. 2018, estimator f_f).
 *
 * @param sum of the clipped updates of those who took part; none of them may be missing a tensor
 * @param clients all who could have taken part
 * @param random of the noise. Default: {@link secureRandom}; a known seed would let anybody take the noise off
 * @throws InputError if a setting gives no privacy.
 */
export function addPrivately(
  global: Parameters,
  sum: Parameters,
  { clipNorm, noiseMultiplier, samplingRate }: ClientPrivacy,
  clients: number,
  random: Random = secureRandom(),
): Map<string, Parameter> {
  checkPositive("norm to clip to", clipNorm);
  checkPositive("noise multiplier", noiseMultiplier);
  checkRate(samplingRate);
  const deviation = noiseMultiplier * clipNorm;
  const expected = samplingRate * clients;
  return new Map(
    [...global].map(([name, parameter]) => {
      if (parameter.isFrozen) return [name, parameter];
      const added = sum.get(name)!.data;
      const data = parameter.data.map(
        (value, i) => value + (added[i]! + deviation * random.normal()) / expected,
      );
      return [name, { dims: parameter.dims, data }];
    }),
  );
}

/**
 * Who takes part in a round: each with probability q, independently, so that there may be few or none. The guarantee is for this; a fixed
 * number of participants has another, which is not computed here.
 *
 * @throws InputError if the rate is no probability.
 */
export function sampleClients(
  clients: readonly string[],
  samplingRate: number,
  random: Random = secureRandom(),
): string[] {
  checkRate(samplingRate);
  return clients.filter(() => random.uniform() < samplingRate);
}

/** Refuses settings of rounds whose privacy is not accounted for. @throws InputError if participants are a fixed number. */
export function checkSampling(settings: {
  readonly samplingRate?: number;
  readonly clientsPerRound?: number;
}): void {
  if (settings.clientsPerRound !== undefined || settings.samplingRate === undefined)
    throw new InputError(
      "With differential privacy each client takes part with a probability of its own, and a fixed number of clients has another guarantee; give a sampling rate in place of the number.",
    );
  checkRate(settings.samplingRate);
}

/** Draws from the operating system's generator. */
export function secureRandom(): Random {
  const buffer = new Uint32Array(4096);
  let next = buffer.length;
  return randomFrom(() => {
    if (next === buffer.length) {
      randomFillSync(buffer);
      next = 0;
    }
    return buffer[next++]!;
  });
}
