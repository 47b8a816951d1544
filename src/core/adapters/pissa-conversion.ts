/** @file What PiSSA has trained, as LoRA for the original weights. */

import type { LoraConfig } from "./lora.ts";
import type { Parameter, Parameters } from "./parameters.ts";

/**
 * The adapter that does to the original weights what the trained one does to the residual: W - s B0 A0 + s B A is W with an
 * update of twice the rank, s [B, -B0] [A; A0], as PEFT's path_initial_model_for_weight_conversion writes it.
 *
 * @param initial A0 and B0, from `splitWeights` (pissa.ts)
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
