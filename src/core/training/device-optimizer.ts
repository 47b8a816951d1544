/**
 * @file AdamW on a device with memory of its own. Trained tensors of blocks, their gradients and moments stay there, and the step is
 * computed by programs; of a step only the gradients' norm comes back.
 */

import { type Parameter, type Parameters, trainedOf } from "../adapters/parameters.ts";
import { createProgramCache } from "../engine/program-cache.ts";
import { add, div, mul, sqrt, sub } from "../graph/operators/elementwise.ts";
import { join, reshape, slice } from "../graph/operators/movement.ts";
import { reduceSum } from "../graph/operators/reduction.ts";
import { input, scalar, type Tensor } from "../graph/tensor.ts";
import { concatenate } from "../models/matrix-rows.ts";
import { type AnyTensor, type DeviceTensor, float32, free, type HostTensor } from "../runtime/device.ts";
import { type AdamWConfig, clipFactor, isDecayed } from "./adamw.ts";
import { createArrayOptimizer, type OpenOptimizer } from "./optimizer.ts";

/** Elements of a group's vectors at most, unless one tensor has more: a quarter of what WebGPU binds at least. */
const groupElements = 2 ** 23;

/** Tensors of a block that are updated alike. Their gradients and moments are vectors, one tensor after the other. */
interface Group {
  readonly names: readonly string[];
  readonly dims: readonly (readonly number[])[];
  readonly size: number;
  readonly moments: Record<"expAvg" | "expAvgSq", DeviceTensor>;
  /** The sum of the step's gradients; undefined as long as there is none. */
  sum: DeviceTensor | undefined;
}

type Feeds = Record<string, AnyTensor>;
type Kept = Record<string, DeviceTensor>;

/** Whether the engine gives a tensor to programs alone, so that a device may hold it. */
function isOfBlock(name: string): boolean {
  return /^model\.layers\.\d+\./.test(name);
}

/**
 * AdamW on a device with memory of its own: trained tensors of the model's blocks, their gradients and moments stay there until it is
 * released, and the given ones are up to date after `save`.
 *
 * @param device one with `operations`, such as `openDevice("webgpu")`
 * @throws TypeError if the device has no memory of its own; InputError if there is no such device in the machine.
 * @example
 * const { openDevice } = await import("slimtune");
 * const device = openDevice("webgpu");
 * const name = "model.layers.0.self_attn.q_proj.lora_B.weight";
 * const parameters = new Map([[name, { dims: [2], data: Float32Array.of(1, 2) }]]);
 * const optimizer = await openDeviceOptimizer(device, { parameters, moments: createMoments(parameters) }, () => 1);
 * const gradient = { dtype: "float32", dims: [2], data: Float32Array.of(3, 4) } as const;
 * await optimizer.gradients.addOnDevice!(new Map([[name, await device.operations!.upload(gradient)]]));
 * await optimizer.update(await optimizer.gradientNorm(), {
 *   step: 1,
 *   learningRateOf: () => 1e-3,
 *   maxGradNorm: 1,
 *   config: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
 * });
 * await optimizer.save!();
 * await optimizer.release!();
 */
