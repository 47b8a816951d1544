/** @file Merging: an adapter's update added into the base weights, so that a plain model computes the same. */

import { type AdaptedModel, type Adapter, noAdapter } from "../adapters/adapted-model.ts";
import { createEngine } from "../engine/engine.ts";
import { InputError } from "../errors.ts";
import { decodeFloat16 } from "../formats/float16.ts";
import { add } from "../graph/operators/elementwise.ts";
import { input, scalar, type Tensor } from "../graph/tensor.ts";
import { storedTensorNames, storedWeight } from "../models/linear.ts";
import { listLinearModules, nameInLayer } from "../models/modules.ts";
import { type Model, openModel } from "../models/open-model.ts";
import { embeddingName, headName, normName } from "../models/weights.ts";
import { writeModel } from "../models/write-model.ts";
import { type Device, float32, type HostTensor, type Program } from "../runtime/device.ts";

export interface MergeResult {
  /** Largest difference between the logits of the merged model and of base and adapter, over a few tokens. */
  readonly maxLogitDifference: number;
  /** Largest magnitude of these logits. */
  readonly maxLogit: number;
}

/** Share of the largest logit by which the merged model's may differ: what float32 rounding in another order makes. */
const tolerance = 1e-4;

/**
 * Writes base model and adapter as one plain model (float32, Hugging Face's layout), and checks it: the folder is
 * opened again and its logits are compared with those of base and adapter.
 *
 * The update is added to the base weights as they are in memory. Of a model opened as NF4 these are the quantized
 * ones, on which the adapter was tuned.
 *
 * @throws InputError if the folder is not empty, or the merged model computes something else.
 */
export async function mergeAdapter(
  device: Device,
  model: AdaptedModel,
  folder: string,
): Promise<MergeResult> {
  if (!model.adapter) throw new InputError("The model has no adapter, so there is nothing to merge.");
  const merger = createMerger(device, model, model.adapter);
  await writeModel(folder, model, (name) => merger.tensor(name));
  await merger.release();

  const before = await probeLogits(device, model);
  const after = await probeLogits(device, await openModel(folder));
  const maxLogit = before.reduce((max, logit) => Math.max(max, Math.abs(logit)), 0);
  const maxLogitDifference = before.reduce((max, logit, i) => Math.max(max, Math.abs(logit - after[i]!)), 0);
  if (!(maxLogitDifference <= tolerance * Math.max(1, maxLogit))) {
    throw new InputError(
      `The merged model in ${folder} does not compute what base and adapter do: its logits differ by up to ${maxLogitDifference}; do not use it.`,
    );
  }
  return { maxLogitDifference, maxLogit };
}

/** Computes the tensors of the merged model one at a time. */
function createMerger(device: Device, { config, weights }: Model, { adaptation, parameters }: Adapter) {
  const { storage } = weights;
  const modules = new Map(listLinearModules(config).map((module) => [`${module.name}.weight`, module]));
  const outer: Readonly<Record<string, HostTensor>> = {
    [embeddingName]: weights.embedding,
    [normName]: weights.norm,
    [headName]: weights.head,
  };
  const programs = new Map<string, Promise<Program>>();
  const compute = async (key: string, feeds: Record<string, HostTensor>, build: () => Tensor) => {
    const program = programs.get(key) ?? device.compile({ value: build() });
    programs.set(key, program);
    const { value } = await (await program).run(feeds);
    return value!.data as Float32Array;
  };

  const mergeLinear = (layer: number, name: string): Promise<Float32Array> => {
    const module = modules.get(name)!;
    const { outFeatures, inFeatures } = module;
    const fullName = nameInLayer(layer, module.name);
    const adapter = adaptation.adapterOf(fullName, outFeatures, inFeatures);
    const specs = adapter?.parameters ?? [];
    const stored = weights.block(layer);
    const feeds: Record<string, HostTensor> = {};
    const localNames = storedTensorNames(name, storage);
    for (const [i, feed] of storedTensorNames("weight", storage).entries())
      feeds[feed] = stored[localNames[i]!]!;
    for (const spec of specs)
      feeds[spec.name] = float32(parameters.get(`${fullName}.${spec.name}`)!.data, spec.shape);
    return compute(`${adapter?.signature} ${outFeatures} ${inFeatures}`, feeds, () => {
      const weight = storedWeight("weight", outFeatures, inFeatures, storage).dense();
      const tensors = Object.fromEntries(
        specs.map(({ name, shape }) => [name, input(name, "float32", shape)]),
      );
      return adapter ? adapter.merge(weight, tensors) : add(weight, scalar(0));
    });
  };

  return {
    async tensor(name: string): Promise<Float32Array> {
      const [, layer, local] = /^model\.layers\.(\d+)\.(.+)$/.exec(name) ?? [];
      if (local !== undefined && modules.has(local)) return mergeLinear(Number(layer), local);
      const { data } = local === undefined ? outer[name]! : weights.block(Number(layer))[local]!;
      return data instanceof Uint16Array ? decodeFloat16(data) : (data as Float32Array);
    },
    async release() {
      for (const program of programs.values()) await (await program).release();
    },
  };
}

/** Logits of the last of a few tokens spread over the vocabulary. */
async function probeLogits(device: Device, model: AdaptedModel): Promise<Float32Array> {
  const { adaptation, parameters } = model.adapter ?? noAdapter;
  const engine = createEngine(device, model.config, model.weights, adaptation, { segmentSize: 1 });
  const length = Math.min(32, model.config.maxPositionEmbeddings);
  const batch = {
    rows: 1,
    length,
    inputIds: Int32Array.from({ length }, (_, i) =>
      Math.floor(((i + 0.5) * model.config.vocabSize) / length),
    ),
    positionIds: Int32Array.from({ length }, (_, i) => i),
    segmentIds: new Int32Array(length).fill(1),
  };
  const logits = await engine.logits(batch, Int32Array.of(length - 1), parameters);
  await engine.release();
  return logits;
}
