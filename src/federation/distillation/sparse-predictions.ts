/** @file Predictions of the next token by their likeliest entries and the probability of all others together, which is little to send. */

import type { Predictions } from "../../core/engine/divergence-layer.ts";
import { InputError } from "../../core/errors.ts";
import { decodeFloat16, encodeFloat16 } from "../../core/formats/float16.ts";

/**
 * Distributions over a vocabulary at some positions; or over the answers that a question has, which are then the vocabulary and all sent.
 */
export interface SparsePredictions {
  readonly vocabSize: number;
  /** Positions. */
  readonly count: number;
  /** Entries of each that are told: k. */
  readonly entries: number;
  /** By which the logits were divided. */
  readonly temperature: number;
  /** Numbers of the entries, [count, entries], the likeliest first. */
  readonly tokens: Uint32Array;
  /** Their log-probabilities in nats, [count, entries]. */
  readonly logProbabilities: Float32Array;
  /** The logarithm of the probability of all other entries together, [count]; -Infinity if there are none. */
  readonly logRest: Float32Array;
}

/** Entries of the vocabulary that are read at a time. */
const tile = 2048;

/**
 * The `entries` likeliest entries at each position, all if there are fewer.
 *
 * @throws InputError if none is asked for.
 */
export async function likeliestOf(predictions: Predictions, entries: number): Promise<SparsePredictions> {
  const { vocabSize, count, temperature } = predictions;
  if (!(Number.isSafeInteger(entries) && entries >= 1))
    throw new InputError(
      `Of each prediction ${entries} entries cannot be sent; give a whole number of at least 1.`,
    );
  const kept = Array.from({ length: count }, (): [token: number, logProbability: number][] => []);
  const rest = new Float64Array(count);
  const most = Math.min(entries, vocabSize);
  for (let start = 0; start < vocabSize; start += tile) {
    const end = Math.min(start + tile, vocabSize);
    const { data } = await predictions.logProbabilities({ start: 0, end: count }, { start, end });
    for (const [position, best] of kept.entries()) {
      const row = (data as Float32Array).subarray(position * (end - start), (position + 1) * (end - start));
      const least = best.length < most ? Number.NEGATIVE_INFINITY : best.at(-1)![1];
      for (const [i, value] of row.entries()) {
        if (value > least || best.length < most) best.push([start + i, value]);
        else rest[position]! += Math.exp(value);
      }
      best.sort((a, b) => b[1] - a[1] || a[0] - b[0]);
      for (const [, value] of best.splice(most)) rest[position]! += Math.exp(value);
    }
  }
  return sparse({ vocabSize, temperature }, kept, most < vocabSize ? rest : undefined);
}

function sparse(
  of: Pick<SparsePredictions, "vocabSize" | "temperature">,
  kept: readonly (readonly (readonly [token: number, logProbability: number])[])[],
  rest: Float64Array | undefined,
): SparsePredictions {
  return {
    ...of,
    count: kept.length,
    entries: kept[0]?.length ?? 0,
    tokens: Uint32Array.from(kept.flatMap((row) => row.map(([token]) => token))),
    logProbabilities: Float32Array.from(kept.flatMap((row) => row.map(([, value]) => value))),
    logRest: Float32Array.from(kept, (_, position) =>
      rest ? Math.log(rest[position]!) : Number.NEGATIVE_INFINITY,
    ),
  };
}

export interface ClientPredictions {
  readonly predictions: SparsePredictions;
  /** By which the client counts, such as its number of examples. */
  readonly weight: number;
}

/** How much clients count at a position: by their weights alone, or also by how sure they are. */
export const consensuses = ["mean", "confidence"] as const;
export type Consensus = (typeof consensuses)[number];

/**
 * The mean of clients' distributions at the same positions, of as many entries as are asked for. An entry that a client has not told has an equal
 * share of its rest. With "confidence" a client's weight at a position is multiplied by exp(-H), with H the entropy of what it says there.
 *
 * @throws InputError if there are none, they are not of the same positions, vocabulary and temperature, or one is no distribution.
 */
export function aggregatePredictions(
  clients: readonly ClientPredictions[],
  consensus: Consensus,
  entries: number,
): SparsePredictions {
  const [first] = clients;
  if (!first)
    throw new InputError(
      "No client sent predictions, so there is nothing to average; wait for more clients.",
    );
  const { vocabSize, count, temperature } = first.predictions;
  for (const [number, { predictions }] of clients.entries())
    checkAlike(predictions, first.predictions, number);
  const most = Math.min(entries, vocabSize);
  const rest = new Float64Array(count);
  const kept = Array.from({ length: count }, (_, position) => {
    const weights = clients.map(
      ({ predictions, weight }) =>
        weight * (consensus === "mean" ? 1 : Math.exp(-entropyOf(predictions, position))),
    );
    const total = weights.reduce((a, b) => a + b);
    const means = new Map<number, number>();
    // The share of each entry's mean that comes from clients' rests, as if nobody had told it.
    let untold = 0;
    for (const [client, { predictions }] of clients.entries()) {
      const share = weights[client]! / total;
      const each = share * shareOfRest(predictions, position);
      untold += each;
      for (const [token, logProbability] of entriesAt(predictions, position))
        means.set(token, (means.get(token) ?? 0) + share * Math.exp(logProbability) - each);
    }
    const sorted = [...means]
      .map(([token, mean]): [number, number] => [token, mean + untold])
      .sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    // Where clients told fewer than are asked for, others of the vocabulary are alike.
    for (let token = 0; sorted.length < most; token++) if (!means.has(token)) sorted.push([token, untold]);
    // Summed directly: one minus the others would be rounding where it is little.
    rest[position] = sorted
      .splice(most)
      .reduce((sum, [, mean]) => sum + mean, untold * (vocabSize - Math.max(means.size, most)));
    return sorted.map(([token, mean]): [number, number] => [token, Math.log(mean)]);
  });
  return sparse({ vocabSize, temperature }, kept, most < vocabSize ? rest : undefined);
}

