/** @file The graphs of a training step: a segment forward and backward, the output layer with its loss, and both in one. */

import { vjp } from "../graph/grad.ts";
import { cast } from "../graph/operators/elementwise.ts";
import { flattenRows, matmul } from "../graph/operators/matmul.ts";
import { gather } from "../graph/operators/movement.ts";
import { crossEntropy, rmsNorm } from "../graph/operators/neural-network.ts";
import { reduceSum } from "../graph/operators/reduction.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import type { ModelConfig } from "../models/config.ts";
import { buildSegment, type LayerPlan, type SegmentOptions } from "./segment.ts";

type Outputs = Record<string, Tensor>;

/** The gradient of the tensor `name` is the output of this name. */
export function gradientName(name: string): string {
  return `gradient of ${name}`;
}

function gradients(
  outputs: readonly Tensor[],
  cotangents: readonly Tensor[],
  wanted: ReadonlyMap<string, Tensor>,
): Outputs {
  const computed = vjp(outputs, cotangents, [...wanted.values()]);
  return Object.fromEntries([...wanted.keys()].map((name, index) => [gradientName(name), computed[index]!]));
}

/** "hidden" to "output", both [B, S, hiddenSize]. */
export function buildForward(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  options: SegmentOptions,
): Outputs {
  return { output: buildSegment(config, layers, options).output };
}

/** The gradients of a segment's trained tensors, and of "hidden" if `toHidden`, from "hidden" and "dOutput". */
export function buildBackward(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  options: SegmentOptions,
  toHidden: boolean,
): Outputs {
  const segment = buildSegment(config, layers, options);
  const dOutput = input("dOutput", "float32", segment.output.shape);
  const wanted = new Map(segment.parameters);
  if (toHidden) wanted.set("hidden", segment.input);
  return gradients([segment.output], [dOutput], wanted);
}

/** The output layer's own tensors that are trained. */
export interface HeadOptions {
  readonly headDtype: "float32" | "float16";
  readonly trainsNorm: boolean;
  readonly trainsHead: boolean;
}

interface HeadGraph {
  readonly logits: Tensor;
  /** Sum over the rows of the negative log-likelihood of "labels" (int64 [N]), in nats. */
  readonly loss: Tensor;
  readonly parameters: ReadonlyMap<string, Tensor>;
}

function connectHead(config: ModelConfig, rows: Tensor, options: HeadOptions): HeadGraph {
  const norm = input("norm", "float32", [config.hiddenSize]);
  const head = cast(input("head", options.headDtype, [config.vocabSize, config.hiddenSize]), "float32");
  const logits = matmul(rmsNorm(rows, norm, config.rmsNormEps), head, { transB: true });
  const parameters = new Map<string, Tensor>();
  if (options.trainsNorm) parameters.set("norm", norm);
  if (options.trainsHead) parameters.set("head", head);
  const loss = reduceSum(crossEntropy(logits, input("labels", "int64", ["N"])), [0]);
  return { logits, loss, parameters };
}

/** Final norm and output layer of hidden "rows" [N, hiddenSize]: logits, loss, or loss and gradients times "scale". */
export function buildHead(
  config: ModelConfig,
  options: HeadOptions,
  kind: "logits" | "loss" | "gradients",
): Outputs {
  const rows = input("rows", "float32", ["N", config.hiddenSize]);
  const { logits, loss, parameters } = connectHead(config, rows, options);
  if (kind === "logits") return { logits };
  if (kind === "loss") return { loss };
  const scale = input("scale", "float32", []);
  return { loss, ...gradients([loss], [scale], new Map([...parameters, ["rows", rows]])) };
}

/** All blocks, the output layer and the backward pass in one program, so that nothing is computed twice. */
export function buildWholeStep(
  config: ModelConfig,
  layers: readonly LayerPlan[],
  segmentOptions: SegmentOptions,
  headOptions: HeadOptions,
  toHidden: boolean,
): Outputs {
  const segment = buildSegment(config, layers, segmentOptions);
  const flat = flattenRows(segment.output);
  const rows = gather(flat, input("labelPositions", "int64", ["N"]));
  const { loss, parameters } = connectHead(config, rows, headOptions);
  const wanted = new Map([...segment.parameters, ...parameters]);
  if (toHidden) wanted.set("hidden", segment.input);
  return { loss, ...gradients([loss], [input("scale", "float32", [])], wanted) };
}
