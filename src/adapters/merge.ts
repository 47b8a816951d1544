/** @file Merging: an adapter's update added into the base weights, so that a plain model computes the same. */

import { input } from "../graph/tensor.ts";
import { storedTensorNames, storedWeight } from "../models/linear.ts";
import { listLinearModules, nameInLayer } from "../models/modules.ts";
import type { Model } from "../models/open-model.ts";
import { type Device, float32, type HostTensor, type Program } from "../runtime/device.ts";
import type { Adapter } from "./adapted-model.ts";

/**
 * The merged weight of each adapted linear layer, by its full name, one after the other.
 *
 * The update is added to the base weights as they were tuned: for NF4 to their dequantized values, so that the merged
 * model computes what base and adapter do together.
 */
export async function* mergeWeights(
  device: Device,
  model: Model,
  { adaptation, parameters }: Adapter,
): AsyncGenerator<{ name: string; weight: HostTensor }> {
  const programs = new Map<string, Promise<Program>>();
  const { storage } = model.weights;
  for (let layer = 0; layer < model.config.numHiddenLayers; layer++) {
    for (const { name, outFeatures, inFeatures } of listLinearModules(model.config)) {
      const module = nameInLayer(layer, name);
      const adapter = adaptation.adapterOf(module, outFeatures, inFeatures);
      const key = `${adapter?.signature} ${outFeatures} ${inFeatures}`;
      let program = programs.get(key);
      if (!program) {
        const weight = storedWeight("weight", outFeatures, inFeatures, storage).dense();
        const tensors = Object.fromEntries(
          (adapter?.parameters ?? []).map((spec) => [spec.name, input(spec.name, "float32", spec.shape)]),
        );
        program = device.compile({ merged: adapter ? adapter.merge(weight, tensors) : weight });
        programs.set(key, program);
      }
      const feeds: Record<string, HostTensor> = {};
      const stored = model.weights.block(layer);
      const localNames = storedTensorNames(`${name}.weight`, storage);
      for (const [index, feed] of storedTensorNames("weight", storage).entries())
        feeds[feed] = stored[localNames[index]!]!;
      for (const spec of adapter?.parameters ?? []) {
        feeds[spec.name] = float32(parameters.get(`${module}.${spec.name}`)!.data, spec.shape);
      }
      const { merged } = await (await program).run(feeds);
      yield { name: `${module}.weight`, weight: merged! };
    }
  }
  for (const program of programs.values()) await (await program).release();
}
