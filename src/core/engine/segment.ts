/** @file The graph of a run of decoder blocks with what a tuning method adds to them. */

import {
  type Adaptation,
  type AdapterTensors,
  type AttentionAdapter,
  attentionModule,
  type LinearAdapter,
  outputModule,
  type ParameterSpec,
} from "../adapters/adaptation.ts";
import { type Parameters, tensorOf } from "../adapters/parameters.ts";
import type { BlockParts, ModelConfig } from "../architectures/architecture.ts";
import { architectureOf } from "../architectures/architectures.ts";
import { type ChunkMask, rowAttention } from "../architectures/attention.ts";
import { embeddingName, listLinearModules, listVectors, nameInLayer } from "../architectures/modules.ts";
import { abs, add, cast, min, mul, sub } from "../graph/operators/elementwise.ts";
import { controlDependency } from "../graph/operators/order.ts";
import type { InputBits } from "../graph/operators/rounded-products.ts";
import { type Dim, input, multiplyDim, scalar, type Tensor } from "../graph/tensor.ts";
import { type Storage, type StoredWeight, storedWeight } from "../models/linear.ts";
import type { ModelWeights } from "../models/weights.ts";
import { type AnyTensor, asConstant, float32 } from "../runtime/device.ts";
import { keyPositionsName, keyRangeNames, recomputesAttention } from "./attention-mask.ts";
import { type AttentionKind, attentionKindOf, layerContexts, listWindows } from "./layer-context.ts";

/** What the programs of a block need of a linear layer's adapter. */
export interface PlannedAdapter
  extends Pick<LinearAdapter, "signature" | "dropout" | "prepare" | "forward" | "bias"> {
  readonly parameters: readonly PlannedTensor[];
  readonly shared?: readonly Pick<PlannedTensor, "name" | "shape">[];
}

/** What the programs of a block need of its attention's adapter. */
export interface PlannedAttentionAdapter
  extends Pick<AttentionAdapter, "signature" | "prepare" | "forward" | "contribution"> {
  readonly parameters: readonly PlannedTensor[];
}

type PlannedTensor = Omit<ParameterSpec, "initialize">;

/** What a tuning method does to one decoder block. */
export interface LayerPlan {
  /** By the linear layer's name within the block. */
  readonly adapters: ReadonlyMap<string, PlannedAdapter>;
  readonly attentionAdapter: PlannedAttentionAdapter | undefined;
  /** Names within the block of the base tensors that are trained. */
  readonly trained: ReadonlySet<string>;
  readonly attention: AttentionKind;
  /** Blocks with equal signatures are computed by the same programs. */
  readonly signature: string;
}

export function planLayer(config: ModelConfig, layer: number, adaptation: Adaptation): LayerPlan {
  const adapters = new Map<string, PlannedAdapter>();
  for (const { name, outFeatures, inFeatures } of listLinearModules(config)) {
    const adapter = adaptation.adapterOf(nameInLayer(layer, name), outFeatures, inFeatures);
    if (adapter) adapters.set(name, adapter);
  }
  const names = [
    ...listLinearModules(config).map((module) => `${module.name}.weight`),
    ...listVectors(config).map((vector) => vector.name),
  ];
  const trained = new Set(names.filter((name) => adaptation.trains(nameInLayer(layer, name))));
  const attention = attentionKindOf(config, layer);
  const attentionAdapter = adaptation.attentionAdapterOf?.(layer);
  const signature = JSON.stringify([
    attention,
    attentionAdapter?.signature,
    [...adapters].map(([name, { signature }]) => [name, signature]),
    [...trained],
  ]);
  return { adapters, attentionAdapter, trained, attention, signature };
}

/** The adapters of a block, by their modules' names within it. */
export function listAdapters({
  adapters,
  attentionAdapter,
}: LayerPlan): (readonly [module: string, Pick<PlannedAdapter, "parameters" | "shared">])[] {
  return [...adapters, ...(attentionAdapter ? [[attentionModule, attentionAdapter] as const] : [])];
}

/** The lowest block of which anything is trained; infinite if none is. */
export function firstTrainedLayer(plans: readonly LayerPlan[]): number {
  const first = plans.findIndex((plan) => listAdapters(plan).length > 0 || plan.trained.size > 0);
  return first < 0 ? Number.POSITIVE_INFINITY : first;
}

/** Whether anything of the embedding is trained. */
export function adaptsEmbedding(adaptation: Adaptation): boolean {
  const { embedding, rowsOf } = adaptation;
  return embedding !== undefined || adaptation.trains(embeddingName) || rowsOf?.(embeddingName) !== undefined;
}

/** The adapter of the output layer, where it is one of its own. */
export function headAdapterOf(config: ModelConfig, adaptation: Adaptation): LinearAdapter | undefined {
  const { vocabSize, hiddenSize, tieWordEmbeddings } = config;
  return tieWordEmbeddings ? undefined : adaptation.adapterOf(outputModule, vocabSize, hiddenSize);
}

