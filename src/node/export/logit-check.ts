/** @file The check that what was written computes what it shall: by its predictions at every position of some text. */

import type { AdaptedModel } from "../../core/adapters/adapted-model.ts";
import type { TokenizedExample } from "../../core/data/batch.ts";
import {
  createPairedReader,
  klDivergence,
  type PairedReader,
} from "../../core/decoding/paired-predictions.ts";
import { argmax } from "../../core/decoding/sample.ts";
import { InputError } from "../../core/errors.ts";
import type { Device } from "../../core/runtime/device.ts";
import { adjustBeginning } from "../../core/tokenization/beginning.ts";
import { plainText } from "./plain-text.ts";

export interface LogitCheck {
  /** How near what was written is to model and adapter. */
  readonly verdict: Verdict;
  /** What was read. */
  readonly text: "your data" | "plain English";
  /** Tokens of it, after each of which the predictions were compared. */
  readonly positions: number;
  /** Share of the positions at which the likeliest token is the same. */
  readonly sameLikeliest: number;
  /** Mean of KL(model and adapter ‖ written) over the positions, in nats. */
  readonly divergence: number;
  /** Root mean square of the logits' differences, as a share of the logits' own spread. */
  readonly relativeError: number;
  /** Largest difference between the logits of what was written and of model and adapter. */
  readonly maxLogitDifference: number;
  /** Largest magnitude of the logits of model and adapter. */
  readonly maxLogit: number;
}

/**
 * Verdicts by the divergence up to which they hold, in nats per token. Of n tokens that one of two models wrote, n times the
 * divergence is the expected logarithm of the odds by which one can tell which: odds of 20 to 1 take 3 / divergence tokens,
 * which are 300,000 (more than contexts have), 3,000, 100 and 10.
 */
const verdicts = [
  [0.000_01, "equal to"],
  [0.001, "very close to"],
  [0.03, "close to"],
  [0.3, "noticeably apart from"],
  [Number.POSITIVE_INFINITY, "far from"],
] as const;

export type Verdict = (typeof verdicts)[number][1];

/** What float32 rounding in another order makes, as a relative error. */
export const float32Tolerance = 1e-4;

/** Tokens that are read, and of one text at most. */
const readTokens = 512;
const windowTokens = 256;

export interface LogitCheckOptions {
  /** The file or folder that was written. */
  readonly path: string;
  /** Relative error that the roundings of what was written can explain. */
  readonly tolerance: number;
  /** What is read, such as the data that the model was tuned on. Default: a page of plain English. */
  readonly examples?: readonly TokenizedExample[];
}

/**
 * Compares the predictions of `written`, opened from `path`, with those of `original`, after every token of some text.
 *
 * @throws InputError if they differ by more than the roundings of its type explain.
 */
export async function checkLogits(
  device: Device,
  original: AdaptedModel,
  written: AdaptedModel,
  { path, tolerance, examples }: LogitCheckOptions,
): Promise<LogitCheck> {
  const context = Math.min(
    windowTokens,
    ...[original, written].map(({ config }) => config.maxPositionEmbeddings),
  );
  const { positions, same, divergence, difference, spread, maxLogitDifference, maxLogit } = await compare(
    createPairedReader(device, original, written),
    takeTokens(examples?.map(({ ids }) => [...ids]) ?? [encodePlainText(original)], context),
  );
  const relativeError = Math.sqrt(difference / spread);
  if (!(relativeError <= tolerance)) {
    throw new InputError(
      `What was made for ${path} does not compute what model and adapter do: its logits differ by ${(100 * relativeError).toPrecision(2)} % of their spread, and its type explains ${(100 * tolerance).toPrecision(2)} % at most; it was not kept.`,
    );
  }
  return {
    verdict: verdicts.find(([most]) => divergence / positions <= most)![1],
    text: examples ? "your data" : "plain English",
    positions,
    sameLikeliest: same / positions,
    divergence: divergence / positions,
    relativeError,
    maxLogitDifference,
    maxLogit,
  };
}

/** A check in words, such as "close to the tuned model: 98.4 % of likeliest tokens equal on 512 tokens of your data". */
export function describeCheck({ verdict, sameLikeliest, positions, text, divergence }: LogitCheck): string {
  return `${verdict} the tuned model: ${(100 * sameLikeliest).toFixed(1)} % of likeliest tokens equal on ${positions} tokens of ${text}, divergence ${divergence.toPrecision(2)} nats`;
}

function encodePlainText({ tokenizer }: AdaptedModel): number[] {
  const ids = tokenizer.encode(plainText);
  return [...adjustBeginning(ids, tokenizer).add, ...ids];
}

/** The first tokens of the texts, cut to the context. */
function takeTokens(texts: readonly (readonly number[])[], context: number): number[][] {
  const windows: number[][] = [];
  let left = readTokens;
  for (const ids of texts) {
    for (let start = 0; start < ids.length && left > 0; start += context) {
      const window = ids.slice(start, start + Math.min(context, left));
      left -= window.length;
      windows.push(window);
    }
  }
  return windows;
}

/** Sums and extremes over all positions of the texts. */
async function compare(reader: PairedReader, texts: readonly (readonly number[])[]) {
  const sums = {
    positions: 0,
    same: 0,
    divergence: 0,
    difference: 0,
    spread: 0,
    maxLogitDifference: 0,
    maxLogit: 0,
  };
  try {
    for (const ids of texts) {
      await reader.read(ids, (before, after) => {
        sums.positions++;
        if (argmax(before) === argmax(after)) sums.same++;
        sums.divergence += klDivergence(before, after);
        // What all logits share does not change a prediction.
        const [meanBefore, meanAfter] = [meanOf(before), meanOf(after)];
        for (let i = 0; i < before.length; i++) {
          const difference = Math.abs(before[i]! - after[i]!);
          if (difference > sums.maxLogitDifference) sums.maxLogitDifference = difference;
          const magnitude = Math.abs(before[i]!);
          if (magnitude > sums.maxLogit) sums.maxLogit = magnitude;
          sums.difference += (before[i]! - meanBefore - (after[i]! - meanAfter)) ** 2;
          sums.spread += (before[i]! - meanBefore) ** 2;
        }
      });
    }
  } finally {
    await reader.release();
  }
  return sums;
}

function meanOf(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
