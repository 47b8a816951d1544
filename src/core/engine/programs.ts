/** @file The graphs of a training step: a segment forward and backward, the output layer by slices, and all in one. */

import type { AdapterTensors } from "../adapters/adaptation.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import { architectureOf } from "../architectures/architectures.ts";
import {
  type Attention,
  cachedAttention,
  type KeysAndValues,
  type Past,
  stepAttention,
  uncachedAttention,
} from "../architectures/attention.ts";
import { normalizeFinally } from "../architectures/parts.ts";
import { vjp } from "../graph/grad.ts";
import { abs, add, cast, div, exp, log, max, mul, sub } from "../graph/operators/elementwise.ts";
import { flattenRows, matmul } from "../graph/operators/matmul.ts";
import { gather, reshape } from "../graph/operators/movement.ts";
import {
  gatherElements,
  linearCrossEntropy,
  softcap,
  softcapSlope,
} from "../graph/operators/neural-network.ts";
import { argMax, reduceMax, reduceSum } from "../graph/operators/reduction.ts";
import { type Dim, input, scalar, type Tensor, withDerivative } from "../graph/tensor.ts";
import type { StoredWeight } from "../models/linear.ts";
import { layerContexts, listWindows } from "./layer-context.ts";
import {
  type BlockSource,
  buildSegment,
  chunkDims,
  createBlockParts,
  createSharedTensors,
  dropInputs,
  keyRangeMasks,
  type LayerPlan,
  type PlannedAdapter,
  type SegmentOptions,
} from "./segment.ts";

type Outputs = Record<string, Tensor>;

/** The gradient of the tensor `name` is the output of this name. */
export function gradientName(name: string): string {
  return `gradient of ${name}`;
}

/** The gradients of the tensors `wanted`, given those of the outputs. */
export function gradients(
  outputs: readonly Tensor[],
  cotangents: readonly Tensor[],
  wanted: ReadonlyMap<string, Tensor>,
): Outputs {
  const computed = vjp(outputs, cotangents, [...wanted.values()]);
  return Object.fromEntries([...wanted.keys()].map((name, index) => [gradientName(name), computed[index]!]));
}

/** "hidden" to "output" and, where an adapter has one, "contribution"; all [B, S, hiddenSize]. */
export function buildForward(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  options: SegmentOptions,
): Outputs {
  const { output, contribution } = buildSegment(config, layers, options);
  return { output, ...(contribution && { contribution }) };
}

/**
 * The gradients of a segment's trained tensors, and of "hidden" if `toHidden`, from "hidden", "dOutput" and, where an adapter has a
 * contribution, "dContribution".
 */
export function buildBackward(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  options: SegmentOptions,
  toHidden: boolean,
): Outputs {
  const segment = buildSegment(config, layers, options);
  const { output, contribution } = segment;
  const outputs = contribution ? [output, contribution] : [output];
  const cotangents = outputs.map((tensor) =>
    input(tensor === output ? "dOutput" : "dContribution", "float32", tensor.shape),
  );
  const wanted = new Map(segment.parameters);
  if (toHidden) wanted.set("hidden", segment.input);
  return gradients(outputs, cotangents, wanted);
}

/** How the output layer is stored and adapted, and which of its tensors are trained. */
export interface HeadOptions {
  readonly headDtype: "float32" | "float16";
  readonly trainsNorm: boolean;
  readonly trainsHead: boolean;
  /** Whether some of the output layer's rows are trained. */
  readonly trainsRows: boolean;
  readonly adapter: PlannedAdapter | undefined;
}

const normWeight = (config: ModelConfig) => input("norm", "float32", [config.hiddenSize]);
const hiddenRows = (config: ModelConfig, name: string) => input(name, "float32", ["N", config.hiddenSize]);
/** How much each label's loss counts. */
const labelWeights = () => input("weights", "float32", ["N", 1]);
/** Of each row the logarithm of the sum of its exponentiated logits. */
export const logNormalizers = () => input("logNormalizer", "float32", ["N", 1]);

