/** @file Ways to assess: a formulation, how much of a text is shown at a time, and how many examples come before. */

import { InputError } from "../core/errors.ts";
import type { Formulation } from "./formulations/formulation.ts";
import { findFormulation } from "./formulations/formulations.ts";
import { isCounted, type Rubric } from "./rubric.ts";

export interface Way {
  /** Such as "turns, pieces of 1000, 4 examples". */
  readonly name: string;
  readonly formulation: Formulation;
  /** The most tokens of a piece; absent: texts are shown whole. */
  readonly pieceTokens?: number;
  readonly shots: number;
}

/**
 * Every formulation in every context with every number of examples.
 *
 * @param contexts "all", or the most tokens of a piece
 * @throws InputError if a formulation is unknown, or counts what the rubric does not.
 */
export function combineWays(
  formulations: readonly string[],
  contexts: readonly string[],
  shots: readonly number[],
  rubric: Rubric,
): Way[] {
  const ways = formulations.map(findFormulation).flatMap((formulation) =>
    contexts.flatMap((context) =>
      shots.map((count): Way => {
        const pieceTokens = readContext(context);
        const shown = pieceTokens === undefined ? "whole" : `pieces of ${pieceTokens}`;
        const name = `${formulation.name}, ${shown}, ${count === 1 ? "1 example" : `${count} examples`}`;
        return { name, formulation, ...(pieceTokens !== undefined && { pieceTokens }), shots: count };
      }),
    ),
  );
  const names = ways.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new InputError(`The way "${twice}" is asked for twice; name it once.`);
  const bare = rubric.dimensions.find((dimension) => !isCounted(dimension));
  const counting = ways.find(({ formulation }) => formulation.counts);
  if (bare && counting) {
    throw new InputError(
      `The formulation ${counting.formulation.name} counts, but the levels of ${bare.name} have no counts; give them some in the rubric, or take the formulation score alone.`,
    );
  }
  return ways;
}

function readContext(context: string): number | undefined {
  if (context === "all") return undefined;
  const tokens = Number(context);
  if (!Number.isSafeInteger(tokens) || tokens < 1)
    throw new InputError(`The context "${context}" is neither all nor a number of tokens; give one of them.`);
  return tokens;
}
