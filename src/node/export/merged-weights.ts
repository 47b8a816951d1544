/** @file An adapter's update added into the base weights. */

import { type AdaptedModel, noAdapter } from "../../core/adapters/adapted-model.ts";
import { readBaseTensor } from "../../core/adapters/parameters.ts";
import type { LinearModule } from "../../core/architectures/architecture.ts";
import { listLinearModules, nameInLayer } from "../../core/architectures/modules.ts";
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
  const modules = new Map(listLinearModules(config).map((module) => [module.name, module]));
  const adaptsBias = (layer: number, { name, outFeatures, inFeatures }: LinearModule) =>
    adaptation.adapterOf(nameInLayer(layer, name), outFeatures, inFeatures)?.bias !== undefined;
  const programs = new Map<string, Promise<Program>>();
  const compute = async (key: string, feeds: Record<string, HostTensor>, build: () => Tensor) => {
    const program = programs.get(key) ?? device.compile({ value: build() });
    programs.set(key, program);
    const { value } = await (await program).run(feeds);
    return value!.data as Float32Array;
  };

  /** The weight of a linear layer, or its bias. */
  const mergeLinear = (layer: number, { name: local, ...module }: LinearModule, part: "weight" | "bias") => {
    const { outFeatures, inFeatures } = module;
    const fullName = nameInLayer(layer, local);
    const adapter = adaptation.adapterOf(fullName, outFeatures, inFeatures);
    const specs = [
      ...(adapter?.parameters ?? []).map((spec) => ({ ...spec, fullName: `${fullName}.${spec.name}` })),
      ...(adapter?.shared ?? []).map((spec) => ({ ...spec, fullName: spec.name })),
    ];
    const stored = weights.block(layer);
    const feeds: Record<string, HostTensor> = {};
    const localNames = part === "bias" ? [`${local}.bias`] : storedTensorNames(`${local}.weight`, storage);
    for (const [i, feed] of (part === "bias" ? ["bias"] : storedTensorNames("weight", storage)).entries())
      feeds[feed] = stored[localNames[i]!]!;
    for (const spec of specs) feeds[spec.name] = float32(parameters.get(spec.fullName)!.data, spec.shape);
    return compute(`${part} ${adapter?.signature} ${outFeatures} ${inFeatures}`, feeds, () => {
      const tensors = Object.fromEntries(
        specs.map(({ name, shape }) => [name, input(name, "float32", shape)]),
      );
      if (part === "bias") return adapter!.bias!(input("bias", "float32", [outFeatures]), tensors);
      const weight = storedWeight("weight", outFeatures, inFeatures, storage).dense();
      return adapter ? adapter.merge(weight, tensors) : add(weight, scalar(0));
    });
  };

  return {
    async tensor(name: string): Promise<Float32Array> {
      const trained = parameters.get(name);
      if (trained) return trained.data;
      const [, layer, local, part] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
      const module = modules.get(local!);
      if (module && (part === "weight" || adaptsBias(Number(layer), module)))
        return mergeLinear(Number(layer), module, part as "weight" | "bias");
      return readBaseTensor(weights, name);
    },
    async release() {
      for (const program of programs.values()) await (await program).release();
    },
  };
}