/** The final norm of hidden "rows" [N, hiddenSize]: "normalized". */
export function buildFinalNorm(config: ModelConfig): Outputs {
  return { normalized: normalizeFinally(config, hiddenRows(config, "rows"), normWeight(config)) };
}

export interface ConnectedSlice {
  readonly normalized: Tensor;
  /** The output layer's rows for V entries of the vocabulary, as float32 [V, hiddenSize]. */
  readonly head: Tensor;
  /** [N, V] */
  readonly logits: Tensor;
  /** The adapter's tensors by their names. */
  readonly tensors: AdapterTensors;
}

/** The input that holds the adapter's tensor `name`. */
export function headTensorName(name: string): string {
  return `head.${name}`;
}

/** @param dropout whether an adapter's inputs are dropped, as given by the boolean input "head.dropout" */
export function connectSlice(
  config: ModelConfig,
  { headDtype, adapter }: Pick<HeadOptions, "headDtype" | "adapter">,
  dropout = false,
): ConnectedSlice {
  const { vocabSize, hiddenSize } = config;
  const normalized = hiddenRows(config, "normalized");
  const head = cast(input("head", headDtype, ["V", hiddenSize]), "float32");
  const multiply = (x: Tensor) => matmul(x, head, { transB: true });
  if (!adapter) {
    const logits = softcap(multiply(normalized), config.logitSoftcap);
    return { normalized, head, logits, tensors: {} };
  }
  const tensors = Object.fromEntries(
    adapter.parameters.map(({ name, shape, isByOutput }) => {
      const dims = isByOutput ? ["V", ...shape.slice(1)] : shape;
      return [name, input(headTensorName(name), "float32", dims)];
    }),
  );
  const dropped =
    dropout && adapter.dropout > 0
      ? dropInputs(normalized, input(headTensorName("dropout"), "bool", normalized.shape), adapter.dropout)
      : normalized;
  const weight = { outFeatures: vocabSize, inFeatures: hiddenSize, multiply, dense: () => head };
  const prepared = adapter.prepare?.(head, tensors) ?? tensors;
  const logits = softcap(adapter.forward(normalized, dropped, weight, prepared), config.logitSoftcap);
  return { normalized, head, logits, tensors };
}

/** "logits" [N, V] of a slice of the vocabulary. */
export function buildLogits(config: ModelConfig, options: HeadOptions): Outputs {
  return { logits: connectSlice(config, options).logits };
}

/** The input that holds the state `name` of the softmax over the slices before. */
export function previousName(name: string): string {
  return `previous ${name}`;
}

/**
 * Takes a slice of the vocabulary into the softmax's running state (Milakov and Gimelshein 2018, algorithm 3): the
 * "largest" logit of each row [N, 1], the "sum" [N, 1] of the exponentials of the logits less the largest and, as
 * "weighted", the output layer's rows times these exponentials (and the slope of the cap, where logits have one), summed [N, hiddenSize] (as the values of attention in
 * Dao et al. 2022, algorithm 1, with the vocabulary in the place of the keys).
 */
export function buildSoftmaxSlice(config: ModelConfig, options: HeadOptions): Outputs {
  const { head, logits } = connectSlice(config, options);
  const { largest, sum, exponentials, accumulate } = continueSoftmax(logits);
  const slope = softcapSlope(logits, config.logitSoftcap);
  const weights = slope ? mul(exponentials, slope) : exponentials;
  return { largest, sum, weighted: accumulate("weighted", config.hiddenSize, matmul(weights, head)) };
}