export const openDeviceOptimizer: OpenOptimizer = async (device, { parameters, moments }, factorOf) => {
  const { compileKeeping, release } = createProgramCache(device);
  /** Runs a program all of whose outputs stay on the device. */
  const run = async (key: string, build: () => Record<string, Tensor>, feeds: Feeds): Promise<Kept> =>
    (await (await compileKeeping(key, build)).run(feeds)) as Kept;
  const { upload } = device.operations!;

  const ofBlocks = new Map([...parameters].filter(([name]) => isOfBlock(name)));
  const others = new Map([...parameters].filter(([name]) => !isOfBlock(name)));
  const onArrays = createArrayOptimizer({ parameters: others, moments });
  const current = new Map<string, Parameter>(parameters);
  for (const [name, { dims, data, isFrozen }] of ofBlocks)
    current.set(name, held(name, dims, isFrozen, await upload(float32(data, dims))));
  const groups: Group[] = [];
  for (const names of groupNames(trainedOf(ofBlocks), factorOf)) {
    const dims = names.map((name) => parameters.get(name)!.dims);
    const size = dims.reduce((sum, each) => sum + count(each), 0);
    const uploadAll = (of: ReadonlyMap<string, Float32Array>) =>
      upload(float32(concatenate(names.map((name) => of.get(name)!)), [size]));
    const uploaded = {
      expAvg: await uploadAll(moments.expAvg),
      expAvgSq: await uploadAll(moments.expAvgSq),
    };
    groups.push({ names, dims, size, moments: uploaded, sum: undefined });
  }

  /** Adds gradients to a group's sum, and frees them. */
  const addTo = async (group: Group, gradients: readonly DeviceTensor[]) => {
    const { dims, sum } = group;
    const feeds: Feeds = { ...numbered(gradients), ...(sum && { before: sum }) };
    const isFirst = sum === undefined;
    const key = `sum ${isFirst} ${JSON.stringify(dims)}`;
    group.sum = (await run(key, () => buildSum(dims, isFirst), feeds)).sum!;
    for (const tensor of [sum, ...gradients]) free(tensor);
  };

  /** What a step makes of a group's tensors and moments. */
  const compute = ({ names, dims, size, moments, sum }: Group, settings: HostTensor, config: AdamWConfig) =>
    run(`update ${JSON.stringify([dims, config])}`, () => buildUpdate(dims, config), {
      ...moments,
      ...numbered(names.map((name) => current.get(name)!.onDevice!)),
      sum: sum ?? float32(new Float32Array(size), [size]),
      settings,
    });

  return {
    parameters: current,
    gradients: {
      get: (name) => onArrays.gradients.get(name),
      async addOnDevice(gradients) {
        for (const group of groups) {
          const ofGroup = group.names.flatMap((name) => gradients.get(name) ?? []);
          if (ofGroup.length > 0) await addTo(group, ofGroup);
        }
      },
    },
    clear() {
      onArrays.clear();
      for (const group of groups) {
        free(group.sum);
        group.sum = undefined;
      }
    },
    async gradientNorm() {
      let total = await upload(float32(new Float32Array(1), [1]));
      for (const { sum } of groups) {
        if (!sum) continue;
        const next = (await run("norm", buildNorm, { sum, before: total })).total!;
        free(total);
        total = next;
      }
      const [squares] = (await total.read()).data as Float32Array;
      free(total);
      return Math.hypot(Math.sqrt(squares!), await onArrays.gradientNorm());
    },
    async update(norm, options) {
      const { step, learningRateOf, maxGradNorm, config } = options;
      // All before any is taken, so that a step that is interrupted has changed nothing.
      const updated: Kept[] = [];
      try {
        for (const group of groups) {
          const rate = learningRateOf(group.names[0]!);
          const settings = Float32Array.of(
            clipFactor(norm, maxGradNorm),
            isDecayed(group.names[0]!) ? 1 - rate * config.weightDecay : 1,
            rate / (1 - config.beta1 ** step),
            1 / Math.sqrt(1 - config.beta2 ** step),
          );
          updated.push(await compute(group, float32(settings, [settings.length]), config));
        }
      } catch (error) {
        for (const tensors of updated) for (const tensor of Object.values(tensors)) free(tensor);
        throw error;
      }
      for (const [i, { names, dims, moments }] of groups.entries()) {
        const { newExpAvg, newExpAvgSq, ...tensors } = updated[i]!;
        for (const [place, name] of names.entries()) {
          free(current.get(name)!.onDevice);
          current.set(name, held(name, dims[place]!, false, tensors[newName(place)]!));
        }
        for (const tensor of Object.values(moments)) free(tensor);
        Object.assign(moments, { expAvg: newExpAvg, expAvgSq: newExpAvgSq });
      }
      await onArrays.update(norm, options);
    },
    async save() {
      for (const group of groups) {
        for (const name of group.names)
          parameters.get(name)!.data.set((await current.get(name)!.onDevice!.read()).data as Float32Array);
        for (const kind of ["expAvg", "expAvgSq"] as const) {
          const values = (await group.moments[kind].read()).data as Float32Array;
          let start = 0;
          for (const name of group.names) {
            const into = moments[kind].get(name)!;
            into.set(values.subarray(start, start + into.length));
            start += into.length;
          }
        }
      }
    },
    async release() {
      for (const { moments, sum } of groups)
        for (const tensor of [sum, ...Object.values(moments)]) free(tensor);
      for (const { onDevice } of current.values()) free(onDevice);
      await release();
    },
  };
};

