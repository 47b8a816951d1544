/**
 * @file The final norm, the output layer and the loss, over slices of the vocabulary: logits of all of it exist only
 * where somebody asks for them, and a float16 output layer is float32 only a slice at a time.
 */

import type { ModelConfig } from "../architectures/architecture.ts";
import type { Tensor } from "../graph/tensor.ts";
import { addTo, lookUpRows, rowsOf, scatterAddRows, scatterAddSome } from "../models/matrix-rows.ts";
import { float32, type HostTensor, type Program, type RowMatrix } from "../runtime/device.ts";
import {
  buildAdaptedGradients,
  buildFinalNorm,
  buildFinalNormGradients,
  buildHeadGradient,
  buildLogits,
  buildLosses,
  buildScoreSlice,
  buildSoftmaxSlice,
  gradientName,
  type HeadOptions,
  headTensorName,
  previousName,
} from "./programs.ts";

/** How much of the output layer is computed at a time. */
export interface OutputTile {
  /** Hidden rows. */
  readonly rows: number;
  /** Entries of the vocabulary. */
  readonly entries: number;
}

/** The output layer's weights for one step: "norm" [hiddenSize] and "head" [vocabSize, hiddenSize]. */
export interface HeadWeights {
  readonly norm: HostTensor;
  readonly head: RowMatrix;
  /** Those rows of the head that are trained, [indices, hiddenSize]. */
  readonly rows?: { readonly indices: readonly number[]; readonly values: Float32Array };
  /** Tensors of the head's adapter by their names. */
  readonly adapter: Readonly<Record<string, HostTensor>>;
}

/** Gradients to add to, of those weights that are trained. */
export interface HeadGradients {
  readonly norm?: Float32Array;
  readonly head?: Float32Array;
  readonly rows?: Float32Array;
  readonly adapter?: Readonly<Record<string, Float32Array>>;
}

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
}

/** Large enough for products at their full rate, small enough that a tile takes some 10 MB. */
export const defaultOutputTile: OutputTile = { rows: 512, entries: 2048 };

