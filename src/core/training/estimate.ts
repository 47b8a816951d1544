/** @file What a run will need: memory and arithmetic, found by walking the graphs that it would run. */

import { type Adaptation, frozen } from "../adapters/adaptation.ts";
import { type MethodName, methodOf } from "../adapters/methods.ts";
import { listParameters } from "../adapters/parameters.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import {
  countBlockParameters,
  countParameters,
  embeddingName,
  headName,
  listLinearModules,
} from "../architectures/modules.ts";
import { chooseQueryChunks } from "../engine/attention-mask.ts";
import {
  buildDivergenceGradients,
  buildLogProbabilities,
  buildWholeDivergence,
} from "../engine/divergence-programs.ts";
import { bytesPerToken } from "../engine/key-values.ts";
import {
  buildBackward,
  buildCachedBlocks,
  buildForward,
  buildScoreSlice,
  buildSoftmaxSlice,
  buildWholeStep,
  type HeadOptions,
} from "../engine/programs.ts";
import {
  adaptsEmbedding,
  type BlockSource,
  firstTrainedLayer,
  headAdapterOf,
  planLayer,
} from "../engine/segment.ts";
import { defaultOutputTile } from "../engine/vocabulary-slices.ts";
import { type GraphCost, larger, measureCost, type SizedTensor, type Sizes } from "../graph/cost.ts";
import type { BitWidth } from "../graph/operators/integer-matmul.ts";
import type { InputBits } from "../graph/operators/rounded-products.ts";
import type { Tensor } from "../graph/tensor.ts";
import { type Storage, storedWeight } from "../models/linear.ts";
import { forwardKl } from "../objectives/divergences.ts";

/** The process before it holds a model: Node.js and ONNX Runtime (measured on Linux x64). */
const processBytes = 130e6;
/**
 * How much more than what is alive ONNX Runtime's arenas hold: they grow by powers of two and keep what they have freed,
 * and with segments each program has its own (measured; see benchmarks/README.md).
 */
const arenaOverhead = { whole: 1.2, segments: 2 };

export interface StepShape {
  /** Sequences in a micro-batch. */
  readonly rows: number;
  /** Tokens in each. */
  readonly length: number;
  /** Labelled tokens among them. */
  readonly labels: number;
}

export interface StepEstimate {
  readonly segmentSize: number;
  /** The base model's weights as stored. */
  readonly weightBytes: number;
  /** Trained tensors, their gradients and AdamW's two moments. */
  readonly trainingBytes: number;
  /** Values between operators, and the hidden state before each segment, with what ONNX Runtime's arenas keep beside them. */
  readonly activationBytes: number;
  /** All together, with the process itself. */
  readonly peakBytes: number;
  /** Floating-point operations of the matrix products in one forward and backward pass. */
  readonly flops: number;
  /** The same of an evaluation, which is a forward pass segment by segment. */
  readonly evaluationFlops: number;
  /** The largest tensor of the step itself, without what its objective computes beside it. */
  readonly largest: SizedTensor;
  readonly trainableParameters: number;
  readonly totalParameters: number;
}

/** What a step computes beside its losses and their gradients. */
export interface StepExtras {
  /**
   * Whether the texts go through the model once before, since the objective's coefficients depend on their log-probabilities, or the
   * causal or the companion term on what several of them have in common. Default false.
   */
  readonly scores?: boolean;
  /** The model that is imitated at the labels. Default: none. */
  readonly teacher?: StoredModel;
  /**
   * Tokens, for each of the examples', at which the model is kept near what it was, in texts of their own. Default 0.
   */
  readonly kept?: number;
  /** Texts that the model writes side by side, with what is kept of each token. Default: none. */
  readonly written?: { readonly rows: number; readonly length: number };
}

/** A base model as it will be kept in memory. */
export interface StoredModel {
  readonly config: ModelConfig;
  readonly storage: Storage;
  /** Multiplies quantized weights in integers; see {@link EngineOptions.inputBits}. Default: they are made dense. */
  readonly inputBits?: InputBits;
  /** Of the embedding and the output layer. */
  readonly tableDtype: "float32" | "float16";
  /** Whether a block is in memory only while it is computed. Default false. */
  readonly weightsOnDisk?: boolean;
}

/**
 * Estimates one micro-batch of a run with a given segment size.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const { config } = await openModel("fixtures/embedded-model");
 * const base = { config, storage: "float32", tableDtype: "float32" } as const;
 * const shape = { rows: 1, length: 512, labels: 512 };
 * console.log(estimateStep(base, freeze(2, config), shape, 1).peakBytes);
 */
