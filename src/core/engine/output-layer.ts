/**
 * @file The final norm, the output layer and the loss, over slices of the vocabulary: logits of all of it exist only
 * where somebody asks for them, and a float16 output layer is float32 only a slice at a time.
 */

import type { ModelConfig } from "../architectures/architecture.ts";
import { addTo, lookUpRows, scatterAddRows, scatterAddSome } from "../models/matrix-rows.ts";
import { float32, type HostTensor } from "../runtime/device.ts";
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
  type CompileOnce,
  column,
  createVocabularySlices,
  emptySoftmax,
  type HeadGradients,
  type HeadWeights,
  type OutputTile,
  type VocabularySlices,
} from "./vocabulary-slices.ts";

/** One entry per row. */
export interface TokenScores {
  readonly logProbabilities: Float64Array;
  readonly likeliest: Int32Array;
}

export interface OutputLayer {
  /** float32 [N, vocabSize] of hidden rows [N, hiddenSize]. */
  logits(rows: Float32Array, weights: HeadWeights): Promise<Float32Array>;
  /** The log-probability of each row's label, in nats, and the row's likeliest token. */
  score(rows: Float32Array, labels: Int32Array, weights: HeadWeights): Promise<TokenScores>;
  /**
   * The log-probability of each row's label, and the gradients of the sum of their negatives weighted by `labelWeights`: that of
   * the rows returned, those of the weights added.
   *
   * @param kept which of the adapter's inputs are not dropped, bool [N, hiddenSize]; undefined if none is
   */
  accumulate(
    rows: Float32Array,
    labels: Int32Array,
    weights: HeadWeights,
    gradients: HeadGradients,
    labelWeights: Float32Array,
    kept?: HostTensor,
  ): Promise<{ readonly logProbabilities: Float64Array; readonly dRows: Float32Array }>;
  /** The rows after the final norm, [N, hiddenSize]. */
  states(rows: Float32Array, weights: HeadWeights): Promise<Float32Array>;
  /** The gradient of hidden rows from that of the rows after the final norm; that of its weight is added. */
  accumulateStates: VocabularySlices["accumulateNormalized"];
}

