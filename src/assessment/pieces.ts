/** @file Texts cut into pieces of few tokens, and what was found in the pieces put together. */

import { InputError } from "../core/errors.ts";
import { describeDistribution, mapDistribution, sumOfIndependent } from "./distribution.ts";
import type { Evidence, Finding, JudgedTurn, Piece } from "./formulations/formulation.ts";
import { type Dimension, isCounted, levelOf } from "./rubric.ts";
import { type AssessedText, renderTurns } from "./texts.ts";

/**
 * Cuts a text into pieces of at most `limit` tokens, each as long as it can be; a turn is never cut.
 *
 * @param limit absent: the text is one piece
 * @throws InputError if a turn alone is longer.
 */
export function cutIntoPieces(
  { id, turns }: AssessedText,
  limit: number | undefined,
  countTokens: (text: string) => number,
): Piece[] {
  if (limit === undefined) return [{ turns, first: 0 }];
  const starts: number[] = [0];
  let tokens = 0;
  for (const [place, turn] of turns.entries()) {
    const more = countTokens(`${renderTurns([turn])}\n`);
    if (more > limit) {
      throw new InputError(
        `The text ${id}: turn ${place + 1} has ${more} tokens, which pieces of ${limit} cannot hold; raise --context.`,
      );
    }
    if (tokens + more > limit) starts.push(place);
    tokens = tokens + more > limit ? more : tokens + more;
  }
  return starts.map((first, i) => ({ turns: turns.slice(first, starts[i + 1]), first }));
}

/** The level of a text. */
export interface Scored {
  /** Null if the answers could not be read, or leave open which one it is. */
  readonly level: number | null;
  /** Of each level how probable it is, the lowest first; null of answers that are not read from likelihoods. */
  readonly probabilities: readonly number[] | null;
  /** Mean of the level by these probabilities, and its standard deviation. */
  readonly expected: number | null;
  readonly deviation: number | null;
  readonly evidence: readonly Evidence[];
  /** Every turn that was asked about by itself. */
  readonly turns?: readonly JudgedTurn[];
}

/**
 * The level of a text by what was found in its pieces: counts are added, a level standing for the smallest of its counts, and the rubric says the
 * level of the sum; where nothing is counted it is the rounded mean of the pieces' levels. Pieces are taken for independent.
 */
export function combine(dimension: Dimension, findings: readonly Finding[]): Scored {
  const { levels } = dimension;
  const lowest = levels[0]!.level;
  const place = isCounted(dimension)
    ? (sum: number) => levelOf(dimension, sum) - lowest
    : (sum: number) => Math.round(sum / findings.length);
  const least = place(findings.reduce((sum, { least }) => sum + least, 0));
  const most = place(findings.reduce((sum, { most }) => sum + most, 0));
  const known = findings.flatMap(({ distribution }) => (distribution ? [distribution] : []));
  const probabilities =
    known.length === findings.length ? mapDistribution(sumOfIndependent(known), levels.length, place) : null;
  const turns = findings.flatMap(({ turns = [] }) => turns);
  return {
    level: least === most ? lowest + least : null,
    ...describeLevels(dimension, probabilities),
    evidence: findings.flatMap(({ evidence }) => evidence),
    ...(findings.every(({ turns }) => turns) && { turns }),
  };
}

/** Mean and standard deviation of the level. @param probabilities of each level, the lowest first; null if they are not known */
export function describeLevels(
  { levels }: Dimension,
  probabilities: readonly number[] | null,
): Pick<Scored, "probabilities" | "expected" | "deviation"> {
  if (!probabilities) return { probabilities, expected: null, deviation: null };
  const { mean, deviation } = describeDistribution(probabilities);
  return { probabilities, expected: levels[0]!.level + mean, deviation };
}
