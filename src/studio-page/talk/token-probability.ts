/** @file How likely tokens were: as steps of a colour, and in words. */

import type { LikelyToken, Piece, WrittenToken } from "./completion-stream.ts";

/** Probabilities from which a token has the colours 0 to 3; below, it has 4. */
export const probabilityBounds = [0.9, 0.6, 0.3, 0.1];

/** The step of a piece's colour: that of its least likely token. Undefined if nothing is known of it. */
export function stepOf({ tokens }: Piece): number | undefined {
  if (tokens.length === 0) return undefined;
  const least = Math.exp(Math.min(...tokens.map(({ logprob }) => logprob)));
  const step = probabilityBounds.findIndex((bound) => least >= bound);
  return step < 0 ? probabilityBounds.length : step;
}

/** A probability in per cent, with more decimals where it is near 0 or 1. */
export function formatProbability({ logprob }: LikelyToken): string {
  const percent = 100 * Math.exp(logprob);
  if (percent < 0.01) return "< 0.01 %";
  if (percent > 99.99) return "> 99.99 %";
  return `${percent.toFixed(percent < 1 || percent > 99 ? 2 : 0)} %`;
}

/** A token's text with what cannot be seen made visible: spaces at its ends and line breaks. */
export function showToken(token: string): string {
  return token.replace(/^ +| +$/g, (spaces) => "␣".repeat(spaces.length)).replaceAll("\n", "⏎") || "(empty)";
}

/** What a screen reader says of a token, such as "␣is, 93 %; instead ␣was 4 %, ␣has 1 %". */
export function describeToken(token: WrittenToken): string {
  const others = token.top.filter((other) => other.token !== token.token);
  const instead = others.map((other) => `${showToken(other.token)} ${formatProbability(other)}`).join(", ");
  return `${showToken(token.token)}, ${formatProbability(token)}${instead && `; instead ${instead}`}`;
}