/** Takes the logits of a slice into the running state of a softmax, as {@link buildSoftmaxSlice} says. */
export function continueSoftmax(logits: Tensor) {
  const previous = (name: string, width: number) => input(previousName(name), "float32", ["N", width]);
  const before = previous("largest", 1);
  const largest = max(before, reduceMax(logits, [-1], { keepDims: true }));
  const decay = exp(sub(before, largest));
  const exponentials = exp(sub(logits, largest));
  const accumulate = (name: string, width: number, update: Tensor) =>
    add(mul(previous(name, width), decay), update);
  const sum = accumulate("sum", 1, reduceSum(exponentials, [-1], { keepDims: true }));
  return { largest, sum, exponentials, accumulate };
}

/**
 * From the softmax's state over the whole vocabulary and the output layer's rows of the labels ("labelRows"
 * [N, hiddenSize]): the "losses" [N, 1], the negative log-likelihoods of the rows' labels in nats, and the gradients of
 * their sum weighted by "weights" [N, 1].
 */
export function buildLosses(
  config: ModelConfig,
  { trainsNorm, trainsHead, trainsRows }: HeadOptions,
): Outputs {
  const rows = hiddenRows(config, "rows");
  const norm = normWeight(config);
  const normalized = normalizeFinally(config, rows, norm);
  const labelRows = hiddenRows(config, "labelRows");
  const sum = input("sum", "float32", ["N", 1]);
  const logNormalizer = add(input("largest", "float32", ["N", 1]), log(sum));
  const ofLabel = softcap(
    reduceSum(mul(normalized, labelRows), [-1], { keepDims: true }),
    config.logitSoftcap,
  );
  const slope = softcapSlope(ofLabel, config.logitSoftcap);
  const losses = withDerivative([normalized], [sub(logNormalizer, ofLabel)], (_node, [dLosses]) => {
    // The gradient is the mean of the output layer's rows under the softmax, less the label's row.
    const mean = div(hiddenRows(config, "weighted"), sum);
    return [mul(sub(mean, slope ? mul(labelRows, slope) : labelRows), dLosses!)];
  })[0]!;
  const wanted = new Map([["rows", rows]]);
  if (trainsNorm) wanted.set("norm", norm);
  return {
    losses,
    ...gradients([losses], [labelWeights()], wanted),
    ...((trainsHead || trainsRows) && { logNormalizer, ...(slope && { labelSlope: slope }) }),
  };
}

/** The gradient of rows of the output layer [V, hiddenSize], by "weights" [N, 1], without what the labels add to it. */
export function buildHeadGradient(config: ModelConfig): Outputs {
  const { normalized, logits } = connectSlice(config, { headDtype: "float32", adapter: undefined });
  const probabilities = exp(sub(logits, logNormalizers()));
  const slope = softcapSlope(logits, config.logitSoftcap);
  const weights = mul(slope ? mul(probabilities, slope) : probabilities, labelWeights());
  return { [gradientName("head")]: matmul(weights, normalized, { transA: true }) };
}

/**
 * The gradients, by "weights" [N, 1], that a slice of an adapted output layer has a part in: those of "normalized" and of the adapter's
 * tensors, and of the "head" [V, hiddenSize] if `ofHead`. "places" [V] are the numbers of the slice's entries, and "labels" float32
 * [N, 1] such numbers.
 */
export function buildAdaptedGradients(
  config: ModelConfig,
  options: HeadOptions,
  dropout: boolean,
  ofHead: boolean,
): Outputs {
  const slice = connectSlice(config, options, dropout);
  const probabilities = exp(sub(slice.logits, logNormalizers()));
  const distances = abs(sub(input("places", "float32", ["V"]), input("labels", "float32", ["N", 1])));
  const ofLabels = max(sub(scalar(1), distances), scalar(0));
  return sliceGradients(slice, mul(sub(probabilities, ofLabels), labelWeights()), options, ofHead);
}

/** The gradients of "normalized", of the adapter's trained tensors and, if asked for, of the "head" [V, hiddenSize] from `dLogits`. */
export function sliceGradients(
  { normalized, head, logits, tensors }: ConnectedSlice,
  dLogits: Tensor,
  { adapter }: Pick<HeadOptions, "adapter">,
  ofHead: boolean,
): Outputs {
  const wanted = new Map<string, Tensor>([["normalized", normalized]]);
  for (const { name, isFrozen } of adapter?.parameters ?? [])
    if (!isFrozen) wanted.set(headTensorName(name), tensors[name]!);
  if (ofHead) wanted.set("head", head);
  return gradients([logits], [dLogits], wanted);
}

