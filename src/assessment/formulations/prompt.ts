/** @file What prompts of all formulations have in common. */

import type { Rubric } from "../rubric.ts";
import { renderTurns } from "../texts.ts";
import type { Piece } from "./formulation.ts";

/** The turns come first, so that prompts about the same ones begin alike and are computed once. */
export function introduce({ turns }: Piece, { about }: Rubric): string {
  return `This is from ${about}.\n\n${renderTurns(turns)}\n\n`;
}
