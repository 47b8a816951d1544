/** @file Examples before a question: half of what answers it by yes, and half of hard negatives, from texts that people have labelled. */

import { createHash } from "node:crypto";
import { InputError } from "../core/errors.ts";
import { createRandom } from "../core/random.ts";
import type { ChatMessage } from "../core/tokenization/chat-template.ts";
import { bm25Selector } from "../demonstrations/bm25.ts";
import { randomSelector } from "../demonstrations/random.ts";
import { type Demonstration, selectForAll } from "../evaluation/demonstration-selector.ts";
import type { Piece } from "./formulations/formulation.ts";
import { cutIntoPieces } from "./pieces.ts";
import type { Dimension, Rubric } from "./rubric.ts";
import { type AssessedText, isMarked } from "./texts.ts";
import type { Way } from "./ways.ts";

/** How examples are chosen: at random, the same for all that is asked; or for each question the most alike by their words. */
export const selections = ["random", "bm25"] as const;
export type ShotSelection = (typeof selections)[number];

/** Examples that are chosen from, at most so many of each side, drawn once. */
const mostPooled = 1000;
/** Turns before one that is an example by itself. */
const lead = 1;

interface Example extends Demonstration {
  readonly messages: readonly ChatMessage[];
}

/** Gives the examples for each of the cases that are asked about in a text. */
export type ChooseShots = (cases: readonly Piece[]) => Promise<ChatMessage[][]>;

/**
 * Prepares the examples of a way. Of a turn, hard negatives are those that people have labelled otherwise, and only where there are too
 * few, those without any label; of a whole text, those in which nothing is marked.
 *
 * @param seed of the draws
 * @throws InputError if the training texts have too few.
 */
export function prepareShots(
  { formulation, pieceTokens, shots }: Way,
  dimension: Dimension,
  rubric: Rubric,
  training: readonly AssessedText[],
  { by, seed, countTokens }: { by: ShotSelection; seed: number; countTokens: (text: string) => number },
): ChooseShots {
  if (shots === 0) return async (cases) => cases.map(() => []);
  const cases = training
    .flatMap((text) => cutIntoPieces(text, pieceTokens, countTokens))
    .flatMap((piece) => formulation.cases(piece, dimension, lead));
  const isPositive = ({ turns }: Piece) =>
    formulation.name === "turns"
      ? isMarked(dimension, turns.at(-1)!)
      : turns.some((turn) => isMarked(dimension, turn));
  const positives = cases.filter(isPositive);
  const others = cases.filter((one) => !isPositive(one));
  const labelled = others.filter(({ turns }) => turns.at(-1)!.codes!.length > 0);
  const wanted = { positive: Math.ceil(shots / 2), negative: Math.floor(shots / 2) };
  const isHard = formulation.name === "turns" && labelled.length > Math.max(1, wanted.negative);
  const toExample = (asked: Piece): Example => ({
    text: formulation.topic(asked),
    messages: [
      { role: "user", content: formulation.prompt(asked, dimension, rubric) },
      { role: "assistant", content: formulation.solution(asked, dimension) },
    ],
  });
  const pools = {
    positive: drawPool(positives, seed).map(toExample),
    negative: drawPool(isHard ? labelled : others, seed).map(toExample),
  };
  for (const side of ["positive", "negative"] as const) {
    if (pools[side].length >= Math.max(2, wanted[side])) continue;
    throw new InputError(
      `Of ${dimension.name} the labelled texts that are not assessed have ${pools[side].length} ${side} examples for the formulation ${formulation.name}, too few for ${shots}; give more labelled texts, or take --shots 0.`,
    );
  }
  const selector = by === "random" ? randomSelector(seed) : bm25Selector;
  const choose = async (side: keyof typeof pools, queries: readonly Demonstration[]) => {
    if (wanted[side] === 0) return queries.map(() => []);
    const chosen = await selectForAll(pools[side], queries, selector, wanted[side]);
    return chosen.map((places) => places.map((place) => pools[side][place]!));
  };
  return async (cases) => {
    const topics = cases.map((asked) => ({ text: formulation.topic(asked) }));
    // One draw for all questions: what they begin with alike is computed once.
    const queries = by === "random" ? [{ text: dimension.name }] : topics;
    const [positive, negative] = [await choose("positive", queries), await choose("negative", queries)];
    return cases.map((_, i) => {
      const query = by === "random" ? 0 : i;
      return positive[query]!.flatMap((example, rank) => [
        ...example.messages,
        ...(negative[query]![rank]?.messages ?? []),
      ]);
    });
  };
}

function drawPool(cases: readonly Piece[], seed: number): Piece[] {
  const random = createRandom(seed);
  const left = [...cases];
  return Array.from(
    { length: Math.min(left.length, mostPooled) },
    () => left.splice(random.below(left.length), 1)[0]!,
  );
}

/** The seed of draws that a list of names stands for. */
export function seedOf(...names: readonly (string | number)[]): number {
  return createHash("sha256").update(JSON.stringify(names)).digest().readUInt32LE(0);
}