/** The gradients of "rows" and, where it is trained, of the final norm, from "dNormalized". */
export function buildFinalNormGradients(config: ModelConfig, { trainsNorm }: HeadOptions): Outputs {
  const rows = hiddenRows(config, "rows");
  const norm = normWeight(config);
  const wanted = new Map([["rows", rows]]);
  if (trainsNorm) wanted.set("norm", norm);
  return gradients([normalizeFinally(config, rows, norm)], [hiddenRows(config, "dNormalized")], wanted);
}

/** All blocks and the final norm of a step in one program, and what of it is trained. */
export function connectWhole(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  segmentOptions: SegmentOptions,
  { headDtype, trainsNorm, trainsHead }: HeadOptions,
  toHidden: boolean,
  /** Of the input that holds N flat positions. */
  positions: string,
) {
  const segment = buildSegment(config, layers, segmentOptions);
  const rows = gather(flattenRows(segment.output), input(positions, "int64", ["N"]));
  const norm = normWeight(config);
  const head = input("head", headDtype, [config.vocabSize, config.hiddenSize]);
  const trained = new Map(segment.parameters);
  if (trainsNorm) trained.set("norm", norm);
  if (trainsHead) trained.set("head", head);
  if (toHidden) trained.set("hidden", segment.input);
  // The rows at the positions [N, hiddenSize], and the output layer's weight as float32 [V, hiddenSize].
  return { normalized: normalizeFinally(config, rows, norm), weight: cast(head, "float32"), trained };
}

/**
 * All blocks, the output layer and the backward pass in one program, so that nothing is computed twice: "losses" [N, 1] of the
 * labels, and the gradients of their sum weighted by "weights" [N, 1].
 */
export function buildWholeStep(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  segmentOptions: SegmentOptions,
  headOptions: HeadOptions,
  toHidden: boolean,
): Outputs {
  const whole = connectWhole(config, layers, segmentOptions, headOptions, toHidden, "labelPositions");
  const labels = input("labels", "int64", ["N"]);
  const { normalized, weight, trained } = whole;
  const losses = reshape(linearCrossEntropy(normalized, weight, labels, config.logitSoftcap), ["N", 1]);
  return { losses, ...gradients([losses], [labelWeights()], trained) };
}

/** Name of a block's keys or values, as a program's input (of the past) and output (of the new tokens). */
export function cacheName(block: number, kind: "keys" | "values", when: "past" | "new"): string {
  return `${block}.${when} ${kind}`;
}

/** The mask of layers with a window, by its number among the model's, as a program's input. */
export function maskName(window: number): string {
  return `mask.${window}`;
}

/** The same with axes for the groups and heads of a token. */
export function stepMaskName(window: number): string {
  return `step mask.${window}`;
}

/**
 * Blocks over S new tokens that follow a cached past: "hidden" [B, S, hiddenSize] to "output", and each block's new keys
 * and values.
 *
 * @param length S: 1, or "S" for any number
 * @param past what the cache holds, or that few tokens come after any past and each is attended for by itself
 * @param sourceOf where a block's tensors come from
 */
