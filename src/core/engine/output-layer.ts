/**
 * @file The final norm, the output layer and the loss, over slices of the vocabulary: logits of all of it exist only
 * where somebody asks for them, and a float16 output layer is float32 only a slice at a time.
 */

import type { ModelConfig } from "../architectures/architecture.ts";
import type { Tensor } from "../graph/tensor.ts";
import { float32, type HostTensor, type Program, type RowMatrix } from "../runtime/device.ts";
import { addTo, gatherRows, rowsOf, scatterAddRows } from "./matrix-rows.ts";
import {
  buildFinalNorm,
  buildHeadGradient,
  buildLogits,
  buildLoss,
  buildScoreSlice,
  buildSoftmaxSlice,
  gradientName,
  type HeadOptions,
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
}

/** Gradients to add to, of those weights that are trained. */
export interface HeadGradients {
  readonly norm?: Float32Array;
  readonly head?: Float32Array;
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
  /** Sum of the negative log-likelihoods of the rows' labels, in nats. */
  loss(rows: Float32Array, labels: Int32Array, weights: HeadWeights): Promise<number>;
  /** The same sum, and `scale` times its gradients: that of the rows returned, those of the weights added. */
  accumulate(
    rows: Float32Array,
    labels: Int32Array,
    weights: HeadWeights,
    gradients: HeadGradients,
    scale: number,
  ): Promise<{ readonly loss: number; readonly dRows: Float32Array }>;
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
  const { headDtype } = options;
  const finalNorm = () => compileOnce("final norm", () => buildFinalNorm(config));
  const matrix = (data: Float32Array) => float32(data, [data.length / hiddenSize, hiddenSize]);
  const column = (length: number, value: number) =>
    float32(new Float32Array(length).fill(value), [length, 1]);

  function* slicesOf(whole: RowMatrix) {
    const { dtype } = whole;
    for (let start = 0; start < vocabSize; start += tile.entries) {
      const size = Math.min(tile.entries, vocabSize - start);
      const data = rowsOf(whole, start, start + size);
      yield { start, size, head: { dtype, dims: [size, hiddenSize], data } };
    }
  }

  /** What the loss and its gradients are computed from, once the whole vocabulary has been seen. */
  const runSoftmax = async (
    rows: HostTensor,
    labels: Int32Array,
    weights: HeadWeights,
    weighted: boolean,
  ) => {
    const { normalized } = await (await finalNorm()).run({ rows, norm: weights.norm });
    const program = await compileOnce(`softmax slice ${weighted}`, () =>
      buildSoftmaxSlice(config, headDtype, weighted),
    );
    let state: Record<string, HostTensor> = {
      largest: column(labels.length, Number.NEGATIVE_INFINITY),
      sum: column(labels.length, 0),
      weighted: matrix(new Float32Array(rows.data.length)),
    };
    for (const { head } of slicesOf(weights.head)) {
      const previous = Object.entries(state).map(([name, tensor]) => [previousName(name), tensor]);
      state = await program.run({ ...Object.fromEntries(previous), normalized: normalized!, head });
    }
    const labelRows = matrix(gatherRows(weights.head, labels));
    return { ...state, rows, norm: weights.norm, normalized: normalized!, labelRows };
  };

  const lossOfRows = async (rows: Float32Array, labels: Int32Array, weights: HeadWeights) => {
    const feeds = await runSoftmax(matrix(rows), labels, weights, false);
    const program = await compileOnce("loss", () => buildLoss(config, options, false));
    const { loss } = await program.run(feeds);
    return (loss!.data as Float32Array)[0]!;
  };

  const accumulateRows: OutputLayer["accumulate"] = async (rows, labels, weights, gradients, scale) => {
    const feeds = {
      ...(await runSoftmax(matrix(rows), labels, weights, true)),
      scale: float32(Float32Array.of(scale), []),
    };
    const program = await compileOnce("loss with gradients", () => buildLoss(config, options, true));
    const results = await program.run(feeds);
    const gradientOf = (name: string) => results[gradientName(name)]!.data as Float32Array;
    if (gradients.norm) addTo(gradients.norm, gradientOf("norm"));
    if (gradients.head) {
      await addHeadGradient(
        gradients.head,
        { ...feeds, logNormalizer: results.logNormalizer! },
        weights.head,
      );
      const slopes = results.labelSlope?.data as Float32Array | undefined;
      const { data } = feeds.normalized;
      scatterAddRows(
        gradients.head,
        labels,
        (data as Float32Array).map(
          (value, i) => -scale * (slopes ? slopes[Math.floor(i / hiddenSize)]! : 1) * value,
        ),
      );
    }
    return { loss: (results.loss!.data as Float32Array)[0]!, dRows: gradientOf("rows") };
  };

