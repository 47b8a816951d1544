/** @file Texts that are assessed, and those that are learnt from. */

import { InputError } from "../core/errors.ts";
import { seedOf } from "./shots.ts";
import { type AssessedText, isLabelled } from "./texts.ts";

export interface SplitOptions {
  /** Share of the groups of labelled texts that are not assessed, but learnt from, where no row says by `split`. Default 0.5. */
  readonly trainShare?: number;
  /** Only the first texts or windows that would be assessed. Default: all. */
  readonly limit?: number;
  /** Of the draws. Default 0. */
  readonly seed?: number;
}

/** Texts that are learnt from, and those that are assessed: as the rows say or, of labelled texts, whole groups by a draw. */
export function splitTexts(
  texts: readonly AssessedText[],
  { trainShare = 0.5, seed = 0, limit }: SplitOptions,
): { readonly assessed: AssessedText[]; readonly training: AssessedText[] } {
  const says = texts.some(({ split }) => split !== undefined);
  const drawn = drawGroups(texts.filter(isLabelled), trainShare, seed);
  const isTraining = ({ split, group }: AssessedText) => (says ? split === "train" : drawn.has(group));
  const training = texts.filter(isTraining);
  const assessed = texts.filter((text) => !isTraining(text)).slice(0, limit);
  const unlabelled = training.find((text) => !isLabelled(text));
  if (unlabelled) {
    throw new InputError(
      `The text ${unlabelled.id} is to be learnt from, but its turns have no codes; label them, or leave out its split.`,
    );
  }
  const groups = new Set(training.map(({ group }) => group));
  const both = assessed.find(({ group }) => groups.has(group));
  if (both) {
    throw new InputError(
      `The group ${both.group} is both learnt from and assessed; give all its texts the same split.`,
    );
  }
  if (assessed.length === 0)
    throw new InputError(
      "All texts are learnt from, so that none is assessed; lower --train-share, or give more.",
    );
  return { assessed, training };
}

/** So many of the groups, in the order of a hash. */
function drawGroups(texts: readonly AssessedText[], share: number, seed: number): ReadonlySet<string> {
  const groups = [...new Set(texts.map(({ group }) => group))]
    .map((group) => ({ group, place: seedOf(seed, "split", group) }))
    .sort((a, b) => a.place - b.place);
  return new Set(groups.slice(0, Math.floor(share * groups.length)).map(({ group }) => group));
}
