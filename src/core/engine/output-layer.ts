/**
 * @file The final norm, the output layer and the loss, over slices of the vocabulary: logits of all of it exist only
 * where somebody asks for them, and a float16 output layer is float32 only a slice at a time.
 */

import type { ModelConfig } from "../architectures/architecture.ts";
import { addTo, lookUpRows, scatterAddRows, scatterAddSome } from "../models/matrix-rows.ts";
import {
  type AnyTensor,
  float32,
  free,
  type HostTensor,
  readValues,
  takeValues,
  valuesOf,
} from "../runtime/device.ts";
import {
  buildAdaptedGradients,
  buildHeadGradient,
  buildLogits,
  buildLosses,
  buildScoreSlice,
  buildSoftmaxSlice,
  gradientName,
  type HeadOptions,
  headTensorName,
} from "./programs.ts";
import {
  type AddRows,
  column,
  createVocabularySlices,
  emptySoftmax,
  type HeadGradients,
  type HeadWeights,
  type HiddenRows,
  keepsNormalized,
  type OutputTile,
  type Programs,
} from "./vocabulary-slices.ts";

/** One entry per row. */
export interface TokenScores {
  readonly logProbabilities: Float64Array;
  readonly likeliest: Int32Array;
}

export interface OutputLayer {
  /** float32 [N, vocabSize] of hidden rows [N, hiddenSize]. */
  logits(rows: HiddenRows, weights: HeadWeights): Promise<Float32Array>;
  /** The log-probability of each row's label, in nats, and the row's likeliest token. */
  score(rows: HiddenRows, labels: Int32Array, weights: HeadWeights): Promise<TokenScores>;
  /**
   * The log-probability of each row's label, and the gradients of the sum of their negatives weighted by `labelWeights`: that of
   * the rows given to `addRows`, those of the weights added.
   *
   * @param kept which of the adapter's inputs are not dropped, bool [N, hiddenSize]; undefined if none is
   */
  accumulate(
    rows: HiddenRows,
    labels: Int32Array,
    weights: HeadWeights,
    gradients: HeadGradients,
    labelWeights: Float32Array,
    addRows: AddRows,
    kept?: HostTensor,
  ): Promise<Float64Array>;
  /** The rows after the final norm, [N, hiddenSize]. */
  states(rows: HiddenRows, weights: HeadWeights): Promise<Float32Array>;
  /** Gives `addRows` the gradient of hidden rows, from that of the rows after the final norm; that of its weight is added. */
  accumulateStates(
    rows: HiddenRows,
    weights: HeadWeights,
    gradients: HeadGradients,
    dStates: Float32Array,
    addRows: AddRows,
  ): Promise<void>;
}

/** Of some rows the log-probabilities of their labels, and the gradient by the rows. */
type AccumulateSome = (
  rows: AnyTensor,
  labels: Int32Array,
  weights: HeadWeights,
  gradients: HeadGradients,
  labelWeights: Float32Array,
  kept?: HostTensor,
) => Promise<{ readonly logProbabilities: Float64Array; readonly dRows: AnyTensor }>;

