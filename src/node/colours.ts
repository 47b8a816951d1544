/** @file Colours of what commands print: few, and only where they are wanted. */

import process from "node:process";
import { styleText } from "node:util";

/** What a piece of text is, for people who see its colour. */
export type Meaning = "heading" | "good" | "bad" | "warning" | "aside";

const styles = {
  heading: "bold",
  good: "green",
  bad: "red",
  warning: "yellow",
  aside: "dim",
} as const satisfies Record<Meaning, Parameters<typeof styleText>[0]>;

/** Gives a text the colour of its meaning. */
export type Paint = (meaning: Meaning, text: string) => string;

/** Leaves texts as they are. */
export const plain: Paint = (_, text) => text;

/** What paints texts for a stream: nothing, where no colours are wanted. */
export function createPaint(stream: { readonly isTTY?: boolean }): Paint {
  if (!wantsColour(stream)) return plain;
  return (meaning, text) => styleText(styles[meaning], text, { validateStream: false });
}

/**
 * Whether colours are wanted: on a terminal that has them, unless NO_COLOR is set (no-color.org), or wherever FORCE_COLOR says
 * so, which comes before both as in Node.
 */
export function wantsColour(stream: { readonly isTTY?: boolean }): boolean {
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env;
  if (FORCE_COLOR !== undefined) return !["0", "false"].includes(FORCE_COLOR);
  return stream.isTTY === true && !NO_COLOR && TERM !== "dumb";
}
