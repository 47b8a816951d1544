/** @file LoRA-FA (Zhang et al. 2023): LoRA whose A stays as it is drawn, so that less is trained and kept. */

import type { ModelConfig } from "../architectures/architecture.ts";
import { InputError } from "../errors.ts";
import type { Adaptation } from "./adaptation.ts";
import { adaptedModules, type LoraConfig, lora, ranksAndScales } from "./lora.ts";
import { loraMethod } from "./lora-methods.ts";
import type { OptimizerStep } from "./method.ts";
import type { Parameter } from "./parameters.ts";

export const loraFaMethod = {
  ...loraMethod({ fixed: { use_dora: false, init_lora_weights: true } }),
  adapt: (options: { readonly lora: LoraConfig }, model: ModelConfig) => loraFa(options.lora, model),
  optimizerStep: (options: { readonly lora: LoraConfig }) => loraFaStep(options.lora),
};

/** LoRA with A frozen. @throws InputError if the settings do not fit the model. */
export function loraFa(settings: LoraConfig, model: ModelConfig): Adaptation {
  const adaptation = lora(settings, model);
  if (adaptation.embedding)
    throw new InputError("LoRA-FA is for linear layers, so leave embed_tokens out of target_modules.");
  return {
    ...adaptation,
    adapterOf(name, outFeatures, inFeatures) {
      const adapter = adaptation.adapterOf(name, outFeatures, inFeatures);
      return (
        adapter && {
          ...adapter,
          signature: `fa ${adapter.signature}`,
          parameters: adapter.parameters.map((parameter) => ({
            ...parameter,
            ...(parameter.name === "lora_A.weight" && { isFrozen: true }),
          })),
        }
      );
    },
  };
}

/**
 * Steps that take, in place of B's gradient G, the one whose change of s B A is nearest to a change of W along its own gradient:
 * G (A A^T)^-1 / s² (section 3.2). As in PEFT's LoraFAOptimizer, epsilon is added before the moments are corrected, and weights
 * decay after the step.
 */
export function loraFaStep(settings: LoraConfig): OptimizerStep {
  const inverses = new Map<string, readonly Float64Array[]>();
  return ({ parameters, gradients, step, learningRateOf, optimizer }, adamW) => {
    const { beta2, epsilon, weightDecay } = optimizer;
    for (const [module, { scale }] of ranksAndScales(settings, adaptedModules(parameters))) {
      const inverse = inverses.get(module) ?? invertGram(parameters.get(`${module}.lora_A.weight`)!);
      inverses.set(module, inverse);
      multiplyRows(gradients.get(`${module}.lora_B.weight`)!.data, inverse, 1 / scale ** 2);
    }
    adamW({ epsilon: epsilon / Math.sqrt(1 - beta2 ** step), weightDecay: 0 });
    if (weightDecay === 0) return;
    for (const name of gradients.keys()) {
      const kept = 1 - learningRateOf(name) * weightDecay;
      const { data } = parameters.get(name)!;
      for (let i = 0; i < data.length; i++) data[i]! *= kept;
    }
  };
}

/** The inverse of A A^T + 10^-8 I, by Gauss and Jordan's elimination; the matrix is positive definite. */
function invertGram({ dims, data }: Parameter): Float64Array[] {
  const [r, width] = dims as [number, number];
  const rows = Array.from({ length: r }, (_, i) => {
    const row = new Float64Array(2 * r);
    for (let j = 0; j < r; j++)
      for (let k = 0; k < width; k++) row[j]! += data[i * width + k]! * data[j * width + k]!;
    row[i]! += 1e-8;
    row[r + i] = 1;
    return row;
  });
  for (const [i, pivot] of rows.entries()) {
    const factor = 1 / pivot[i]!;
    for (let k = 0; k < 2 * r; k++) pivot[k]! *= factor;
    for (const row of rows) {
      if (row === pivot) continue;
      const share = row[i]!;
      for (let k = 0; k < 2 * r; k++) row[k]! -= share * pivot[k]!;
    }
  }
  return rows.map((row) => row.subarray(r));
}

/** Multiplies the rows of a matrix by a symmetric one and a factor, in place. */
function multiplyRows(matrix: Float32Array, by: readonly Float64Array[], factor: number): void {
  const r = by.length;
  for (let start = 0; start < matrix.length; start += r) {
    const row = matrix.slice(start, start + r);
    for (const [j, column] of by.entries())
      matrix[start + j] = factor * row.reduce((sum, value, k) => sum + value * column[k]!, 0);
  }
}