export function estimateStep(
  base: StoredModel,
  adaptation: Adaptation,
  shape: StepShape,
  segmentSize: number,
  extras: StepExtras = {},
): StepEstimate {
  const { config } = base;
  const { rows, length } = shape;
  const forwardPass = measureForward(base, adaptation, shape);
  const { layers, options, headOptions, cost, tileSizes, tiles, scoredSlice, evaluationFlops } = forwardPass;
  const slice = cost(buildSoftmaxSlice(config, headOptions), tileSizes);
  /** The step in segments. Programs keep their arenas, so their peaks add up. */
  const bySegments = (size: number) => {
    const segment = layers.slice(-size);
    const segments = config.numHiddenLayers / size;
    const firstTrained = adaptsEmbedding(adaptation)
      ? 0
      : Math.min(firstTrainedLayer(layers), config.numHiddenLayers);
    const backwardSegments = segments - Math.floor(firstTrained / size);
    const forward = cost(buildForward(config, segment, options));
    const backward = cost(buildBackward(config, segment, options, true));
    const hiddenStates = (backwardSegments + 2) * rows * length * config.hiddenSize * 4;
    return {
      bytes: forward.peakBytes + backward.peakBytes + slice.peakBytes + hiddenStates,
      flops: segments * forward.flops + backwardSegments * backward.flops + tiles * slice.flops,
      largest: [forward, backward, slice].map((each) => each.largest).reduce(larger),
    };
  };

  const { scores = false, teacher, kept = 0, written } = extras;
  const isWhole = segmentSize >= config.numHiddenLayers && !teacher;
  let activationBytes: number;
  let flops: number;
  let largest: SizedTensor;
  if (isWhole) {
    const whole = cost(buildWholeStep(config, layers, options, headOptions, false));
    activationBytes = whole.peakBytes * arenaOverhead.whole;
    ({ flops, largest } = whole);
  } else {
    const segments = bySegments(segmentSize);
    activationBytes = segments.bytes * arenaOverhead.segments;
    ({ flops, largest } = segments);
  }
  if (scores) {
    const forward = isWhole ? cost(buildForward(config, layers, options)).peakBytes : 0;
    activationBytes += (forward + scoredSlice.peakBytes) * arenaOverhead.whole;
    flops += evaluationFlops;
  }
  const tempered = { temperature: 1, dropout: false };
  if (teacher || (kept > 0 && !isWhole)) {
    const gradients = buildDivergenceGradients(config, headOptions, tempered, forwardKl, false);
    const compared = cost(gradients, tileSizes);
    activationBytes += compared.peakBytes * arenaOverhead.segments;
    // Both models' normalizers, and the teacher's log-probabilities a second time.
    flops += ((teacher ? 1 : 0) + kept) * tiles * (compared.flops + 3 * scoredSlice.flops);
  }
  if (teacher) {
    const ofTeacher = measureForward(teacher, frozen, shape);
    activationBytes += ofTeacher.block.peakBytes * arenaOverhead.segments;
    flops += ofTeacher.evaluationFlops;
  }
  if (kept > 0) {
    flops += kept * evaluationFlops;
    if (isWhole) {
      const keptShape = { rows, length: Math.ceil(kept * length), labels: Math.ceil(kept * length) };
      const ofKept = measureForward(base, adaptation, keptShape);
      const graph = buildWholeDivergence(config, layers, ofKept.options, headOptions, false, 1, forwardKl);
      const compared = ofKept.cost(graph);
      const read = ofKept.cost(buildForward(config, layers, ofKept.options));
      const said = ofKept.cost(buildLogProbabilities(config, headOptions, tempered), ofKept.tileSizes);
      activationBytes += (compared.peakBytes + read.peakBytes + said.peakBytes) * arenaOverhead.whole;
      flops += compared.flops + ofKept.tiles * said.flops;
    } else {
      flops += kept * bySegments(segmentSize).flops;
    }
  }
  if (written) {
    // The cache is there twice while it grows, and so are a step's logits while tokens are drawn.
    activationBytes +=
      2 * written.rows * written.length * bytesPerToken(config) + 2 * written.rows * config.vocabSize * 4;
    activationBytes += forwardPass.block.peakBytes * arenaOverhead.segments;
  }

  const parameters = listParameters(config, adaptation);
  const count = (isFrozen: boolean) =>
    parameters
      .filter((parameter) => (parameter.isFrozen ?? false) === isFrozen)
      .reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0);
  const trainableParameters = count(false);
  const weightBytes = countWeightBytes(base) + (teacher ? countWeightBytes(teacher) : 0);
  // What a model is kept near is a copy of what is trained.
  const trainingBytes = trainableParameters * (kept > 0 ? 20 : 16) + count(true) * (kept > 0 ? 8 : 4);
  return {
    segmentSize,
    weightBytes,
    trainingBytes,
    activationBytes,
    peakBytes: processBytes + weightBytes + trainingBytes + activationBytes,
    flops,
    evaluationFlops,
    largest,
    trainableParameters,
    totalParameters: countParameters(config),
  };
}