export function createOutputLayer(
  compileOnce: (key: string, build: () => Record<string, Tensor>) => Promise<Program>,
  config: ModelConfig,
  options: HeadOptions,
  tile: OutputTile,
): OutputLayer {
  const { hiddenSize, vocabSize } = config;
  const byEntry = (options.adapter?.parameters ?? []).filter(({ isByOutput }) => isByOutput);
  const finalNorm = () => compileOnce("final norm", () => buildFinalNorm(config));
  const matrix = (data: Float32Array) => float32(data, [data.length / hiddenSize, hiddenSize]);
  const column = (values: Float32Array) => float32(values, [values.length, 1]);

  async function* slicesOf({ head, adapter }: HeadWeights) {
    const wholeTensors = Object.entries(adapter).map(([name, tensor]) => [headTensorName(name), tensor]);
    for (let start = 0; start < vocabSize; start += tile.entries) {
      const size = Math.min(tile.entries, vocabSize - start);
      const rows = await rowsOf(head, start, start + size);
      const feeds: Record<string, HostTensor> = {
        ...Object.fromEntries(wholeTensors),
        head: { dtype: head.dtype, dims: [size, hiddenSize], data: rows },
      };
      for (const { name } of byEntry) {
        const { dtype, dims, data } = adapter[name]!;
        const width = data.length / vocabSize;
        const part = data.subarray(start * width, (start + size) * width);
        feeds[headTensorName(name)] = { dtype, dims: [size, ...dims.slice(1)], data: part };
      }
      yield { start, size, feeds };
    }
  }

  /** What the losses and their gradients are computed from, once the whole vocabulary has been seen. */
  const runSoftmax = async (rows: HostTensor, labels: Int32Array, weights: HeadWeights) => {
    const { normalized } = await (await finalNorm()).run({ rows, norm: weights.norm });
    const program = await compileOnce("softmax slice", () => buildSoftmaxSlice(config, options));
    let state: Record<string, HostTensor> = {
      largest: column(new Float32Array(labels.length).fill(Number.NEGATIVE_INFINITY)),
      sum: column(new Float32Array(labels.length)),
      weighted: matrix(new Float32Array(rows.data.length)),
    };
    for await (const { feeds } of slicesOf(weights)) {
      const previous = Object.entries(state).map(([name, tensor]) => [previousName(name), tensor]);
      state = await program.run({ ...Object.fromEntries(previous), normalized: normalized!, ...feeds });
    }
    const labelRows = matrix(await lookUpRows(weights.head, labels));
    return { ...state, rows, norm: weights.norm, normalized: normalized!, labelRows };
  };

  const accumulateRows: OutputLayer["accumulate"] = async (
    rows,
    labels,
    weights,
    gradients,
    labelWeights,
  ) => {
    const feeds = {
      ...(await runSoftmax(matrix(rows), labels, weights)),
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
    const scored = await scoreRows(rows, labels, weights, kept);
    const dNormalized = new Float32Array(rows.length);
    const feeds = {
      normalized: scored.normalized,
      logNormalizer: column(Float32Array.from(scored.logNormalizers)),
      labels: column(Float32Array.from(labels)),
      weights: column(labelWeights),
      ...(kept && { [headTensorName("dropout")]: kept }),
    };
    const program = await compileOnce("adapted gradients", () => buildAdaptedGradients(config, options));
    for await (const { start, size, feeds: slice } of slicesOf(weights)) {
      const places = float32(
        Float32Array.from({ length: size }, (_, i) => start + i),
        [size],
      );
      const results = await program.run({ ...feeds, ...slice, places });
      addTo(dNormalized, results[gradientName("normalized")]!.data as Float32Array);
      for (const [name, gradient] of Object.entries(gradients.adapter ?? {})) {
        const part = results[gradientName(headTensorName(name))]!.data as Float32Array;
        const width = gradient.length / vocabSize;
        const isSliced = byEntry.some((parameter) => parameter.name === name);
        addTo(isSliced ? gradient.subarray(start * width, (start + size) * width) : gradient, part);
      }
    }
    const ofNorm = await compileOnce("final norm gradients", () => buildFinalNormGradients(config, options));
    const results = await ofNorm.run({
      rows: matrix(rows),
      norm: weights.norm,
      dNormalized: matrix(dNormalized),
    });
    if (gradients.norm) addTo(gradients.norm, results[gradientName("norm")]!.data as Float32Array);
    const { logProbabilities } = scored;
    return { logProbabilities, dRows: results[gradientName("rows")]!.data as Float32Array };
  };

  /** @param kept as in {@link OutputLayer.accumulate} */
  const scoreRows = async (
    rows: Float32Array,
    labels: Int32Array,
    weights: HeadWeights,
    kept?: HostTensor,
  ): Promise<TokenScores & { readonly normalized: HostTensor; readonly logNormalizers: Float64Array }> => {
    const { normalized } = await (await finalNorm()).run({ rows: matrix(rows), norm: weights.norm });
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
        normalized: normalized!,
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
    return { logProbabilities, likeliest, normalized: normalized!, logNormalizers };
  };

  /** Calls `visit` with some of the rows, from `start` to `end`, at a time. */
  const inChunks = async (count: number, visit: (start: number, end: number) => Promise<void>) => {
    for (let start = 0; start < count; start += tile.rows) {
      await visit(start, Math.min(count, start + tile.rows));
    }
  };
  const rowsBetween = (rows: Float32Array, start: number, end: number) =>
    rows.subarray(start * hiddenSize, end * hiddenSize);

  return {
    async logits(rows, weights) {
      const { normalized } = await (await finalNorm()).run({ rows: matrix(rows), norm: weights.norm });
      const program = await compileOnce("logits", () => buildLogits(config, options));
      const count = rows.length / hiddenSize;
      const logits = new Float32Array(count * vocabSize);
      for await (const { start, size, feeds } of slicesOf(weights)) {
        const part = (await program.run({ normalized: normalized!, ...feeds })).logits!.data as Float32Array;
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
        const keptHere = kept && {
          ...kept,
          dims: [end - start, hiddenSize],
          data: (kept.data as Uint8Array).subarray(start * hiddenSize, end * hiddenSize),
        };
        const part = await accumulatePart(
          rowsBetween(rows, start, end),
          labels.subarray(start, end),
          weights,
          gradients,
          labelWeights.subarray(start, end),
          keptHere,
        );
        dRows.set(part.dRows, start * hiddenSize);
        logProbabilities.set(part.logProbabilities, start);
      });
      return { logProbabilities, dRows };
    },
  };
}
