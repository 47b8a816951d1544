/** @file The graphs of a divergence between two distributions of the next token, over slices of the vocabulary. */

import type { ModelConfig } from "../architectures/architecture.ts";
import { vjp } from "../graph/grad.ts";
import { exp, mul, sub } from "../graph/operators/elementwise.ts";
import { expandLike } from "../graph/operators/movement.ts";
import { reduceSum } from "../graph/operators/reduction.ts";
import { input, scalar, type Tensor } from "../graph/tensor.ts";
import type { Divergence } from "../objectives/divergences.ts";
import {
  type ConnectedSlice,
  connectSlice,
  continueSoftmax,
  type HeadOptions,
  logNormalizers,
  sliceGradients,
} from "./programs.ts";

type Outputs = Record<string, Tensor>;

/** What all these graphs depend on. */
export interface TemperedOptions {
  /** Divides the logits. */
  readonly temperature: number;
  /** Whether inputs of the output layer's adapter are dropped. */
  readonly dropout: boolean;
}

/** The slice, and its logits over the temperature. */
function connectTempered(
  config: ModelConfig,
  head: HeadOptions,
  { temperature, dropout }: TemperedOptions,
): { readonly slice: ConnectedSlice; readonly tempered: Tensor } {
  const slice = connectSlice(config, head, dropout);
  const { logits } = slice;
  return { slice, tempered: temperature === 1 ? logits : mul(logits, scalar(1 / temperature)) };
}

/** Takes a slice of the vocabulary into the running "largest" logit and "sum" of exponentials, as `buildSoftmaxSlice` does. */
export function buildNormalizerSlice(
  config: ModelConfig,
  head: HeadOptions,
  options: TemperedOptions,
): Outputs {
  const { largest, sum } = continueSoftmax(connectTempered(config, head, options).tempered);
  return { largest, sum };
}

/** "logProbabilities" [N, V] of a slice of the vocabulary, from "logNormalizer" [N, 1]. */
export function buildLogProbabilities(
  config: ModelConfig,
  head: HeadOptions,
  options: TemperedOptions,
): Outputs {
  const { tempered } = connectTempered(config, head, options);
  return { logProbabilities: sub(tempered, logNormalizers()) };
}

/**
 * From the teacher's log-probabilities "logTeacher" [N, V] of a slice: the "divergence" [N, 1], the sum of its entries, and "slope"
 * [N, 1], the sum of their derivatives by the student's log-probabilities.
 */
export function buildDivergenceSlice(
  config: ModelConfig,
  head: HeadOptions,
  options: TemperedOptions,
  divergence: Divergence,
): Outputs {
  const { tempered } = connectTempered(config, head, options);
  const { entries, slopes } = connectEntries(divergence, sub(tempered, logNormalizers()), scalar(1));
  return { divergence: sumOver(entries), slope: sumOver(slopes) };
}

/**
 * The "divergence" [N, 1] of a slice and the gradients of which it has a part, those of `sliceGradients`: with h = ∂entry / ∂log p of
 * the student, each row's times its "scale" [N, 1], and "slope" [N, 1] that row's sum of h times its scale over the whole vocabulary,
 * the gradient of the logits over the temperature is h − p "slope".
 */
export function buildDivergenceGradients(
  config: ModelConfig,
  head: HeadOptions,
  options: TemperedOptions,
  divergence: Divergence,
  ofHead: boolean,
): Outputs {
  const { slice, tempered } = connectTempered(config, head, options);
  const logStudent = sub(tempered, logNormalizers());
  const { entries, slopes } = connectEntries(divergence, logStudent, input("scale", "float32", ["N", 1]));
  const dTempered = sub(slopes, mul(exp(logStudent), input("slope", "float32", ["N", 1])));
  return { divergence: sumOver(entries), ...sliceGradients(slice, dTempered, head, ofHead) };
}

/** The entries [N, V] of a divergence and their derivatives by `logStudent`, times `scale`. */
function connectEntries({ entry }: Divergence, logStudent: Tensor, scale: Tensor) {
  const entries = entry(logStudent, input("logTeacher", "float32", logStudent.shape));
  const [slopes] = vjp([entries], [expandLike(scale, entries)], [logStudent]);
  return { entries, slopes: slopes! };
}

const sumOver = (x: Tensor) => reduceSum(x, [-1], { keepDims: true });
