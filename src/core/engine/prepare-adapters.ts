/** @file Computes beforehand what adapters compute with, where nothing is trained. */

import type { AdapterTensors } from "../adapters/adaptation.ts";
import type { Parameter, Parameters } from "../adapters/parameters.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import { listLinearModules, nameInLayer } from "../architectures/modules.ts";
import { input } from "../graph/tensor.ts";
import { storedTensorNames, storedWeight } from "../models/linear.ts";
import type { ModelWeights } from "../models/weights.ts";
import { type Device, float32, type HostTensor, type Program } from "../runtime/device.ts";
import type { LayerPlan, PlannedAdapter } from "./segment.ts";

/**
 * Plans whose adapters take what their `prepare` gives as inputs, and the parameters with these values among them. Programs
 * then neither compute them at each run nor need the dense weight.
 */
export async function prepareAdapters(
  device: Device,
  config: ModelConfig,
  weights: ModelWeights,
  plans: readonly LayerPlan[],
  parameters: Parameters,
): Promise<{ plans: readonly LayerPlan[]; parameters: Parameters }> {
  const modules = new Map(listLinearModules(config).map((module) => [module.name, module]));
  const programs = new Map<string, Promise<Program>>();
  const withPrepared = new Map<string, Parameter>(parameters);

  const prepare = async (layer: number, module: string, adapter: PlannedAdapter): Promise<PlannedAdapter> => {
    if (!adapter.prepare) return adapter;
    const { outFeatures, inFeatures } = modules.get(module)!;
    const { storage } = weights;
    const own: AdapterTensors = Object.fromEntries(
      adapter.parameters.map(({ name, shape }) => [name, input(name, "float32", shape)]),
    );
    const tensors = adapter.prepare(storedWeight("weight", outFeatures, inFeatures, storage).dense(), own);
    const computed = Object.entries(tensors).filter(([name, tensor]) => tensor !== own[name]);

    const key = `${adapter.signature} ${outFeatures} ${inFeatures}`;
    const program = programs.get(key) ?? device.compile(Object.fromEntries(computed));
    programs.set(key, program);
    const fullName = nameInLayer(layer, module);
    const feeds: Record<string, HostTensor> = {};
    for (const { name, shape } of adapter.parameters)
      feeds[name] = float32(parameters.get(`${fullName}.${name}`)!.data, shape);
    const stored = storedTensorNames(`${module}.weight`, storage);
    for (const [i, name] of storedTensorNames("weight", storage).entries())
      feeds[name] = weights.block(layer)[stored[i]!]!;
    const results = await (await program).run(feeds);
    for (const [name] of computed) {
      const { dims, data } = results[name]!;
      withPrepared.set(`${fullName}.${name}`, { dims, data: data as Float32Array });
    }
    return {
      signature: adapter.signature,
      dropout: adapter.dropout,
      parameters: Object.entries(tensors).map(([name, { shape }]) => ({ name, shape: shape as number[] })),
      forward: adapter.forward,
    };
  };

  const preparedPlans: LayerPlan[] = [];
  for (const [layer, plan] of plans.entries()) {
    const adapters = new Map<string, PlannedAdapter>();
    for (const [module, adapter] of plan.adapters)
      adapters.set(module, await prepare(layer, module, adapter));
    preparedPlans.push({ ...plan, adapters });
  }
  for (const program of programs.values()) await (await program).release();
  return { plans: preparedPlans, parameters: withPrepared };
}
