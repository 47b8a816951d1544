/** @file What a model says at some positions, and how far another's predictions are from it, over slices of the vocabulary. */

import type { ModelConfig } from "../architectures/architecture.ts";
import type { RowRange } from "../formats/weight-file.ts";
import { addTo } from "../models/matrix-rows.ts";
import type { Divergence } from "../objectives/divergences.ts";
import { type AnyTensor, float32, free, type HostTensor, takeValues, valuesOf } from "../runtime/device.ts";
import {
  buildDivergenceGradients,
  buildDivergenceSlice,
  buildLogProbabilities,
  buildNormalizerSlice,
  type TemperedOptions,
} from "./divergence-programs.ts";
import { type HeadOptions, headTensorName } from "./programs.ts";
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

/** A model's distributions of the next token at some positions. */
export interface Predictions {
  readonly vocabSize: number;
  /** Positions. */
  readonly count: number;
  /** By which the logits are divided. */
  readonly temperature: number;
  /** Log-probabilities of entries of the vocabulary at some positions, in nats: float32 [positions, entries]. */
  logProbabilities(positions: RowRange, entries: RowRange): Promise<HostTensor>;
}

/** What hidden rows [N, hiddenSize] are compared with. */
export interface Comparison {
  /** Of N positions. */
  readonly teacher: Predictions;
  readonly divergence: Divergence;
}

/** What a teacher says at all its positions, over all of the vocabulary: float32 [positions, vocabSize]. */
export async function wholeLogProbabilities(teacher: Predictions, entries: number): Promise<HostTensor> {
  const { count, vocabSize } = teacher;
  const whole = new Float32Array(count * vocabSize);
  for (let start = 0; start < vocabSize; start += entries) {
    const end = Math.min(start + entries, vocabSize);
    const part = await teacher.logProbabilities({ start: 0, end: count }, { start, end });
    const values = part.data as Float32Array;
    for (let row = 0; row < count; row++)
      whole.set(values.subarray(row * (end - start), (row + 1) * (end - start)), row * vocabSize + start);
  }
  return float32(whole, [count, vocabSize]);
}

export interface DivergenceLayer {
  /** It keeps the rows after the final norm; the weights are read again whenever log-probabilities are asked for. */
  predict(rows: HiddenRows, weights: HeadWeights, temperature: number): Promise<Predictions>;
  /** The divergence at each row, in nats. */
  measure(rows: HiddenRows, weights: HeadWeights, comparison: Comparison): Promise<Float64Array>;
  /**
   * The same, and the gradients of the sum weighted by `rowWeights`: that of the rows given to `addRows`, those of the weights added.
   *
   * @param kept which of the adapter's inputs are not dropped, bool [N, hiddenSize]; undefined if none is
   */
  accumulate(
    rows: HiddenRows,
    weights: HeadWeights,
    gradients: HeadGradients,
    comparison: Comparison,
    rowWeights: Float32Array,
    addRows: AddRows,
    kept?: HostTensor,
  ): Promise<Float64Array>;
}