/** A run of blocks as a graph. Tensors of block b of the segment are inputs named "b.<name within the block>". */
export interface SegmentGraph {
  /** float32 [B, S, hiddenSize] */
  readonly input: Tensor;
  readonly output: Tensor;
  /** What an attention adapter's `contribution` adds to the hidden state, of its shape; undefined if none has one. */
  readonly contribution: Tensor | undefined;
  /** The trained tensors, by their input names. */
  readonly parameters: ReadonlyMap<string, Tensor>;
}

export interface SegmentOptions {
  readonly storage: Storage;
  /** Multiplies frozen quantized weights in integers; see {@link matmulRounded}. */
  readonly inputBits?: InputBits | undefined;
  /** Whether adapters drop some of their inputs, as given by boolean inputs named "b.<linear layer>.dropout". */
  readonly dropout: boolean;
  /** Chunks of the queries; see {@link rowAttention}. */
  readonly queryChunks: number;
}

/** Queries in a chunk, and the length S of a row: `queryChunks` times that, or a little less. */
export function chunkDims(queryChunks: number): { readonly chunkSize: Dim; readonly length: Dim } {
  return { chunkSize: "C", length: multiplyDim(queryChunks, "C") };
}

/**
 * For each of the model's windows the masks of {@link rowAttention}, from the inputs of `createKeyRanges`. Long rows have theirs
 * made anew wherever they are needed, since the masks of all chunks grow with the square of S.
 */
export function keyRangeMasks(config: ModelConfig, queryChunks: number): ChunkMask[][] {
  const keyPositions = Array.from({ length: queryChunks }, (_, chunk) =>
    input(keyPositionsName(chunk), "float32", [multiplyDim(chunk + 1, "C")]),
  );
  const maskOf = (window: number, chunk: number): ChunkMask => {
    const names = keyRangeNames(chunk, window);
    const center = input(names.center, "float32", ["B", 1, "C", 1]);
    const radius = input(names.radius, "float32", ["B", 1, "C", 1]);
    const maskAround = (place: Tensor) => min(sub(radius, abs(sub(keyPositions[chunk]!, place))), scalar(0));
    if (recomputesAttention(queryChunks)) return (after) => maskAround(mul(center, controlDependency(after)));
    const mask = maskAround(center);
    return () => mask;
  };
  return listWindows(config).map((_, window) => keyPositions.map((_, chunk) => maskOf(window, chunk)));
}

export function buildSegment(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  { storage, inputBits, dropout, queryChunks }: SegmentOptions,
): SegmentGraph {
  const { chunkSize, length } = chunkDims(queryChunks);
  const recompute = recomputesAttention(queryChunks);
  const attentions = keyRangeMasks(config, queryChunks).map((masks) =>
    rowAttention(config, chunkSize, masks, { recompute }),
  );
  const contextOf = layerContexts(config, length);
  const sharedTensor = createSharedTensors();
  const parameters = new Map<string, Tensor>();
  const trainedParameter = (name: string, shape: readonly number[]): Tensor => {
    const tensor = input(name, "float32", shape);
    parameters.set(name, tensor);
    return tensor;
  };
  const x = input("hidden", "float32", ["B", length, config.hiddenSize]);
  let output: Tensor = x;
  let contribution: Tensor | undefined;
  for (const [block, plan] of layers.entries()) {
    const weightOf: WeightSource = (name, outFeatures, inFeatures) => {
      const weight = storedWeight(`${block}.${name}`, outFeatures, inFeatures, storage, inputBits);
      if (plan.trained.has(name)) parameters.set(`${block}.${name}`, weight.dense());
      return weight;
    };
    const parts = createBlockParts(config, `${block}`, plan, {
      weightOf,
      trainedParameter,
      sharedTensor,
      dropout,
      onContribution(tensor) {
        contribution = tensor;
      },
    });
    const context = contextOf(plan.attention, attentions[plan.attention.window]!);
    output = architectureOf(config).block(config, output, context, parts);
  }
  return { input: x, output, contribution, parameters };
}

/** The tensors of block `layer`, frozen and trained, as inputs named "<prefix>.<name within the block>". */
export async function blockFeeds(
  prefix: string,
  layer: number,
  plan: LayerPlan,
  weights: ModelWeights,
  parameters: Parameters,
): Promise<Record<string, AnyTensor>> {
  const feeds: Record<string, AnyTensor> = {};
  for (const [name, tensor] of Object.entries(await weights.block(layer)))
    feeds[`${prefix}.${name}`] = weights.readsBlocks ? tensor : asConstant(tensor);
  const trained = [...plan.trained];
  for (const [module, adapter] of listAdapters(plan))
    trained.push(...adapter.parameters.map(({ name }) => `${module}.${name}`));
  for (const name of trained)
    feeds[`${prefix}.${name}`] = tensorOf(parameters.get(nameInLayer(layer, name))!);
  for (const adapter of plan.adapters.values())
    for (const { name, shape } of adapter.shared ?? [])
      feeds[name] = asConstant(float32(parameters.get(name)!.data, shape));
  return feeds;
}

