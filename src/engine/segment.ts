/** @file The graph of a run of decoder blocks with what a tuning method adds to them. */

import type { Adaptation, LinearAdapter } from "../adapters/adaptation.ts";
import { add, cast, mul } from "../graph/operators/elementwise.ts";
import { input, multiplyDim, scalar, type Tensor } from "../graph/tensor.ts";
import type { ModelConfig } from "../models/config.ts";
import { type AttentionContext, type BlockParts, buildDecoderBlock } from "../models/decoder-block.ts";
import { type Storage, storedWeight } from "../models/linear.ts";
import { listLinearModules, listVectors, nameInLayer } from "../models/modules.ts";

/** What a tuning method does to one decoder block. */
export interface LayerPlan {
  /** By the linear layer's name within the block. */
  readonly adapters: ReadonlyMap<string, LinearAdapter>;
  /** Names within the block of the base tensors that are trained. */
  readonly trained: ReadonlySet<string>;
  /** Blocks with equal signatures are computed by the same programs. */
  readonly signature: string;
}

export function planLayer(config: ModelConfig, layer: number, adaptation: Adaptation): LayerPlan {
  const adapters = new Map<string, LinearAdapter>();
  for (const { name, outFeatures, inFeatures } of listLinearModules(config)) {
    const adapter = adaptation.adapterOf(nameInLayer(layer, name), outFeatures, inFeatures);
    if (adapter) adapters.set(name, adapter);
  }
  const names = [
    ...listLinearModules(config).map((module) => `${module.name}.weight`),
    ...listVectors(config).map((vector) => vector.name),
  ];
  const trained = new Set(names.filter((name) => adaptation.trains(nameInLayer(layer, name))));
  const signature = JSON.stringify([
    [...adapters].map(([name, { signature }]) => [name, signature]),
    [...trained],
  ]);
  return { adapters, trained, signature };
}

/** A run of blocks as a graph. Tensors of block b of the segment are inputs named "b.<name within the block>". */
export interface SegmentGraph {
  /** float32 [B, S, hiddenSize] */
  readonly input: Tensor;
  readonly output: Tensor;
  /** The trained tensors, by their input names. */
  readonly parameters: ReadonlyMap<string, Tensor>;
}

export interface SegmentOptions {
  readonly storage: Storage;
  /** Whether adapters drop some of their inputs, as given by boolean inputs named "b.<linear layer>.dropout". */
  readonly dropout: boolean;
  /** The length S of a row is this many times the size "C"; see {@link AttentionContext}. */
  readonly queryChunks: number;
}

/** The input that holds the attention mask of a chunk of queries. */
export function maskName(chunk: number): string {
  return `mask.${chunk}`;
}

export function buildSegment(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  { storage, dropout, queryChunks }: SegmentOptions,
): SegmentGraph {
  const context: AttentionContext = {
    masks: Array.from({ length: queryChunks }, (_, index) =>
      input(maskName(index), "float32", ["B", 1, "C", multiplyDim(index + 1, "C")]),
    ),
    positions: input("positions", "int64", ["B", multiplyDim(queryChunks, "C")]),
    cos: input("cos", "float32", ["P", config.headDim / 2]),
    sin: input("sin", "float32", ["P", config.headDim / 2]),
  };
  const parameters = new Map<string, Tensor>();
  const parameter = (name: string, shape: readonly number[]): Tensor => {
    const tensor = input(name, "float32", shape);
    parameters.set(name, tensor);
    return tensor;
  };

  const createParts = (block: number, plan: LayerPlan): BlockParts => {
    const modules = new Map(listLinearModules(config).map((module) => [module.name, module]));
    const vector = (name: string, size: number) =>
      plan.trained.has(name)
        ? parameter(`${block}.${name}`, [size])
        : input(`${block}.${name}`, "float32", [size]);
    return {
      vector,
      linear(name, x) {
        const { outFeatures, inFeatures, bias } = modules.get(name)!;
        const weight = storedWeight(`${block}.${name}.weight`, outFeatures, inFeatures, storage);
        if (plan.trained.has(`${name}.weight`)) parameters.set(`${block}.${name}.weight`, weight.dense());
        const adapter = plan.adapters.get(name);
        const product = adapter ? applyAdapter(`${block}.${name}`, adapter, x, weight) : weight.multiply(x);
        return bias ? add(product, vector(`${name}.bias`, outFeatures)) : product;
      },
    };
  };
  const applyAdapter = (
    prefix: string,
    adapter: LinearAdapter,
    x: Tensor,
    weight: ReturnType<typeof storedWeight>,
  ): Tensor => {
    const tensors = Object.fromEntries(
      adapter.parameters.map(({ name, shape }) => [name, parameter(`${prefix}.${name}`, shape)]),
    );
    const dropped =
      dropout && adapter.dropout > 0
        ? mul(
            x,
            mul(
              cast(input(`${prefix}.dropout`, "bool", x.shape), "float32"),
              scalar(1 / (1 - adapter.dropout)),
            ),
          )
        : x;
    return adapter.forward(x, dropped, weight, tensors);
  };

  const x = input("hidden", "float32", ["B", multiplyDim(queryChunks, "C"), config.hiddenSize]);
  let output: Tensor = x;
  for (const [block, plan] of layers.entries()) {
    output = buildDecoderBlock(config, output, context, createParts(block, plan));
  }
  return { input: x, output, parameters };
}