export function createDivergenceLayer(
  programs: Programs,
  config: ModelConfig,
  head: HeadOptions,
  tile: OutputTile,
): DivergenceLayer {
  const { hiddenSize, vocabSize } = config;
  const { compileOnce, compileKeeping } = programs;
  const slices = createVocabularySlices(programs, config, head, tile);
  const { inChunks, slicesOf } = slices;

  /** The rows after the final norm, and what the logarithms of the sums of their exponentiated logits are. */
  const normalizeRows = async (
    rows: AnyTensor,
    weights: HeadWeights,
    options: TemperedOptions,
    kept?: HostTensor,
  ) => {
    const normalized = await slices.normalize(rows, weights);
    const feeds = { normalized, ...(kept && { [headTensorName("dropout")]: kept }) };
    const program = await compileKeeping(`normalizer slice ${JSON.stringify(options)}`, () =>
      buildNormalizerSlice(config, head, options),
    );
    const { largest, sum } = await slices.fold(program, weights, feeds, emptySoftmax(rows.dims[0]!));
    const sums = await takeValues(sum!);
    const logNormalizers = (await takeValues(largest!)).map((value, row) => value + Math.log(sums[row]!));
    return { ...feeds, logNormalizer: column(logNormalizers) };
  };

  /** Sums over the vocabulary, for each of some rows, of the divergence's entries and of their slopes. */
  const sumEntries = async (
    weights: HeadWeights,
    { teacher, divergence }: Comparison,
    positions: RowRange,
    options: TemperedOptions,
    feeds: Record<string, AnyTensor>,
  ) => {
    const program = await compileOnce(`divergence slice ${divergence.name} ${JSON.stringify(options)}`, () =>
      buildDivergenceSlice(config, head, options, divergence),
    );
    const divergences = new Float64Array(positions.end - positions.start);
    const slopes = new Float64Array(divergences.length);
    for await (const { start, size, feeds: slice } of slicesOf(weights)) {
      const logTeacher = await teacher.logProbabilities(positions, { start, end: start + size });
      const results = await program.run({ ...feeds, ...slice, logTeacher });
      addTo(divergences, results.divergence!.data as Float32Array);
      addTo(slopes, results.slope!.data as Float32Array);
    }
    return { divergences, slopes };
  };

  return {
    async predict(rows, weights, temperature) {
      const options = { temperature, dropout: false };
      const { count } = rows;
      const normalized = new Float32Array(count * hiddenSize);
      const logNormalizers = new Float32Array(count);
      await inChunks(count, async (start, end) => {
        const some = await rows.between(start, end);
        const part = await normalizeRows(some, weights, options);
        free(some);
        normalized.set(await takeValues(part.normalized), start * hiddenSize);
        logNormalizers.set(part.logNormalizer.data as Float32Array, start);
      });
      return {
        vocabSize,
        count,
        temperature,
        async logProbabilities({ start, end }, entries) {
          const program = await compileOnce(`log-probabilities ${JSON.stringify(options)}`, () =>
            buildLogProbabilities(config, head, options),
          );
          const { feeds } = await slices.sliceOf(weights, entries.start, entries.end);
          const results = await program.run({
            normalized: slices.matrix(normalized.subarray(start * hiddenSize, end * hiddenSize)),
            logNormalizer: column(logNormalizers.subarray(start, end)),
            ...feeds,
          });
          return results.logProbabilities!;
        },
      };
    },
    async measure(rows, weights, comparison) {
      const { count, temperature } = comparison.teacher;
      const options = { temperature, dropout: false };
      const divergences = new Float64Array(count);
      await inChunks(count, async (start, end) => {
        const some = await rows.between(start, end);
        const feeds = await normalizeRows(some, weights, options);
        free(some);
        const sums = await sumEntries(weights, comparison, { start, end }, options, feeds);
        free(feeds.normalized);
        divergences.set(sums.divergences, start);
      });
      return divergences;
    },
    async accumulate(rows, weights, gradients, comparison, rowWeights, addRows, kept) {
      const { teacher, divergence } = comparison;
      const { count, temperature } = teacher;
      const options = { temperature, dropout: kept !== undefined };
      const programOf = (ofHead: boolean) =>
        compileKeeping(
          `gradients ${divergence.name} ${ofHead} ${JSON.stringify(options)}`,
          () => buildDivergenceGradients(config, head, options, divergence, ofHead),
          keepsNormalized,
        );
      const divergences = new Float64Array(count);
      await inChunks(count, async (start, end) => {
        const positions = { start, end };
        const some = await rows.between(start, end);
        const feeds = await normalizeRows(some, weights, options, slices.keptBetween(kept, start, end));
        const { slopeSum } = divergence;
        const slopes =
          slopeSum === undefined
            ? (await sumEntries(weights, comparison, positions, options, feeds)).slopes
            : new Float64Array(end - start).fill(slopeSum);
        const scales = rowWeights.subarray(start, end).map((weight) => weight / temperature);
        const scale = column(scales);
        const slope = column(scales.map((value, row) => value * slopes[row]!));
        const part = await slices.accumulate(some, weights, gradients, async (slice, ofHead) => {
          const entries = { start: slice.start, end: slice.start + slice.size };
          const logTeacher = await teacher.logProbabilities(positions, entries);
          const program = await programOf(ofHead);
          const results = await program.run({ ...feeds, ...slice.feeds, logTeacher, scale, slope });
          addTo(divergences.subarray(start, end), valuesOf(results.divergence!));
          return results;
        });
        free(some);
        free(feeds.normalized);
        await addRows(part, start, end);
      });
      return divergences;
    },
  };
}