/** How far the sum of probabilities may be from 1, as float16 rounds their logarithms. */
const massTolerance = 0.02;

function checkAlike(predictions: SparsePredictions, first: SparsePredictions, number: number): void {
  for (const name of ["vocabSize", "count", "temperature"] as const)
    if (predictions[name] !== first[name])
      throw new InputError(
        `The predictions of client number ${number} have a ${name} of ${predictions[name]}, and those of the first ${first[name]}; predict the same texts by the same settings.`,
      );
  checkDistribution(predictions, `client number ${number}`);
}

/** @throws InputError if probabilities do not add up to 1, or an entry is not of the vocabulary. */
export function checkDistribution(predictions: SparsePredictions, whose: string): void {
  for (let position = 0; position < predictions.count; position++) {
    let mass = Math.exp(predictions.logRest[position]!);
    for (const [token, logProbability] of entriesAt(predictions, position))
      mass += token < predictions.vocabSize ? Math.exp(logProbability) : Number.NaN;
    if (!(Math.abs(mass - 1) < massTolerance))
      throw new InputError(
        `The predictions of ${whose} are no distribution at position ${position}, where probabilities add up to ${mass}; leave this client out.`,
      );
  }
}

export function* entriesAt(
  { entries, tokens, logProbabilities }: SparsePredictions,
  position: number,
): Generator<readonly [token: number, logProbability: number]> {
  for (let i = position * entries; i < (position + 1) * entries; i++)
    yield [tokens[i]!, logProbabilities[i]!];
}

/** The probability that each entry has that is not told, if they are alike. */
function shareOfRest({ vocabSize, entries, logRest }: SparsePredictions, position: number): number {
  return entries < vocabSize ? Math.exp(logRest[position]!) / (vocabSize - entries) : 0;
}

/** In nats, with entries that are not told alike. */
function entropyOf(predictions: SparsePredictions, position: number): number {
  const ofRest = shareOfRest(predictions, position);
  let entropy = ofRest > 0 ? -Math.exp(predictions.logRest[position]!) * Math.log(ofRest) : 0;
  for (const [, logProbability] of entriesAt(predictions, position))
    if (logProbability > Number.NEGATIVE_INFINITY) entropy -= Math.exp(logProbability) * logProbability;
  return entropy;
}

export type LogProbabilityFormat = "float32" | "float16";

/** Predictions as they are sent. */
export interface EncodedPredictions
  extends Pick<SparsePredictions, "vocabSize" | "count" | "entries" | "temperature"> {
  readonly format: LogProbabilityFormat;
  /** Little-endian: the tokens as 32 bits, their log-probabilities, and the rests'. */
  readonly bytes: Uint8Array;
}

export function encodePredictions(
  predictions: SparsePredictions,
  format: LogProbabilityFormat,
): EncodedPredictions {
  const { vocabSize, count, entries, temperature, tokens, logProbabilities, logRest } = predictions;
  const encode = (values: Float32Array) => (format === "float32" ? values : encodeFloat16(values));
  const parts = [tokens, encode(logProbabilities), encode(logRest)].map(
    ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
  );
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return { vocabSize, count, entries, temperature, format, bytes };
}

/** @throws InputError if there are not the bytes of so many predictions. */
export function decodePredictions({ format, bytes, ...of }: EncodedPredictions): SparsePredictions {
  const { count, entries } = of;
  const size = format === "float32" ? 4 : 2;
  const expected = count * (entries * (4 + size) + size);
  if (bytes.length !== expected)
    throw new InputError(
      `${count} predictions of ${entries} entries in ${format} have ${expected} bytes, and ${bytes.length} came; send them again.`,
    );
  const { buffer } = Uint8Array.from(bytes);
  const told = count * entries;
  const decode = (start: number, length: number) =>
    format === "float32"
      ? new Float32Array(buffer, start, length)
      : decodeFloat16(new Uint16Array(buffer, start, length));
  return {
    ...of,
    tokens: new Uint32Array(buffer, 0, told),
    logProbabilities: decode(4 * told, told),
    logRest: decode((4 + size) * told, count),
  };
}
