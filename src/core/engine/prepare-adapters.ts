/** @file Computes beforehand what adapters compute with, where nothing is trained. */

import { type Adaptation, type AdapterTensors, outputModule } from "../adapters/adaptation.ts";
import type { Parameter, Parameters } from "../adapters/parameters.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import { listLinearModules, nameInLayer } from "../architectures/modules.ts";
import { input } from "../graph/tensor.ts";
import { type Storage, storedTensorNames, storedWeight } from "../models/linear.ts";
import { wholeOf } from "../models/matrix-rows.ts";
import type { ModelWeights } from "../models/weights.ts";
import { type Device, float32, type HostTensor, type Program } from "../runtime/device.ts";
import { headAdapterOf, type LayerPlan, type PlannedAdapter } from "./segment.ts";

export interface PreparedAdapters {
  readonly plans: readonly LayerPlan[];
  /** The output layer's adapter, where it has one. */
  readonly head: PlannedAdapter | undefined;
  readonly parameters: Parameters;
}

/** A linear layer's weight: how large it is, and the tensors that hold it, by the names of a weight called "weight". */
interface WeightToAdapt {
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly storage: Storage;
  readonly tensors: () => Promise<Readonly<Record<string, HostTensor>>>;
}

/**
 * Plans whose adapters take what their `prepare` gives as inputs, and the parameters with these values among them. Programs
 * then neither compute them at each run nor need the dense weight.
 */
export async function prepareAdapters(
  device: Device,
  { config, weights }: { readonly config: ModelConfig; readonly weights: ModelWeights },
  plans: readonly LayerPlan[],
  { adaptation, parameters }: { readonly adaptation: Adaptation; readonly parameters: Parameters },
): Promise<PreparedAdapters> {
  const modules = new Map(listLinearModules(config).map((module) => [module.name, module]));
  const programs = new Map<string, Promise<Program>>();
  const withPrepared = new Map<string, Parameter>(parameters);

  const prepare = async (
    fullName: string,
    adapter: PlannedAdapter,
    { outFeatures, inFeatures, storage, tensors: weightTensors }: WeightToAdapt,
  ): Promise<PlannedAdapter> => {
    if (!adapter.prepare) return adapter;
    const own: AdapterTensors = Object.fromEntries(
      adapter.parameters.map(({ name, shape }) => [name, input(name, "float32", shape)]),
    );
    const tensors = adapter.prepare(storedWeight("weight", outFeatures, inFeatures, storage).dense(), own);
    const computed = Object.entries(tensors).filter(([name, tensor]) => tensor !== own[name]);

    const key = `${adapter.signature} ${outFeatures} ${inFeatures} ${storage}`;
    const program = programs.get(key) ?? device.compile(Object.fromEntries(computed));
    programs.set(key, program);
    const feeds: Record<string, HostTensor> = { ...(await weightTensors()) };
    for (const { name, shape } of adapter.parameters)
      feeds[name] = float32(parameters.get(`${fullName}.${name}`)!.data, shape);
    const results = await (await program).run(feeds);
    for (const [name] of computed) {
      const { dims, data } = results[name]!;
      withPrepared.set(`${fullName}.${name}`, { dims, data: data as Float32Array });
    }
    const { prepare: _, ...rest } = adapter;
    const kept = new Map(adapter.parameters.map((parameter) => [parameter.name, parameter]));
    const prepared = Object.entries(tensors).map(
      // What is computed anew belongs to the outputs, as the lengths of rows do.
      ([name, { shape }]) => kept.get(name) ?? { name, shape: shape as number[], isByOutput: true },
    );
    return { ...rest, parameters: prepared };
  };

  const preparedPlans: LayerPlan[] = [];
  for (const [layer, plan] of plans.entries()) {
    const adapters = new Map<string, PlannedAdapter>();
    for (const [module, adapter] of plan.adapters) {
      const { storage } = weights;
      const stored = storedTensorNames(`${module}.weight`, storage);
      const weight: WeightToAdapt = {
        ...modules.get(module)!,
        storage,
        tensors: async () => {
          const block = await weights.block(layer);
          const names = storedTensorNames("weight", storage);
          return Object.fromEntries(names.map((name, i) => [name, block[stored[i]!]!]));
        },
      };
      adapters.set(module, await prepare(nameInLayer(layer, module), adapter, weight));
    }
    preparedPlans.push({ ...plan, adapters });
  }
  const headAdapter = headAdapterOf(config, adaptation);
  const head =
    headAdapter &&
    (await prepare(outputModule, headAdapter, {
      outFeatures: config.vocabSize,
      inFeatures: config.hiddenSize,
      storage: weights.head.dtype as Storage,
      tensors: async () => ({ weight: await wholeOf(weights.head) }),
    }));
  for (const program of programs.values()) await (await program).release();
  return { plans: preparedPlans, head, parameters: withPrepared };
}
