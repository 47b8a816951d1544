/** @file The cases of the evaluation benchmark, and what is measured of each. */

import type { Arithmetic } from "../src/node/decoding/arithmetic.ts";

export interface TaskCase {
  readonly kind: "task";
  readonly tasks: readonly string[];
  readonly numFewshot: number;
  readonly limit: number;
  readonly batchSize: number;
  /** Whether each prompt is made to begin with a number of its own, so that nothing can be shared. */
  readonly unshared?: boolean;
  /** In what prompts are read, and texts that are scored. Default: float32. */
  readonly arithmetic?: Arithmetic;
}

export interface DecodeCase {
  readonly kind: "decode";
  readonly bits: 4 | 8 | "exact";
}

export interface TaskMeasurement {
  readonly seconds: number;
  readonly items: number;
  /** Tokens of the answers that were written. */
  readonly answerTokens: number;
}

export interface DecodeMeasurement {
  readonly tokensPerSecond: number;
  /** Milliseconds of the processor for a token. With one thread other programs change it least. */
  readonly processorMs: number;
}

/** Tokens before the writing whose speed is measured, and tokens that are written. */
export const promptLength = 300;
export const writtenLength = 128;