/** A parameter whose values are on the device, and nowhere else. */
function held(
  name: string,
  dims: readonly number[],
  isFrozen: boolean | undefined,
  onDevice: DeviceTensor,
): Parameter {
  return {
    dims,
    ...(isFrozen && { isFrozen }),
    onDevice,
    get data(): Float32Array {
      throw new Error(`The values of "${name}" are on the device.`);
    },
  };
}

/** Names of tensors of the same block with the same settings of a step. */
function groupNames(trained: Parameters, factorOf: (name: string) => number): string[][] {
  const groups = new Map<string, { readonly names: string[]; size: number }>();
  const all: string[][] = [];
  for (const [name, { dims }] of trained) {
    const layer = name.split(".")[2];
    const key = `${layer} ${factorOf(name)} ${isDecayed(name)}`;
    const size = count(dims);
    const open = groups.get(key);
    if (open && open.size + size <= groupElements) {
      open.names.push(name);
      open.size += size;
      continue;
    }
    const names = [name];
    groups.set(key, { names, size });
    all.push(names);
  }
  return all;
}

type ManyDims = readonly (readonly number[])[];

/** The inputs "0", "1", … as one vector. */
function joinInputs(dims: ManyDims): Tensor {
  const parts = dims.map((each, i) => reshape(input(`${i}`, "float32", each), [count(each)]));
  return join(
    parts,
    0,
    dims.reduce((sum, each) => sum + count(each), 0),
  );
}

/** The "sum" of gradients with those of a micro-batch. */
function buildSum(dims: ManyDims, isFirst: boolean): Record<string, Tensor> {
  const joined = joinInputs(dims);
  return { sum: isFirst ? joined : add(input("before", "float32", joined.shape), joined) };
}

/** A "total" of squares with those of "sum". */
function buildNorm(): Record<string, Tensor> {
  const sum = input("sum", "float32", ["N"]);
  const squares = reduceSum(mul(sum, sum), [0], { keepDims: true });
  return { total: add(input("before", "float32", [1]), squares) };
}

/**
 * The tensors "0", "1", … and moments after a step, from those before and the "sum" of the gradients. The "settings" are the factors of the
 * gradients, of the tensors and of the step, and the inverse of the square root of the second moment's correction.
 */
function buildUpdate(dims: ManyDims, { beta1, beta2, epsilon }: AdamWConfig): Record<string, Tensor> {
  const before = joinInputs(dims);
  const vector = (name: string) => input(name, "float32", before.shape);
  const settings = input("settings", "float32", [4]);
  const [clip, kept, stepSize, correction] = [0, 1, 2, 3].map((i) => slice(settings, i, i + 1)) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const gradient = mul(vector("sum"), clip);
  const expAvg = add(mul(vector("expAvg"), scalar(beta1)), mul(gradient, scalar(1 - beta1)));
  const square = mul(mul(gradient, gradient), scalar(1 - beta2));
  const expAvgSq = add(mul(vector("expAvgSq"), scalar(beta2)), square);
  const denominator = add(mul(sqrt(expAvgSq), correction), scalar(epsilon));
  const after = sub(mul(before, kept), div(mul(expAvg, stepSize), denominator));
  let start = 0;
  const tensors = dims.map((each, i) => {
    const part = slice(after, start, start + count(each));
    start += count(each);
    return [newName(i), reshape(part, each)];
  });
  return { ...Object.fromEntries(tensors), newExpAvg: expAvg, newExpAvgSq: expAvgSq };
}

/** The output that holds a tensor after the step. */
function newName(place: number): string {
  return `new ${place}`;
}

function numbered<T>(values: readonly T[]): Record<string, T> {
  return Object.fromEntries(values.map((value, i) => [`${i}`, value]));
}

function count(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}
