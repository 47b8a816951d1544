/** @file What a formulation is: how a model is asked about a text, and what its answers say. */

import type { Dimension, Rubric } from "../rubric.ts";
import type { Turn } from "../texts.ts";

/** Turns that follow each other in a text. */
export interface Piece {
  /** At least one. */
  readonly turns: readonly Turn[];
  /** The number of the first in its text, from 0. */
  readonly first: number;
}

/** Something in a text that speaks for its level. */
export interface Evidence {
  /** The number of the turn in its text, from 0; null of a quote that does not stand there. */
  readonly turn: number | null;
  /** As the model has quoted it. */
  readonly quote?: string;
  /** How probable it is that the turn answers the question by yes, where that is known. */
  readonly probability?: number;
}

/** A turn that was asked about. */
export interface JudgedTurn {
  /** Its number in the text, from 0. */
  readonly turn: number;
  /** How probable it is that it answers the question by yes. */
  readonly probability: number;
}

/** What was found in a piece: counts, or where nothing is counted how many levels above the lowest. */
export interface Finding {
  /** The number is from `least` to `most`: the same, but where answers could not be read. */
  readonly least: number;
  readonly most: number;
  /** How probable each number is, from 0 on; absent of answers that are not read from likelihoods. */
  readonly distribution?: readonly number[];
  readonly evidence: readonly Evidence[];
  /** Every turn that was asked about. */
  readonly turns?: readonly JudgedTurn[];
}

/** An answer that is one of several, or could not be read. */
export interface Choice {
  /** The number of the option; undefined if the answer could not be read. */
  readonly chosen: number | undefined;
  /** Of each option, among them; absent of an answer that was written. */
  readonly probabilities?: readonly number[];
}

interface Asking {
  readonly name: string;
  /** What is asked, for people, in a sentence. */
  readonly description: string;
  /** Whether it counts, so that levels must stand for counts. */
  readonly counts: boolean;
  /**
   * What is asked about in a piece, each in a prompt of its own.
   *
   * @param lead the most turns before the one that is asked about, where a single one is. Default: all of the piece
   */
  cases(piece: Piece, dimension: Dimension, lead?: number): Piece[];
  /** What is asked of a case. */
  prompt(asked: Piece, dimension: Dimension, rubric: Rubric): string;
  /** The right answer to a case by its labels. */
  solution(asked: Piece, dimension: Dimension): string;
  /** What a case is about, as a text whose likeness to others says something. */
  topic(asked: Piece): string;
}

/** A way to ask about a dimension. */
export type Formulation =
  | (Asking & {
      /** The answers that there are. */
      options(dimension: Dimension): readonly string[];
      /** The number of the option that a text means; undefined if none is clear. */
      parse(text: string, dimension: Dimension): number | undefined;
      /** What answers to the cases of a piece say. */
      find(cases: readonly Piece[], answers: readonly Choice[], dimension: Dimension): Finding;
    })
  | (Asking & {
      /** The most tokens of an answer, which is always written. */
      readonly maxTokens: number;
      read(cases: readonly Piece[], answers: readonly string[], dimension: Dimension): Finding;
    });