export function createOutputLayer(
  compileOnce: CompileOnce,
  config: ModelConfig,
  options: HeadOptions,
  tile: OutputTile,
): OutputLayer {
  const { hiddenSize, vocabSize } = config;
  const slices = createVocabularySlices(compileOnce, config, options, tile);
  const { matrix, slicesOf, inChunks, rowsBetween } = slices;

  /** What the losses and their gradients are computed from, once the whole vocabulary has been seen. */
  const runSoftmax = async (rows: Float32Array, labels: Int32Array, weights: HeadWeights) => {
    const normalized = await slices.normalize(rows, weights);
    const program = await compileOnce("softmax slice", () => buildSoftmaxSlice(config, options));
    const before = { ...emptySoftmax(labels.length), weighted: matrix(new Float32Array(rows.length)) };
    const state = await slices.fold(program, weights, { normalized }, before);
    const labelRows = matrix(await lookUpRows(weights.head, labels));
    return { ...state, rows: matrix(rows), norm: weights.norm, normalized, labelRows };
  };

  const accumulateRows: OutputLayer["accumulate"] = async (
    rows,
    labels,
    weights,
    gradients,
    labelWeights,
  ) => {
    const feeds = {
      ...(await runSoftmax(rows, labels, weights)),
      weights: column(labelWeights),
    };
    const program = await compileOnce("losses", () => buildLosses(config, options));
    const results = await program.run(feeds);
    const gradientOf = (name: string) => results[gradientName(name)]!.data as Float32Array;
    if (gradients.norm) addTo(gradients.norm, gradientOf("norm"));
    const { rows: trainedRows } = weights;
    const slopes = results.labelSlope?.data as Float32Array | undefined;
    const toLabels = () =>
      (feeds.normalized.data as Float32Array).map((value, i) => {
        const row = Math.floor(i / hiddenSize);
        return -labelWeights[row]! * (slopes ? slopes[row]! : 1) * value;
      });
    const ofEntries = { ...feeds, logNormalizer: results.logNormalizer! };
    if (gradients.head) {
      for await (const { start, size, feeds } of slicesOf(weights)) {
        const part = gradients.head.subarray(start * hiddenSize, (start + size) * hiddenSize);
        await addHeadGradient(part, { ...ofEntries, ...feeds });
      }
      scatterAddRows(gradients.head, labels, toLabels());
    }
    if (gradients.rows) {
      await addHeadGradient(gradients.rows, { ...ofEntries, head: matrix(trainedRows!.values) });
      scatterAddSome(gradients.rows, trainedRows!.indices, labels, toLabels());
    }
    const losses = results.losses!.data as Float32Array;
    return { logProbabilities: Float64Array.from(losses, (loss) => -loss), dRows: gradientOf("rows") };
  };

  const addHeadGradient = async (gradient: Float32Array, feeds: Record<string, HostTensor>) => {
    const program = await compileOnce("head gradient", () => buildHeadGradient(config));
    addTo(gradient, (await program.run(feeds))[gradientName("head")]!.data as Float32Array);
  };

  /**
   * The same where the output layer has an adapter: the logits are computed a second time, once their normalizers are known, since
   * the gradients may depend on them in any way.
   */
  const accumulateAdapted: OutputLayer["accumulate"] = async (
    rows,
    labels,
    weights,
    gradients,
    labelWeights,
    kept,
  ) => {
    const { logProbabilities, logNormalizers, normalized } = await scoreRows(rows, labels, weights, kept);
    const feeds = {
      normalized,
      logNormalizer: column(Float32Array.from(logNormalizers)),
      labels: column(Float32Array.from(labels)),
      weights: column(labelWeights),
      ...(kept && { [headTensorName("dropout")]: kept }),
    };
    const programOf = (ofHead: boolean) =>
      compileOnce(`adapted gradients ${kept !== undefined} ${ofHead}`, () =>
        buildAdaptedGradients(config, options, kept !== undefined, ofHead),
      );
    const dRows = await slices.accumulate(rows, weights, gradients, async (slice, ofHead) => {
      const { start, size } = slice;
      const places = Float32Array.from({ length: size }, (_, i) => start + i);
      const program = await programOf(ofHead);
      return program.run({ ...feeds, ...slice.feeds, places: float32(places, [size]) });
    });
    return { logProbabilities, dRows };
  };

  /** @param kept as in {@link OutputLayer.accumulate} */
  const scoreRows = async (
    rows: Float32Array,
    labels: Int32Array,
    weights: HeadWeights,
    kept?: HostTensor,
  ): Promise<TokenScores & { readonly normalized: HostTensor; readonly logNormalizers: Float64Array }> => {
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

  return {
    async states(rows, weights) {
      return (await slices.normalize(rows, weights)).data as Float32Array;
    },
    accumulateStates: slices.accumulateNormalized,
    async logits(rows, weights) {
      const normalized = await slices.normalize(rows, weights);
      const program = await compileOnce("logits", () => buildLogits(config, options));
      const count = rows.length / hiddenSize;
      const logits = new Float32Array(count * vocabSize);
      for await (const { start, size, feeds } of slicesOf(weights)) {
        const part = (await program.run({ normalized, ...feeds })).logits!.data as Float32Array;
        for (let row = 0; row < count; row++) {
          logits.set(part.subarray(row * size, (row + 1) * size), row * vocabSize + start);
        }
      }
      return logits;
    },
    async score(rows, labels, weights) {
      const logProbabilities = new Float64Array(labels.length);
      const likeliest = new Int32Array(labels.length);
      await inChunks(labels.length, async (start, end) => {
        const some = rowsBetween(rows, start, end);
        const scores = await scoreRows(some, labels.subarray(start, end), weights);
        logProbabilities.set(scores.logProbabilities, start);
        likeliest.set(scores.likeliest, start);
      });
      return { logProbabilities, likeliest };
    },
    async accumulate(rows, labels, weights, gradients, labelWeights, kept) {
      const accumulatePart = options.adapter ? accumulateAdapted : accumulateRows;
      const dRows = new Float32Array(rows.length);
      const logProbabilities = new Float64Array(labels.length);
      await inChunks(labels.length, async (start, end) => {
        const part = await accumulatePart(
          rowsBetween(rows, start, end),
          labels.subarray(start, end),
          weights,
          gradients,
          labelWeights.subarray(start, end),
          slices.keptBetween(kept, start, end),
        );
        dRows.set(part.dRows, start * hiddenSize);
        logProbabilities.set(part.logProbabilities, start);
      });
      return { logProbabilities, dRows };
    },
  };
}