export function createOutputLayer(
  programs: Programs,
  config: ModelConfig,
  options: HeadOptions,
  tile: OutputTile,
): OutputLayer {
  const { hiddenSize, vocabSize } = config;
  const { compileOnce, compileKeeping } = programs;
  const slices = createVocabularySlices(programs, config, options, tile);
  const { matrix, slicesOf, inChunks } = slices;

  /** What the losses and their gradients are computed from, once the whole vocabulary has been seen. */
  const runSoftmax = async (rows: AnyTensor, labels: Int32Array, weights: HeadWeights) => {
    const normalized = await slices.normalize(rows, weights);
    const program = await compileKeeping("softmax slice", () => buildSoftmaxSlice(config, options));
    // One zero stands for all.
    const before = { ...emptySoftmax(labels.length), weighted: float32(new Float32Array(1), [1, 1]) };
    const state = await slices.fold(program, weights, { normalized }, before);
    const labelRows = matrix(await lookUpRows(weights.head, labels));
    return { state, feeds: { ...state, rows, norm: weights.norm, normalized, labelRows } };
  };

  const accumulateRows: AccumulateSome = async (rows, labels, weights, gradients, labelWeights) => {
    const softmax = await runSoftmax(rows, labels, weights);
    const feeds = { ...softmax.feeds, weights: column(labelWeights) };
    const program = await compileKeeping(
      "losses",
      () => buildLosses(config, options),
      (name) => name === gradientName("rows"),
    );
    const results = await program.run(feeds);
    if (gradients.norm) addTo(gradients.norm, valuesOf(results[gradientName("norm")]!));
    const { rows: trainedRows } = weights;
    const slopes = results.labelSlope && valuesOf(results.labelSlope);
    const toLabels = async () =>
      (await readValues(feeds.normalized)).map((value, i) => {
        const row = Math.floor(i / hiddenSize);
        return -labelWeights[row]! * (slopes ? slopes[row]! : 1) * value;
      });
    const ofEntries = { ...feeds, logNormalizer: results.logNormalizer! };
    if (gradients.head) {
      for await (const { start, size, feeds } of slicesOf(weights)) {
        const part = gradients.head.subarray(start * hiddenSize, (start + size) * hiddenSize);
        await addHeadGradient(part, { ...ofEntries, ...feeds });
      }
      scatterAddRows(gradients.head, labels, await toLabels());
    }
    if (gradients.rows) {
      await addHeadGradient(gradients.rows, { ...ofEntries, head: matrix(trainedRows!.values) });
      scatterAddSome(gradients.rows, trainedRows!.indices, labels, await toLabels());
    }
    for (const tensor of [feeds.normalized, ...Object.values(softmax.state)]) free(tensor);
    const logProbabilities = Float64Array.from(valuesOf(results.losses!), (loss) => -loss);
    return { logProbabilities, dRows: results[gradientName("rows")]! };
  };

  const addHeadGradient = async (gradient: Float32Array, feeds: Record<string, AnyTensor>) => {
    const program = await compileOnce("head gradient", () => buildHeadGradient(config));
    addTo(gradient, (await program.run(feeds))[gradientName("head")]!.data as Float32Array);
  };

  /**
   * The same where the output layer has an adapter: the logits are computed a second time, once their normalizers are known, since
   * the gradients may depend on them in any way.
   */
  const accumulateAdapted: AccumulateSome = async (rows, labels, weights, gradients, labelWeights, kept) => {
    const { logProbabilities, logNormalizers, normalized } = await scoreRows(rows, labels, weights, kept);
    const feeds = {
      normalized,
      logNormalizer: column(Float32Array.from(logNormalizers)),
      labels: column(Float32Array.from(labels)),
      weights: column(labelWeights),
      ...(kept && { [headTensorName("dropout")]: kept }),
    };
    const programOf = (ofHead: boolean) =>
      compileKeeping(
        `adapted ${kept !== undefined} ${ofHead}`,
        () => buildAdaptedGradients(config, options, kept !== undefined, ofHead),
        keepsNormalized,
      );
    const dRows = await slices.accumulate(rows, weights, gradients, async (slice, ofHead) => {
      const { start, size } = slice;
      const places = Float32Array.from({ length: size }, (_, i) => start + i);
      const program = await programOf(ofHead);
      return program.run({ ...feeds, ...slice.feeds, places: float32(places, [size]) });
    });
    free(normalized);
    return { logProbabilities, dRows };
  };

  /** @param kept as in {@link OutputLayer.accumulate} */
  const scoreRows = async (
    rows: AnyTensor,
    labels: Int32Array,
    weights: HeadWeights,
    kept?: HostTensor,
  ): Promise<TokenScores & { readonly normalized: AnyTensor; readonly logNormalizers: Float64Array }> => {
    const normalized = await slices.normalize(rows, weights);
    const program = await compileOnce(`score slice ${kept !== undefined}`, () =>
      buildScoreSlice(config, options, kept !== undefined),
    );
    const count = labels.length;
    const likeliest = new Int32Array(count);
    const largest = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
    const sum = new Float64Array(count);
    const ofLabel = new Float64Array(count);
    for await (const { start, size, feeds } of slicesOf(weights)) {
      const holds = (label: number) => label >= start && label < start + size;
      const places = BigInt64Array.from(labels, (label) => BigInt(holds(label) ? label - start : 0));
      const slice = await program.run({
        normalized,
        ...feeds,
        labels: { dtype: "int64", dims: [count, 1], data: places },
        ...(kept && { [headTensorName("dropout")]: kept }),
      });
      const [sliceLargest, sliceSum, sliceOfLabel] = ["largest", "sum", "ofLabel"].map(
        (name) => slice[name]!.data as Float32Array,
      ) as [Float32Array, Float32Array, Float32Array];
      for (let row = 0; row < count; row++) {
        const before = largest[row]!;
        const here = sliceLargest[row]!;
        if (here > before) {
          largest[row] = here;
          likeliest[row] = start + Number(slice.best!.data[row]!);
        }
        const now = largest[row]!;
        sum[row] = sum[row]! * Math.exp(before - now) + sliceSum[row]! * Math.exp(here - now);
        if (holds(labels[row]!)) ofLabel[row] = sliceOfLabel[row]!;
      }
    }
    const logNormalizers = largest.map((value, row) => value + Math.log(sum[row]!));
    const logProbabilities = ofLabel.map((value, row) => value - largest[row]! - Math.log(sum[row]!));
    return { logProbabilities, likeliest, normalized, logNormalizers };
  };

  const normalizeAll = async (rows: HiddenRows, weights: HeadWeights): Promise<AnyTensor> => {
    const given = await rows.between(0, rows.count);
    const normalized = await slices.normalize(given, weights);
    free(given);
    return normalized;
  };

  return {
    states: async (rows, weights) => takeValues(await normalizeAll(rows, weights)),
    async accumulateStates(rows, weights, gradients, dStates, addRows) {
      const given = await rows.between(0, rows.count);
      const dRows = await slices.accumulateNormalized(given, weights, gradients, matrix(dStates));
      free(given);
      await addRows(dRows, 0, rows.count);
    },
    async logits(rows, weights) {
      const { count } = rows;
      const normalized = await normalizeAll(rows, weights);
      const program = await compileOnce("logits", () => buildLogits(config, options));
      const logits = new Float32Array(count * vocabSize);
      for await (const { start, size, feeds } of slicesOf(weights)) {
        const part = (await program.run({ normalized, ...feeds })).logits!.data as Float32Array;
        for (let row = 0; row < count; row++) {
          logits.set(part.subarray(row * size, (row + 1) * size), row * vocabSize + start);
        }
      }
      free(normalized);
      return logits;
    },
    async score(rows, labels, weights) {
      const logProbabilities = new Float64Array(labels.length);
      const likeliest = new Int32Array(labels.length);
      await inChunks(labels.length, async (start, end) => {
        const some = await rows.between(start, end);
        const scores = await scoreRows(some, labels.subarray(start, end), weights);
        free(some);
        free(scores.normalized);
        logProbabilities.set(scores.logProbabilities, start);
        likeliest.set(scores.likeliest, start);
      });
      return { logProbabilities, likeliest };
    },
    async accumulate(rows, labels, weights, gradients, labelWeights, addRows, kept) {
      const accumulatePart = options.adapter ? accumulateAdapted : accumulateRows;
      const logProbabilities = new Float64Array(labels.length);
      await inChunks(labels.length, async (start, end) => {
        const some = await rows.between(start, end);
        const part = await accumulatePart(
          some,
          labels.subarray(start, end),
          weights,
          gradients,
          labelWeights.subarray(start, end),
          slices.keptBetween(kept, start, end),
        );
        free(some);
        await addRows(part.dRows, start, end);
        logProbabilities.set(part.logProbabilities, start);
      });
      return logProbabilities;
    },
  };
}
