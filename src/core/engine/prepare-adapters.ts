/** @file Computes beforehand what adapters compute with, where nothing is trained. */

import {
  type Adaptation,
  type AdapterTensors,
  attentionModule,
  outputModule,
} from "../adapters/adaptation.ts";
import type { Parameter, Parameters } from "../adapters/parameters.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import { architectureOf } from "../architectures/architectures.ts";
import { listLinearModules, nameInLayer } from "../architectures/modules.ts";
import { input } from "../graph/tensor.ts";
import { type Storage, storedTensorNames, storedWeight } from "../models/linear.ts";
import { wholeOf } from "../models/matrix-rows.ts";
import type { ModelWeights } from "../models/weights.ts";
import { type AnyTensor, type Device, float32, type HostTensor, type Program } from "../runtime/device.ts";
import { layerContexts } from "./layer-context.ts";
import {
  blockFeeds,
  createBlockParts,
  createSharedTensors,
  headAdapterOf,
  type LayerPlan,
  type PlannedAdapter,
  type PlannedAttentionAdapter,
} from "./segment.ts";

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

/** What an adapter's `prepare` does. */
interface Preparation {
  /** The adapter's tensors, as inputs. */
  readonly own: AdapterTensors;
  /** What is made of them. */
  readonly tensors: AdapterTensors;
  /** Preparations with equal keys are computed by the same program. */
  readonly key: string;
  readonly feeds: Readonly<Record<string, AnyTensor>>;
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

  /** Computes what the adapter of a module is prepared to compute with. @returns the tensors that it then has */
  const compute = async (
    fullName: string,
    { parameters: specs }: Pick<PlannedAdapter, "parameters">,
    { own, tensors, key, feeds }: Preparation,
  ): Promise<PlannedAdapter["parameters"]> => {
    const computed = Object.entries(tensors).filter(([name, tensor]) => tensor !== own[name]);
    const program = programs.get(key) ?? device.compile(Object.fromEntries(computed));
    programs.set(key, program);
    const results = await (await program).run(feeds);
    for (const [name] of computed) {
      const { dims, data } = results[name]!;
      withPrepared.set(`${fullName}.${name}`, { dims, data: data as Float32Array });
    }
    const kept = new Map(specs.map((spec) => [spec.name, spec]));
    return Object.entries(tensors).map(
      // What is computed anew belongs to the outputs, as the lengths of rows do.
      ([name, { shape }]) => kept.get(name) ?? { name, shape: shape as number[], isByOutput: true },
    );
  };

  const prepareLinear = async (
    fullName: string,
    adapter: PlannedAdapter,
    { outFeatures, inFeatures, storage, tensors: weightTensors }: WeightToAdapt,
  ): Promise<PlannedAdapter> => {
    const { prepare, ...rest } = adapter;
    if (!prepare) return adapter;
    const own: AdapterTensors = Object.fromEntries(
      adapter.parameters.map(({ name, shape }) => [name, input(name, "float32", shape)]),
    );
    const feeds: Record<string, HostTensor> = { ...(await weightTensors()) };
    for (const { name, shape } of adapter.parameters)
      feeds[name] = float32(parameters.get(`${fullName}.${name}`)!.data, shape);
    const tensors = prepare(storedWeight("weight", outFeatures, inFeatures, storage).dense(), own);
    const key = `${adapter.signature} ${outFeatures} ${inFeatures} ${storage}`;
    return { ...rest, parameters: await compute(fullName, adapter, { own, tensors, key, feeds }) };
  };

  const prepareAttention = async (
    layer: number,
    plan: LayerPlan,
  ): Promise<PlannedAttentionAdapter | undefined> => {
    const adapter = plan.attentionAdapter;
    if (!adapter?.prepare) return adapter;
    const { prepare, ...rest } = adapter;
    let given: Pick<Preparation, "own" | "tensors"> | undefined;
    const observed: typeof adapter = {
      ...adapter,
      prepare(own, project) {
        given = { own, tensors: prepare(own, project) };
        return given.tensors;
      },
    };
    const parts = createBlockParts(
      config,
      "0",
      { ...plan, attentionAdapter: observed },
      {
        weightOf: (name, outFeatures, inFeatures) =>
          storedWeight(`0.${name}`, outFeatures, inFeatures, weights.storage),
        trainedParameter: (name, shape) => input(name, "float32", shape),
        sharedTensor: createSharedTensors(),
        dropout: false,
      },
    );
    // What the block makes of a text is not asked for.
    const context = layerContexts(config, 1)(plan.attention, (query) => query);
    architectureOf(config).block(
      config,
      input("hidden", "float32", ["B", 1, config.hiddenSize]),
      context,
      parts,
    );
    const feeds = await blockFeeds("0", layer, plan, weights, parameters);
    const fullName = nameInLayer(layer, attentionModule);
    const preparation = { ...given!, key: plan.signature, feeds };
    return { ...rest, parameters: await compute(fullName, adapter, preparation) };
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
      adapters.set(module, await prepareLinear(nameInLayer(layer, module), adapter, weight));
    }
    preparedPlans.push({ ...plan, adapters, attentionAdapter: await prepareAttention(layer, plan) });
  }
  const headAdapter = headAdapterOf(config, adaptation);
  const head =
    headAdapter &&
    (await prepareLinear(outputModule, headAdapter, {
      outFeatures: config.vocabSize,
      inFeatures: config.hiddenSize,
      storage: weights.head.dtype as Storage,
      tensors: async () => ({ weight: await wholeOf(weights.head) }),
    }));
  for (const program of programs.values()) await (await program).release();
  return { plans: preparedPlans, head, parameters: withPrepared };
}