export function buildCachedBlocks(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  length: 1 | "S",
  past: Past | "step",
  sourceOf: (block: number) => BlockSource,
): Outputs {
  const { numKeyValueHeads: groups, headDim } = config;
  const isStep = past === "step";
  const masks = listWindows(config).map((_, window) =>
    isStep
      ? input(stepMaskName(window), "float32", ["B", length, 1, 1, 1, "T"])
      : input(maskName(window), "float32", ["B", 1, length, "T"]),
  );
  const sizes = input("sizes", "int64", [2]);
  const attentionOf = (block: number, window: number, onNew: OnNew) => {
    const mask = masks[window]!;
    const cached = (kind: "keys" | "values") =>
      input(cacheName(block, kind, "past"), "float32", ["B", 1, groups, 1, "P", headDim]);
    const context = { keys: cached("keys"), values: cached("values"), mask, sizes };
    return isStep
      ? stepAttention(config, context, onNew)
      : cachedAttention(config, { ...context, past }, onNew);
  };
  return buildBlocks(config, layers, length, attentionOf, sourceOf);
}

/**
 * The same for tokens before which the cache holds none; their queries are divided into `queryChunks`, or are one chunk with any
 * mask [B, 1, S, S].
 */
export function buildFirstBlocks(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  queryChunks: number,
  sourceOf: (block: number) => BlockSource,
): Outputs {
  const { chunkSize, length } = chunkDims(queryChunks);
  const anyMasks = () =>
    listWindows(config).map((_, window) => {
      const mask = input(maskName(window), "float32", ["B", 1, chunkSize, chunkSize]);
      return [() => mask];
    });
  const masks = queryChunks === 1 ? anyMasks() : keyRangeMasks(config, queryChunks);
  const attentionOf = (_block: number, window: number, onNew: OnNew) =>
    uncachedAttention(config, chunkSize, masks[window]!, onNew);
  return buildBlocks(config, layers, length, attentionOf, sourceOf);
}

type OnNew = (tensors: KeysAndValues) => void;

function buildBlocks(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  length: Dim,
  attentionOf: (block: number, window: number, onNew: OnNew) => Attention,
  sourceOf: (block: number) => BlockSource,
): Outputs {
  const outputs: Outputs = {};
  const sharedTensor = createSharedTensors();
  const contextOf = layerContexts(config, length);
  let hidden = input("hidden", "float32", ["B", length, config.hiddenSize]);
  for (const [block, plan] of layers.entries()) {
    const attention = attentionOf(block, plan.attention.window, ({ keys, values }) => {
      outputs[cacheName(block, "keys", "new")] = keys;
      outputs[cacheName(block, "values", "new")] = values;
    });
    const parts = createBlockParts(config, `${block}`, plan, {
      ...sourceOf(block),
      trainedParameter: (name, shape) => input(name, "float32", shape),
      sharedTensor,
      dropout: false,
    });
    hidden = architectureOf(config).block(config, hidden, contextOf(plan.attention, attention), parts);
  }
  return { ...outputs, output: hidden };
}

/** "rows" [N, hiddenSize] to "logits" [N, vocabSize], with a head that is part of the graph, and its adapter. */
export function buildHead(config: ModelConfig, head: StoredWeight, adapter?: PlannedAdapter): Outputs {
  const normalized = normalizeFinally(config, hiddenRows(config, "rows"), normWeight(config));
  const tensors = Object.fromEntries(
    (adapter?.parameters ?? []).map(({ name, shape }) => [
      name,
      input(headTensorName(name), "float32", shape),
    ]),
  );
  const product = adapter?.forward(normalized, normalized, head, tensors) ?? head.multiply(normalized);
  return { logits: softcap(product, config.logitSoftcap) };
}

/**
 * For a slice of the vocabulary: of each row's logits the "largest" [N], its place "best" [N] (the first, if several are
 * equal), the "sum" [N] of the exponentials of the logits less the largest, and the logit "ofLabel" [N] of "labels",
 * places within the slice.
 */
export function buildScoreSlice(config: ModelConfig, options: HeadOptions, dropout = false): Outputs {
  const { logits } = connectSlice(config, options, dropout);
  const largest = reduceMax(logits, [-1], { keepDims: true });
  return {
    largest,
    best: argMax(logits),
    sum: reduceSum(exp(sub(logits, largest)), [-1], { keepDims: true }),
    ofLabel: gatherElements(logits, input("labels", "int64", ["N", 1])),
  };
}
