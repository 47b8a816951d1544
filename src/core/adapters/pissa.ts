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
import { createTripletFinder, type SingularTriplets } from "./singular-triplets.ts";

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
 * @returns copies of A and B, from which `toLora` (pissa-conversion.ts) makes an adapter for the original weights
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