/** Texts that are written side by side, as by a generator. */
export interface WritingShape {
  /** Texts at a time. */
  readonly rows: number;
  /** Tokens of each, its prompt included. */
  readonly length: number;
  /** What prompts and texts that have ended may take, in bytes. */
  readonly keptBytes: number;
  /** Weights are quantized to so many bits for it, beside those that read prompts. Default: none are. */
  readonly bits?: BitWidth;
  /** Whether a reward model of the same base reads what is written, and keeps as much of it. Default false. */
  readonly isScored?: boolean;
}

export interface WritingEstimate {
  /** The base model's weights as stored, and again as they are quantized for writing. */
  readonly weightBytes: number;
  /** Keys and values of the texts that are being written; the cache is there twice while it grows. */
  readonly cacheBytes: number;
  /** Those of prompts and of texts that have ended, at most. */
  readonly keptBytes: number;
  /** Values between operators, with what ONNX Runtime's arenas keep beside them, and the logits that tokens are drawn from. */
  readonly activationBytes: number;
  /** All together, with the process itself. */
  readonly peakBytes: number;
}

/** What writing texts takes at most. Adapters are small beside it, and left out. */
export function estimateWriting(
  base: StoredModel,
  { rows, length, keptBytes, bits, isScored = false }: WritingShape,
): WritingEstimate {
  const { config, storage } = base;
  const { vocabSize } = config;
  const { block, layers } = measureForward(base, frozen, { rows: 1, length, labels: 1 });
  const sourceOf = (index: number): BlockSource => ({
    weightOf: (name, outFeatures, inFeatures) =>
      storedWeight(`${index}.${name}`, outFeatures, inFeatures, bits === undefined ? storage : "float32"),
  });
  const step = buildCachedBlocks(config, layers, 1, "step", sourceOf);
  const sizes = { B: rows, P: length, T: length + 1, positions: length + 1 };
  const stepCost = measureCost(Object.values(step), sizes);
  const quantized = bits === undefined ? 0 : (bits / 8 + 4 / 32) * countParameters(config);
  const readers = isScored ? 2 : 1;
  const estimated = {
    weightBytes: countWeightBytes(base) + quantized,
    cacheBytes: 2 * rows * length * bytesPerToken(config),
    keptBytes: readers * keptBytes,
    // Logits are there for two steps, and sorted.
    activationBytes:
      stepCost.peakBytes * arenaOverhead.whole +
      readers * block.peakBytes * arenaOverhead.segments +
      3 * rows * vocabSize * 4,
  };
  return { ...estimated, peakBytes: Object.values(estimated).reduce((a, b) => a + b, processBytes) };
}

/** What reading a micro-batch and scoring its labels costs, block by block. */
function measureForward(
  { config, storage, inputBits, tableDtype }: StoredModel,
  adaptation: Adaptation,
  shape: StepShape,
) {
  const { rows, length, labels } = shape;
  const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) =>
    planLayer(config, layer, adaptation),
  );
  const headOptions: HeadOptions = {
    headDtype: tableDtype,
    trainsNorm: false,
    trainsHead: false,
    trainsRows: false,
    adapter: undefined,
  };
  const queryChunks = chooseQueryChunks(length);
  const options = { storage, ...(inputBits && { inputBits }), dropout: false, queryChunks };
  const sizes = { B: rows, C: Math.ceil(length / queryChunks), N: labels, positions: length };
  const cost = (outputs: Readonly<Record<string, Tensor>>, more: Sizes = sizes): GraphCost =>
    measureCost(Object.values(outputs), more);
  const tileSizes = {
    N: Math.min(defaultOutputTile.rows, labels),
    V: Math.min(defaultOutputTile.entries, config.vocabSize),
  };
  const tiles = (labels / tileSizes.N) * (config.vocabSize / tileSizes.V);
  const scoredSlice = cost(buildScoreSlice(config, headOptions), tileSizes);
  const block = cost(buildForward(config, layers.slice(-1), options));
  const evaluationFlops = config.numHiddenLayers * block.flops + tiles * scoredSlice.flops;
  return { layers, headOptions, options, cost, tileSizes, tiles, scoredSlice, block, evaluationFlops };
}