  const addHeadGradient = async (
    gradient: Float32Array,
    feeds: Record<string, HostTensor>,
    whole: RowMatrix,
  ) => {
    const program = await compileOnce("head gradient", () => buildHeadGradient(config));
    for (const { start, size, head } of slicesOf(whole)) {
      const results = await program.run({ ...feeds, head });
      const part = gradient.subarray(start * hiddenSize, (start + size) * hiddenSize);
      addTo(part, results[gradientName("head")]!.data as Float32Array);
    }
  };

  /** Adds to the `scores` from place `offset` on. */
  const scoreRows = async (
    rows: Float32Array,
    labels: Int32Array,
    weights: HeadWeights,
    scores: TokenScores,
    offset: number,
  ) => {
    const { normalized } = await (await finalNorm()).run({ rows: matrix(rows), norm: weights.norm });
    const program = await compileOnce("score slice", () => buildScoreSlice(config, headDtype));
    const count = labels.length;
    const largest = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
    const sum = new Float64Array(count);
    const ofLabel = new Float64Array(count);
    for (const { start, size, head } of slicesOf(weights.head)) {
      const holds = (label: number) => label >= start && label < start + size;
      const places = BigInt64Array.from(labels, (label) => BigInt(holds(label) ? label - start : 0));
      const slice = await program.run({
        normalized: normalized!,
        head,
        labels: { dtype: "int64", dims: [count, 1], data: places },
      });
      const [sliceLargest, sliceSum, sliceOfLabel] = ["largest", "sum", "ofLabel"].map(
        (name) => slice[name]!.data as Float32Array,
      ) as [Float32Array, Float32Array, Float32Array];
      for (let row = 0; row < count; row++) {
        const before = largest[row]!;
        const here = sliceLargest[row]!;
        if (here > before) {
          largest[row] = here;
          scores.likeliest[offset + row] = start + Number(slice.best!.data[row]!);
        }
        const now = largest[row]!;
        sum[row] = sum[row]! * Math.exp(before - now) + sliceSum[row]! * Math.exp(here - now);
        if (holds(labels[row]!)) ofLabel[row] = sliceOfLabel[row]!;
      }
    }
    for (let row = 0; row < count; row++)
      scores.logProbabilities[offset + row] = ofLabel[row]! - largest[row]! - Math.log(sum[row]!);
  };

  /** Calls `visit` with some of the rows, and their labels, at a time. */
  const inChunks = async (
    rows: Float32Array,
    labels: Int32Array,
    visit: (rows: Float32Array, labels: Int32Array, start: number) => Promise<number>,
  ): Promise<number> => {
    let loss = 0;
    for (let start = 0; start < labels.length; start += tile.rows) {
      const end = start + tile.rows;
      loss += await visit(
        rows.subarray(start * hiddenSize, end * hiddenSize),
        labels.subarray(start, end),
        start,
      );
    }
    return loss;
  };

  return {
    async logits(rows, weights) {
      const { normalized } = await (await finalNorm()).run({ rows: matrix(rows), norm: weights.norm });
      const program = await compileOnce("logits", () => buildLogits(config, headDtype));
      const count = rows.length / hiddenSize;
      const logits = new Float32Array(count * vocabSize);
      for (const { start, size, head } of slicesOf(weights.head)) {
        const part = (await program.run({ normalized: normalized!, head })).logits!.data as Float32Array;
        for (let row = 0; row < count; row++) {
          logits.set(part.subarray(row * size, (row + 1) * size), row * vocabSize + start);
        }
      }
      return logits;
    },
    async score(rows, labels, weights) {
      const scores = {
        logProbabilities: new Float64Array(labels.length),
        likeliest: new Int32Array(labels.length),
      };
      await inChunks(rows, labels, async (someRows, someLabels, start) => {
        await scoreRows(someRows, someLabels, weights, scores, start);
        return 0;
      });
      return scores;
    },
    loss: (rows, labels, weights) =>
      inChunks(rows, labels, (someRows, someLabels) => lossOfRows(someRows, someLabels, weights)),
    async accumulate(rows, labels, weights, gradients, scale) {
      const dRows = new Float32Array(rows.length);
      const loss = await inChunks(rows, labels, async (someRows, someLabels, start) => {
        const part = await accumulateRows(someRows, someLabels, weights, gradients, scale);
        dRows.set(part.dRows, start * hiddenSize);
        return part.loss;
      });
      return { loss, dRows };
    },
  };
}
