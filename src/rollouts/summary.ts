/** @file What rollouts say of the model that wrote them. */

import { pairedBootstrap } from "../statistics/paired-bootstrap.ts";
import { type Estimate, wilsonInterval } from "../statistics/wilson.ts";
import type { JudgedRollout, RolloutGroup } from "./rollout.ts";

export interface RolloutSummary {
  readonly problems: number;
  readonly samples: number;
  /** Mean share of right samples of a problem; its 95 % interval is that of the bootstrap over problems. */
  readonly accuracy: Estimate;
  /** Share of problems with a right sample, with Wilson's interval. */
  readonly anyCorrect: Estimate;
  /** Share of problems with right and wrong samples, from which alone a comparison can learn. */
  readonly mixed: number;
  /** Mean tokens of a sample, of right ones and of wrong ones; null of none. */
  readonly tokens: {
    readonly all: number;
    readonly correct: number | null;
    readonly wrong: number | null;
  };
  /** Share of samples that were cut for want of tokens. */
  readonly truncated: number;
  /** Share of samples that give no answer. */
  readonly withoutAnswer: number;
}

/** @throws RangeError if there are no groups. */
export function summarizeRollouts(groups: readonly RolloutGroup[]): RolloutSummary {
  const samples = groups.flat();
  const shares = groups.map((group) => shareOf(group, ({ correct }) => correct));
  const meanOf = (drawn: Uint32Array) => drawn.reduce((sum, group) => sum + shares[group]!, 0) / drawn.length;
  const solved = shares.filter((share) => share > 0).length;
  return {
    problems: groups.length,
    samples: samples.length,
    accuracy: {
      value: meanOf(Uint32Array.from(shares.keys())),
      ...pairedBootstrap(groups.length, meanOf),
    },
    anyCorrect: { value: solved / groups.length, ...wilsonInterval(solved, groups.length) },
    mixed: shares.filter((share) => share > 0 && share < 1).length / groups.length,
    tokens: {
      all: meanTokens(samples)!,
      correct: meanTokens(samples.filter(({ correct }) => correct)),
      wrong: meanTokens(samples.filter(({ correct }) => !correct)),
    },
    truncated: shareOf(samples, ({ truncated }) => truncated),
    withoutAnswer: shareOf(samples, ({ answer }) => answer === null),
  };
}

function shareOf(rollouts: RolloutGroup, counts: (rollout: JudgedRollout) => boolean): number {
  return rollouts.filter(counts).length / rollouts.length;
}

function meanTokens(rollouts: RolloutGroup): number | null {
  return rollouts.length === 0
    ? null
    : rollouts.reduce((sum, { tokens }) => sum + tokens, 0) / rollouts.length;
}
