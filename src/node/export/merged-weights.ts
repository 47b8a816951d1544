/** @file An adapter's update added into the base weights. */

import { type AdaptedModel, noAdapter } from "../../core/adapters/adapted-model.ts";
import {
  embeddingName,
  headName,
  listLinearModules,
  nameInLayer,
  normName,
} from "../../core/architectures/modules.ts";
import { decodeFloat16 } from "../../core/formats/float16.ts";
import { add } from "../../core/graph/operators/elementwise.ts";
import { input, scalar, type Tensor } from "../../core/graph/tensor.ts";
import { storedTensorNames, storedWeight } from "../../core/models/linear.ts";
import { type Device, float32, type HostTensor, type Program } from "../../core/runtime/device.ts";

/** The weights of a plain model that computes what a model and its adapter do, one at a time. */
export interface MergedWeights {
  /** The weight of Hugging Face's name, in float32. */
  tensor(name: string): Promise<Float32Array>;
  release(): Promise<void>;
}

/**
 * Adds an adapter's update to the base weights as they are in memory. Of a model opened as NF4 these are the quantized
 * ones, on which the adapter was tuned. Weights that were trained themselves take the place of the base's, and a model
 * without an adapter stays as it is.
 */
export function mergeWeights(device: Device, { config, weights, adapter }: AdaptedModel): MergedWeights {
  const { adaptation, parameters } = adapter ?? noAdapter;
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
      const trained = parameters.get(name);
      if (trained) return trained.data;
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
