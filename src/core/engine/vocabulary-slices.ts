/** @file The output layer's weights slice by slice of the vocabulary, and what adds up over the slices. */

import type { ModelConfig } from "../architectures/architecture.ts";
import { addTo, sliceRows } from "../models/matrix-rows.ts";
import {
  type AnyTensor,
  float32,
  free,
  type HostTensor,
  isOnDevice,
  type Program,
  type RowMatrix,
  valuesOf,
} from "../runtime/device.ts";
import type { ProgramCache } from "./program-cache.ts";
import {
  buildFinalNorm,
  buildFinalNormGradients,
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

/** Large enough for products at their full rate, small enough that a tile takes some 10 MB. */
export const defaultOutputTile: OutputTile = { rows: 512, entries: 2048 };

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

/** Hidden rows [count, hiddenSize], wherever they are. */
export interface HiddenRows {
  readonly count: number;
  /** Those from `start` to before `end`; who asks frees them. */
  between(start: number, end: number): Promise<AnyTensor>;
}

/** Takes the gradient of some hidden rows, and frees it. */
export type AddRows = (gradient: AnyTensor, start: number, end: number) => Promise<void>;

/** Rows of JavaScript's memory. */
export function rowsInMemory(values: Float32Array, hiddenSize: number): HiddenRows {
  return {
    count: values.length / hiddenSize,
    between: async (start, end) =>
      float32(values.subarray(start * hiddenSize, end * hiddenSize), [end - start, hiddenSize]),
  };
}

type Feeds = Record<string, AnyTensor>;

/** Some entries of the vocabulary. */
export interface VocabularySlice {
  readonly start: number;
  readonly size: number;
  /** The output layer's rows of these entries, and its adapter's tensors. */
  readonly feeds: Feeds;
}

export type Programs = Omit<ProgramCache, "release">;

export interface VocabularySlices {
  /** Hidden rows [N, hiddenSize] after the final norm. */
  normalize(rows: AnyTensor, weights: HeadWeights): Promise<AnyTensor>;
  slicesOf(weights: HeadWeights): AsyncIterable<VocabularySlice>;
  /** The slice of entries from `start` to before `end`. */
  sliceOf(weights: HeadWeights, start: number, end: number): Promise<VocabularySlice>;
  /** Takes all slices into `state`, which is freed, by a program that gives the state after a slice from that before. */
  fold(program: Program<AnyTensor>, weights: HeadWeights, feeds: Feeds, state: Feeds): Promise<Feeds>;
  /**
   * Adds up the gradients of which each slice has a part, and takes them through the final norm: that of the hidden rows returned,
   * those of the weights added.
   *
   * @param partOf the results for a slice; with the gradient of the output layer's rows themselves if `ofHead`
   */
  accumulate(
    rows: AnyTensor,
    weights: HeadWeights,
    gradients: HeadGradients,
    partOf: (slice: VocabularySlice, ofHead: boolean) => Promise<Feeds>,
  ): Promise<AnyTensor>;
  /** Takes the gradient of rows after the final norm, which is freed, through it: that of the hidden rows returned, that of its weight added. */
  accumulateNormalized(
    rows: AnyTensor,
    weights: HeadWeights,
    gradients: HeadGradients,
    dNormalized: AnyTensor,
  ): Promise<AnyTensor>;
  /** Calls `visit` with some of `count` rows, from `start` to before `end`, at a time. */
  inChunks(count: number, visit: (start: number, end: number) => Promise<void>): Promise<void>;
  /** Some rows of the inputs that are kept, bool [N, hiddenSize], if any are dropped. */
  keptBetween(kept: HostTensor | undefined, start: number, end: number): HostTensor | undefined;
  /** Values as a matrix [N, hiddenSize]. */
  matrix(values: Float32Array): HostTensor;
}

/** Values as a matrix [N, 1]. */
export function column(values: Float32Array): HostTensor {
  return float32(values, [values.length, 1]);
}

/** A running softmax of `count` rows before the first slice. */
export function emptySoftmax(count: number): { readonly largest: HostTensor; readonly sum: HostTensor } {
  return {
    largest: column(new Float32Array(count).fill(Number.NEGATIVE_INFINITY)),
    sum: column(new Float32Array(count)),
  };
}

/** Which output of the programs of {@link VocabularySlices.accumulate} stays on a device. */
export function keepsNormalized(name: string): boolean {
  return name === gradientName("normalized");
}

export function createVocabularySlices(
  { compileKeeping, operations }: Programs,
  config: ModelConfig,
  options: HeadOptions,
  tile: OutputTile,
): VocabularySlices {
  const { hiddenSize, vocabSize } = config;
  const byEntry = (options.adapter?.parameters ?? []).filter(({ isByOutput }) => isByOutput);
  const matrix = (values: Float32Array) => float32(values, [values.length / hiddenSize, hiddenSize]);

  const sliceOf: VocabularySlices["sliceOf"] = async ({ head, adapter }, start, end) => {
    const size = end - start;
    const feeds: Feeds = { head: await sliceRows(head, start, end) };
    for (const [name, tensor] of Object.entries(adapter)) feeds[headTensorName(name)] = tensor;
    for (const { name } of byEntry) {
      const { dtype, dims, data } = adapter[name]!;
      const width = data.length / vocabSize;
      const part = data.subarray(start * width, end * width);
      feeds[headTensorName(name)] = { dtype, dims: [size, ...dims.slice(1)], data: part };
    }
    return { start, size, feeds };
  };

  async function* slicesOf(weights: HeadWeights) {
    for (let start = 0; start < vocabSize; start += tile.entries)
      yield await sliceOf(weights, start, Math.min(start + tile.entries, vocabSize));
  }

  const accumulateNormalized: VocabularySlices["accumulateNormalized"] = async (
    rows,
    weights,
    gradients,
    dNormalized,
  ) => {
    const program = await compileKeeping(
      "norm gradients",
      () => buildFinalNormGradients(config, options),
      (name) => name === gradientName("rows"),
    );
    const results = await program.run({ rows, norm: weights.norm, dNormalized });
    free(dNormalized);
    if (gradients.norm) addTo(gradients.norm, valuesOf(results[gradientName("norm")]!));
    return results[gradientName("rows")]!;
  };

  /** The sum of two tensors, neither of which is needed any more. */
  const addUp = async (a: AnyTensor, b: AnyTensor): Promise<AnyTensor> => {
    if (isOnDevice(a) && isOnDevice(b)) return operations!.add(a, b);
    addTo(valuesOf(a), valuesOf(b));
    return a;
  };

  return {
    matrix,
    sliceOf,
    slicesOf,
    async normalize(rows, { norm }) {
      const program = await compileKeeping("final norm", () => buildFinalNorm(config));
      return (await program.run({ rows, norm })).normalized!;
    },
    async fold(program, weights, feeds, state) {
      for await (const slice of slicesOf(weights)) {
        const previous = Object.entries(state).map(([name, tensor]) => [previousName(name), tensor]);
        const next = await program.run({ ...feeds, ...slice.feeds, ...Object.fromEntries(previous) });
        for (const tensor of Object.values(state)) free(tensor);
        state = next;
      }
      return state;
    },
    async accumulate(rows, weights, gradients, partOf) {
      let dNormalized: AnyTensor | undefined;
      for await (const slice of slicesOf(weights)) {
        const { start, size } = slice;
        const end = start + size;
        const trainedHere = [...(weights.rows?.indices.entries() ?? [])].filter(
          ([, index]) => index >= start && index < end,
        );
        const ofHead = gradients.head !== undefined || trainedHere.length > 0;
        const results = await partOf(slice, ofHead);
        const partOfGradient = (name: string) => valuesOf(results[gradientName(name)]!);
        const part = results[gradientName("normalized")]!;
        dNormalized = dNormalized ? await addUp(dNormalized, part) : part;
        for (const [name, gradient] of Object.entries(gradients.adapter ?? {})) {
          const width = gradient.length / vocabSize;
          const isSliced = byEntry.some((parameter) => parameter.name === name);
          const place = isSliced ? gradient.subarray(start * width, end * width) : gradient;
          addTo(place, partOfGradient(headTensorName(name)));
        }
        if (gradients.head)
          addTo(gradients.head.subarray(start * hiddenSize, end * hiddenSize), partOfGradient("head"));
        for (const [place, index] of trainedHere) {
          const gradient = gradients.rows!.subarray(place * hiddenSize, (place + 1) * hiddenSize);
          addTo(gradient, partOfGradient("head").subarray((index - start) * hiddenSize));
        }
      }
      return accumulateNormalized(rows, weights, gradients, dNormalized!);
    },
    accumulateNormalized,
    async inChunks(count, visit) {
      for (let start = 0; start < count; start += tile.rows)
        await visit(start, Math.min(count, start + tile.rows));
    },
    keptBetween: (kept, start, end) =>
      kept && {
        ...kept,
        dims: [end - start, hiddenSize],
        data: (kept.data as Uint8Array).subarray(start * hiddenSize, end * hiddenSize),
      },
  };
}