/**
 * The largest micro-batch of a run: one row of the longest example, or of as many tokens as are computed at a time, with a
 * label on each, which is the most that the output layer can cost.
 */
export function findLargestShape(microBatchTokens: number, longestExample: number): StepShape {
  const length = Math.max(microBatchTokens, longestExample);
  return { rows: 1, length, labels: length };
}

/**
 * Decoder blocks per segment where none are asked for: all in one if their estimate stays within `memoryBytes`, since then
 * nothing is computed twice; else one at a time, because sizes between cost memory and save nothing. Of a base that is not
 * kept in float32, which is chosen for its memory, one at a time as well, unless it is kept in int8 and multiplied in integers.
 */
export function chooseSegmentSize(
  base: StoredModel,
  adaptation: Adaptation,
  shape: StepShape,
  memoryBytes: number,
  extras: StepExtras = {},
): number {
  const { config } = base;
  const { numHiddenLayers } = config;
  // An output layer that is adapted or compared is computed apart from the blocks, which then are computed twice in any case; so are
  // they where a loss is on what the last one's adapter contributes.
  const isApart =
    headAdapterOf(config, adaptation) ??
    adaptation.attentionAdapterOf?.(numHiddenLayers - 1)?.contribution ??
    adaptation.rowsOf?.(config.tieWordEmbeddings ? embeddingName : headName) ??
    extras.teacher;
  const isForSpeed = base.storage === "float32" || (base.storage === "int8" && base.inputBits !== undefined);
  if (!isForSpeed || isApart) return 1;
  const whole = estimateStep(base, adaptation, shape, numHiddenLayers, extras);
  return whole.peakBytes <= memoryBytes ? numHiddenLayers : 1;
}

function countWeightBytes({ config, storage, tableDtype, weightsOnDisk }: StoredModel): number {
  const matrices = listLinearModules(config).reduce((sum, m) => sum + m.inFeatures * m.outFeatures, 0);
  const rows = listLinearModules(config).reduce((sum, m) => sum + m.outFeatures, 0);
  const matrixBytes = {
    float32: 4 * matrices,
    float16: 2 * matrices,
    int8: matrices + 4 * rows,
    nf4: (0.5 + 4 / 64) * matrices,
  }[storage];
  const vectors = countBlockParameters(config) - matrices;
  const table = config.vocabSize * config.hiddenSize * (tableDtype === "float16" ? 2 : 4);
  const blocks = weightsOnDisk ? 1 : config.numHiddenLayers;
  const tables = weightsOnDisk ? 0 : config.tieWordEmbeddings ? 1 : 2;
  return blocks * (matrixBytes + vectors * 4) + table * tables;
}

/** Share of the measured rate of matrix products that a training step reaches (see benchmarks/README.md). */
export const expectedEfficiency = 0.8;

/** Says whether a run fits, and what to change if it does not. @param estimate of the segment size that the run would take */
export function adviseMemory(
  base: StoredModel,
  estimate: StepEstimate,
  method: MethodName,
  memoryBytes: number,
): string {
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const { segmentSize, peakBytes, weightBytes, activationBytes } = estimate;
  if (peakBytes <= memoryBytes) {
    const blocks = segmentSize === 1 ? "one block" : `all ${segmentSize} blocks`;
    return `It fits into ${gigabytes(memoryBytes)}: \`tune\` computes ${blocks} at a time (--segment-size ${segmentSize}).`;
  }
  const changes: string[] = [];
  if (methodOf(method).yields === "model")
    changes.push("choose --method lora or qlora, which keep no moments of the base weights");
  else if (base.storage !== "nf4") {
    const saved = weightBytes - countWeightBytes({ ...base, storage: "nf4" });
    changes.push(`choose --method qlora, which saves ${gigabytes(saved)} of weights`);
  }
  if (activationBytes > peakBytes / 4) changes.push("lower --context");
  changes.push("take a smaller model");
  return `It needs ${gigabytes(peakBytes)} at least, more than the ${gigabytes(memoryBytes)} there are: ${changes.join("; or ")}.`;
}
