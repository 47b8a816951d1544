/** @file Labelled turns as rows to tune a judge on, and to see how good it is. */

import { createRandom } from "../core/random.ts";
import type { ChatMessage } from "../core/tokenization/chat-template.ts";
import type { Piece } from "./formulations/formulation.ts";
import { turns as formulation } from "./formulations/turns.ts";
import { cutIntoPieces } from "./pieces.ts";
import { isCounted, type Rubric } from "./rubric.ts";
import { seedOf } from "./shots.ts";
import { type AssessedText, isMarked } from "./texts.ts";

/** A turn as the formulation "turns" asks about it without examples, and the right answer. */
export interface JudgeRow {
  readonly messages: readonly ChatMessage[];
  /** How many turns it stands for, with a mean of 1 over the rows. */
  readonly weight?: number;
}

export interface JudgeRowOptions {
  /** The most tokens of the turns that are shown. Default: all of the text up to the turn. */
  readonly pieceTokens?: number | undefined;
  readonly countTokens: (text: string) => number;
  readonly seed: number;
}

/** A row for every turn that a dimension looks at. */
export function allRows(
  texts: readonly AssessedText[],
  rubric: Rubric,
  options: JudgeRowOptions,
): JudgeRow[] {
  return rubric.dimensions
    .filter(isCounted)
    .flatMap((dimension) =>
      casesOf(texts, dimension, options).map((asked) => toRow(asked, dimension, rubric)),
    );
}

/**
 * Rows in which yes is not rare: of each dimension all turns that are marked, and as many at most of those labelled otherwise, and of
 * those without labels, drawn. Each stands for so many of its kind, which its weight says, so that what is learnt is how probable yes is among
 * all turns.
 */
export function drawnRows(
  texts: readonly AssessedText[],
  rubric: Rubric,
  options: JudgeRowOptions,
): JudgeRow[] {
  const rows = rubric.dimensions.filter(isCounted).flatMap((dimension) => {
    const cases = casesOf(texts, dimension, options);
    const kindOf = ({ turns }: Piece) =>
      isMarked(dimension, turns.at(-1)!) ? "yes" : turns.at(-1)!.codes!.length > 0 ? "other" : "none";
    const marked = cases.filter((asked) => kindOf(asked) === "yes");
    const random = createRandom(seedOf(options.seed, dimension.name));
    const drawn = (["other", "none"] as const).flatMap((kind) => {
      const left = cases.filter((asked) => kindOf(asked) === kind);
      const weight = Math.max(1, left.length / marked.length);
      return Array.from({ length: Math.min(left.length, marked.length) }, () => ({
        asked: left.splice(random.below(left.length), 1)[0]!,
        weight,
      }));
    });
    return [...marked.map((asked) => ({ asked, weight: 1 })), ...drawn].map(({ asked, weight }) => ({
      ...toRow(asked, dimension, rubric),
      weight,
    }));
  });
  const mean = rows.reduce((sum, { weight }) => sum + weight, 0) / rows.length;
  return rows.map((row) => ({ ...row, weight: row.weight / mean }));
}

function casesOf(
  texts: readonly AssessedText[],
  dimension: Rubric["dimensions"][number],
  { pieceTokens, countTokens }: JudgeRowOptions,
): Piece[] {
  return texts
    .flatMap((text) => cutIntoPieces(text, pieceTokens, countTokens))
    .flatMap((piece) => formulation.cases(piece, dimension));
}

function toRow(asked: Piece, dimension: Rubric["dimensions"][number], rubric: Rubric): JudgeRow {
  return {
    messages: [
      { role: "user", content: formulation.prompt(asked, dimension, rubric) },
      { role: "assistant", content: formulation.solution(asked, dimension) },
    ],
  };
}
