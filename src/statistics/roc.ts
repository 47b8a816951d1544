/** @file How well scores tell right things from wrong ones. */

import { type BootstrapOptions, pairedBootstrap } from "./paired-bootstrap.ts";
import type { Estimate } from "./wilson.ts";

export interface AreaOptions extends BootstrapOptions {
  /** For each score what it belongs to. Scores of a group are not independent, and are drawn together. Default: none do. */
  readonly groups?: readonly unknown[];
}

/**
 * The area under the receiver operating characteristic: how probable it is that something right has a higher score than something wrong,
 * ties counting half (Hanley and McNeil 1982). Its interval is that of the percentile bootstrap over the scores, or groups of them;
 * draws in which all are right or all wrong have no area and are left out.
 *
 * @returns from 0 to 1; undefined if all are right or all wrong: then there is no area
 * @throws RangeError unless there are as many scores as outcomes and groups, and the scores are numbers
 */
export function areaUnderRoc(
  scores: readonly number[],
  outcomes: readonly boolean[],
  { groups = scores.map((_, i) => i), ...options }: AreaOptions = {},
): Estimate | undefined {
  if (scores.length !== outcomes.length || scores.length !== groups.length)
    throw new RangeError(`${scores.length} scores, ${outcomes.length} outcomes and ${groups.length} groups.`);
  if (scores.some(Number.isNaN)) throw new RangeError("A score is no number.");
  const values = [...new Set(scores)].sort((a, b) => a - b);
  const places = new Map(values.map((value, place) => [value, place]));
  const numbers = new Map([...new Set(groups)].map((group, i) => [group, i]));
  /** Of each group: the place of each score among all values, and whether it is of something right. */
  const members = Array.from(numbers, (): [place: number, isRight: boolean][] => []);
  for (const [i, score] of scores.entries())
    members[numbers.get(groups[i])!]!.push([places.get(score)!, outcomes[i]!]);
  const right = new Uint32Array(values.length);
  const wrong = new Uint32Array(values.length);
  const ofDraw = (drawn: Iterable<number>) => {
    right.fill(0);
    wrong.fill(0);
    for (const group of drawn)
      for (const [place, isRight] of members[group]!) (isRight ? right : wrong)[place]!++;
    return areaOf(right, wrong);
  };
  const value = ofDraw(members.keys());
  if (Number.isNaN(value)) return undefined;
  return { value, ...pairedBootstrap(members.length, ofDraw, options) };
}

/** @param right how many right things have each value, in rising order; @param wrong the same of wrong ones */
function areaOf(right: Uint32Array, wrong: Uint32Array): number {
  let [rights, wrongs, wins] = [0, 0, 0];
  for (let place = 0; place < right.length; place++) {
    wins += right[place]! * (wrongs + wrong[place]! / 2);
    rights += right[place]!;
    wrongs += wrong[place]!;
  }
  return wins / (rights * wrongs);
}
