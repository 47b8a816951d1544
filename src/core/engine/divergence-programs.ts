/** @file The graphs of a divergence between two distributions of the next token, over slices of the vocabulary. */

import type { ModelConfig } from "../architectures/architecture.ts";
import { vjp } from "../graph/grad.ts";
import { exp, mul, sub } from "../graph/operators/elementwise.ts";
import { matmul } from "../graph/operators/matmul.ts";
import { expandLike } from "../graph/operators/movement.ts";
import { logSoftmax, softcap } from "../graph/operators/neural-network.ts";
import { reduceSum } from "../graph/operators/reduction.ts";
import { input, scalar, type Tensor } from "../graph/tensor.ts";
import type { Divergence } from "../objectives/divergences.ts";
import {
  type ConnectedSlice,
  connectSlice,
  connectWhole,
  continueSoftmax,
  gradients,
  type HeadOptions,
  logNormalizers,
  sliceGradients,
} from "./programs.ts";
import type { LayerPlan, SegmentOptions } from "./segment.ts";

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
  return { slice, tempered: temper(slice.logits, temperature) };
}

const temper = (logits: Tensor, temperature: number) =>
  temperature === 1 ? logits : mul(logits, scalar(1 / temperature));

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
  const { entries, slopes } = connectEntries(divergence, logStudent, rowScale());
  const dTempered = sub(slopes, mul(exp(logStudent), input("slope", "float32", ["N", 1])));
  return { divergence: sumOver(entries), ...sliceGradients(slice, dTempered, head, ofHead) };
}

/**
 * A divergence with all blocks, the output layer and the backward pass in one program, so that nothing is computed twice: from the
 * teacher's log-probabilities "logTeacher" [N, V] of the whole vocabulary the "divergence" [N, 1] at "positions", and the gradients of
 * the sum of these times "scale" [N, 1].
 */
export function buildWholeDivergence(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  segmentOptions: SegmentOptions,
  headOptions: HeadOptions,
  toHidden: boolean,
  temperature: number,
  divergence: Divergence,
): Outputs {
  const whole = connectWhole(config, layers, segmentOptions, headOptions, toHidden, "positions");
  const logits = matmul(whole.normalized, whole.weight, { transB: true });
  const tempered = temper(softcap(logits, config.logitSoftcap), temperature);
  const logStudent = logSoftmax(tempered);
  const scale = rowScale();
  const { entries, slopes } = connectEntries(divergence, logStudent, scale);
  const { slopeSum } = divergence;
  const slope = slopeSum === undefined ? sumOver(slopes) : mul(scale, scalar(slopeSum));
  const dTempered = sub(slopes, mul(exp(logStudent), slope));
  return { divergence: sumOver(entries), ...gradients([tempered], [dTempered], whole.trained) };
}

/** How much the divergence at each row counts. */
const rowScale = () => input("scale", "float32", ["N", 1]);

/** The entries [N, V] of a divergence and their derivatives by `logStudent`, times `scale`. */
function connectEntries({ entry }: Divergence, logStudent: Tensor, scale: Tensor) {
  const entries = entry(logStudent, input("logTeacher", "float32", logStudent.shape));
  const [slopes] = vjp([entries], [expandLike(scale, entries)], [logStudent]);
  return { entries, slopes: slopes! };
}

const sumOver = (x: Tensor) => reduceSum(x, [-1], { keepDims: true });