/** `x` where `kept` (bool, of its shape) holds, scaled so that its mean stays; 0 elsewhere. */
export function dropInputs(x: Tensor, kept: Tensor, rate: number): Tensor {
  return mul(x, mul(cast(kept, "float32"), scalar(1 / (1 - rate))));
}

/** The weight "<linear layer>.weight" of a block. */
export type WeightSource = (name: string, outFeatures: number, inFeatures: number) => StoredWeight;

/** Where the tensors of a block come from in a program that has no derivative. */
export interface BlockSource {
  readonly weightOf: WeightSource;
  /** A vector by its name within the block, where it is a part of the program. Default: vectors are inputs. */
  readonly vectorOf?: (name: string) => Tensor;
}

export interface BlockPartsOptions extends BlockSource {
  /** The input for a tensor that is trained, an adapter's or the base model's own. */
  trainedParameter(name: string, shape: readonly number[]): Tensor;
  /** The input for a tensor that layers share: the same in all of a graph. */
  sharedTensor(name: string, shape: readonly number[]): Tensor;
  readonly dropout: boolean;
  /** Given what an attention adapter's `contribution` adds to the hidden state. */
  onContribution?(contribution: Tensor): void;
}

/** Inputs of a graph by name, each made once. */
export function createSharedTensors(): BlockPartsOptions["sharedTensor"] {
  const tensors = new Map<string, Tensor>();
  return (name, shape) => onlyOnce(tensors, name, () => input(name, "float32", shape));
}

/** What `made` holds under a name, made if it is not there. */
function onlyOnce<T>(made: Map<string, T>, name: string, make: () => T): T {
  const value = made.get(name) ?? make();
  made.set(name, value);
  return value;
}

/** The parts of one block with what a tuning method adds to them. Inputs are named "<prefix>.<name within the block>". */
export function createBlockParts(
  config: ModelConfig,
  prefix: string,
  plan: LayerPlan,
  { weightOf, vectorOf, trainedParameter, sharedTensor, dropout, onContribution }: BlockPartsOptions,
): BlockParts {
  const modules = new Map(listLinearModules(config).map((module) => [module.name, module]));
  const vectors = new Map<string, Tensor>();
  const vector = (name: string, size: number) => {
    const create = plan.trained.has(name)
      ? trainedParameter
      : (fullName: string, shape: readonly number[]) => input(fullName, "float32", shape);
    return onlyOnce(vectors, name, () => vectorOf?.(name) ?? create(`${prefix}.${name}`, [size]));
  };
  const tensorsOf = (
    module: string,
    adapter: Pick<PlannedAdapter, "parameters" | "shared">,
  ): AdapterTensors =>
    Object.fromEntries([
      ...adapter.parameters.map(({ name, shape, isFrozen }) => {
        const fullName = `${prefix}.${module}.${name}`;
        return [name, isFrozen ? input(fullName, "float32", shape) : trainedParameter(fullName, shape)];
      }),
      ...(adapter.shared ?? []).map(({ name, shape }) => [name, sharedTensor(name, shape)]),
    ]);
  const dropSome = (module: string, rate: number, x: Tensor): Tensor => {
    if (!dropout || rate === 0) return x;
    const mask = input(`${prefix}.${module}.dropout`, "bool", x.shape);
    return dropInputs(x, mask, rate);
  };
  const weights = new Map<string, StoredWeight>();
  const linear = (name: string, x: Tensor): Tensor => {
    const { outFeatures, inFeatures, bias: hasBias } = modules.get(name)!;
    const weight = onlyOnce(weights, name, () => weightOf(`${name}.weight`, outFeatures, inFeatures));
    const bias = hasBias ? vector(`${name}.bias`, outFeatures) : undefined;
    const adapter = plan.adapters.get(name);
    if (!adapter) return bias ? add(weight.multiply(x), bias) : weight.multiply(x);
    const own = tensorsOf(name, adapter);
    const tensors = adapter.prepare?.(weight.dense(x), own) ?? own;
    const product = adapter.forward(x, dropSome(name, adapter.dropout, x), weight, tensors);
    return bias ? add(product, adapter.bias?.(bias, tensors) ?? bias) : product;
  };
  return {
    vector,
    linear,
    extendAttention(attended, query, project) {
      const adapter = plan.attentionAdapter;
      if (!adapter) return attended;
      const own = tensorsOf(attentionModule, adapter);
      const tensors = adapter.prepare?.(own, project) ?? own;
      const part = onContribution && adapter.contribution?.(query, tensors);
      if (part) onContribution(linear(`${attentionModule}.o_proj`, part));
      return add(attended, adapter.forward(query, tensors));
    },
  };
}
