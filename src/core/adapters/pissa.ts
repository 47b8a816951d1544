/** @file PiSSA (Meng et al. 2024): LoRA that begins as the principal part of the weight, on what is left of the weight. */

import type { ModelConfig } from "../architectures/architecture.ts";
import { listLinearModules, nameInLayer } from "../architectures/modules.ts";
import { InputError } from "../errors.ts";
import { sub } from "../graph/operators/elementwise.ts";
import { matmul } from "../graph/operators/matmul.ts";
import { input } from "../graph/tensor.ts";
import type { ModelWeights } from "../models/weights.ts";
import { createRandom } from "../random.ts";
import { type Device, float32 } from "../runtime/device.ts";
import { adaptedModules, type LoraConfig, ranksAndScales } from "./lora.ts";
import { type Parameter, type Parameters, readBaseTensor } from "./parameters.ts";
import type { SingularTriplets } from "./singular-triplets.ts";

export interface SplitOptions {
  /** Of the random beginnings of the subspace iterations. */
  readonly seed: number;
  /** Called after each block, with the share of the model that is done. */
  readonly onProgress?: (share: number) => void;
}

/**
 * Moves the principal part of each adapted weight into its adapter (equations 2 to 4): with the r largest singular triplets
 * U S V^T of W, A = (S / s)^½ V^T and B = U (S / s)^½ are written into `parameters`, and W - s B A takes the place of W in
 * `weights`, which must be kept in float32. The model computes what it did before. (In place, since a model need not fit
 * into memory twice.)
 *
 * @param parameters A and B of every adapted layer
 * @returns copies of A and B, from which {@link toLora} makes an adapter for the original weights
 * @throws InputError if a weight has fewer singular triplets than the rank.
 */
export async function splitWeights(
  device: Device,
  config: ModelConfig,
  weights: ModelWeights,
  settings: LoraConfig,
  parameters: Parameters,
  { seed, onProgress }: SplitOptions,
): Promise<Parameters> {
  // Pages have no PiSSA, and need not load it.
  const { createTripletFinder } = await import("./singular-triplets.ts");
  const finder = await createTripletFinder(device);
  const subtraction = await device.compile({
    residual: sub(
      input("weight", "float32", ["out", "in"]),
      matmul(input("scaled B", "float32", ["out", "r"]), input("A", "float32", ["r", "in"])),
    ),
  });
  const targets = ranksAndScales(settings, adaptedModules(parameters));
  const initial = new Map<string, Parameter>();
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    for (const [index, { name: local, outFeatures, inFeatures }] of listLinearModules(config).entries()) {
      const name = nameInLayer(layer, local);
      const [A, B] = [parameters.get(`${name}.lora_A.weight`), parameters.get(`${name}.lora_B.weight`)];
      if (!A || !B) continue;
      const { r, scale } = targets.get(name)!;
      const triplets = Math.min(outFeatures, inFeatures);
      if (r > triplets) {
        throw new InputError(
          `PiSSA takes ${r} singular triplets of each weight, but that of ${name} has ${triplets}; lower "r".`,
        );
      }
      const weight = await readBaseTensor(weights, `${name}.weight`);
      writeFactors(await finder.find(weight, outFeatures, r, createRandom(seed, layer, index)), scale, A, B);
      const { residual } = await subtraction.run({
        weight: float32(weight, [outFeatures, inFeatures]),
        "scaled B": float32(
          B.data.map((value) => scale * value),
          B.dims,
        ),
        A: float32(A.data, A.dims),
      });
      weight.set(residual!.data as Float32Array);
      initial.set(`${name}.lora_A.weight`, { dims: A.dims, data: A.data.slice() });
      initial.set(`${name}.lora_B.weight`, { dims: B.dims, data: B.data.slice() });
    }
    onProgress?.((layer + 1) / config.numHiddenLayers);
  }
  await finder.release();
  await subtraction.release();
  return initial;
}

/** Divides the singular values between A [r, in] and B [out, r]. */
function writeFactors(
  { values, left, right }: SingularTriplets,
  scale: number,
  A: Parameter,
  B: Parameter,
): void {
  for (const [i, value] of values.entries()) {
    const root = Math.sqrt(value / scale);
    for (const [j, element] of right[i]!.entries()) A.data[i * right[i]!.length + j] = root * element;
    for (const [j, element] of left[i]!.entries()) B.data[j * values.length + i] = root * element;
  }
}

/**
 * The adapter that does to the original weights what the trained one does to the residual: W - s B0 A0 + s B A is W with an
 * update of twice the rank, s [B, -B0] [A; A0], as PEFT's path_initial_model_for_weight_conversion writes it.
 *
 * @param initial A0 and B0, from {@link splitWeights}
 */
export function toLora(
  settings: LoraConfig,
  initial: Parameters,
  trained: Parameters,
): { settings: LoraConfig; parameters: Map<string, Parameter> } {
  const parameters = new Map<string, Parameter>();
  for (const [name, parameter] of trained) {
    const before = initial.get(name)!.data;
    parameters.set(
      name,
      name.endsWith("lora_A.weight")
        ? appendRows(parameter, before)
        : appendColumns(
            parameter,
            before.map((value) => -value),
          ),
    );
  }
  // The scale, alpha / r or alpha / sqrt(r), stays what it was.
  const alphaFactor = settings.use_rslora ? Math.SQRT2 : 2;
  const multiply = (pattern: Readonly<Record<string, number>>, factor: number) =>
    Object.fromEntries(Object.entries(pattern).map(([key, value]) => [key, factor * value]));
  return {
    settings: {
      ...settings,
      init_lora_weights: true,
      r: 2 * settings.r,
      lora_alpha: alphaFactor * settings.lora_alpha,
      rank_pattern: multiply(settings.rank_pattern, 2),
      alpha_pattern: multiply(settings.alpha_pattern, alphaFactor),
    },
    parameters,
  };
}

function appendRows({ dims: [rows, width], data }: Parameter, more: Float32Array): Parameter {
  const joined = new Float32Array(2 * data.length);
  joined.set(data);
  joined.set(more, data.length);
  return { dims: [2 * rows!, width!], data: joined };
}

function appendColumns({ dims: [rows, width], data }: Parameter, more: Float32Array): Parameter {
  const joined = new Float32Array(2 * data.length);
  for (let row = 0; row < rows!; row++) {
    const [start, end] = [row * width!, (row + 1) * width!];
    joined.set(data.subarray(start, end), 2 * start);
    joined.set(more.subarray(start, end), start + end);
  }
  return { dims: [rows!, 2 * width!], data: joined };
}
