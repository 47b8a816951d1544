/** @file What fits into a strategy's budget of computed tokens, so that it is never exceeded. */

import { InputError } from "../../core/errors.ts";
import type { Tools } from "../strategy.ts";
import type { WriteRequest } from "../writer.ts";

/** What a strategy is called, and the most tokens that may be computed for a problem. */
export interface Named {
  readonly name: string;
  /** Default: as many as it takes. */
  readonly budget?: number;
}

/**
 * How many texts surely fit into what is left of the budget.
 *
 * @param mostTokens the most that one takes
 * @throws InputError if not even the first text of a problem does.
 */
export function countAffordable(
  messages: WriteRequest["messages"],
  tools: Tools,
  mostTokens: number,
): number {
  const room = tools.room(messages);
  const count = Math.max(0, Math.floor(room / mostTokens));
  if (count > 0 || tools.meter.calls > 0) return count;
  throw new InputError(
    `its budget leaves ${room} tokens beside the question, of which the first text may take ${mostTokens}; give a larger one, or allow shorter texts`,
  );
}

/**
 * Draws texts, as many at a time as surely fit into the budget: the number that is wanted, or fewer once it is used up.
 *
 * @param draw draws so many after those that are drawn
 */
export async function drawAffordable<T>(
  messages: WriteRequest["messages"],
  tools: Tools,
  { count, mostTokens }: { readonly count: number; readonly mostTokens: number },
  draw: (count: number, drawn: number) => Promise<readonly T[]>,
): Promise<T[]> {
  const all: T[] = [];
  while (all.length < count) {
    const affordable = Math.min(count - all.length, countAffordable(messages, tools, mostTokens));
    if (affordable === 0) break;
    all.push(...(await draw(affordable, all.length)));
  }
  return all;
}
