/** @file The tables of the rotary position embedding. */

import type { ModelConfig } from "./config.ts";

export interface RotaryTables {
  /** float32 [positions, headDim / 2] */
  readonly cos: Float32Array;
  readonly sin: Float32Array;
  readonly positions: number;
}

/**
 * Cosines and sines of position times frequency (Su et al. 2021, section 3.4.2), with the frequencies scaled as
 * the model's configuration says. Frequencies and angles are rounded to float32 as Transformers' are.
 */
export function createRotaryTables(config: ModelConfig, positions: number): RotaryTables {
  const half = config.headDim / 2;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let i = 0; i < half; i++) {
    const frequency = scaleFrequency(config.ropeTheta ** (-i / half), i, config.ropeScaling);
    for (let position = 0; position < positions; position++) {
      const angle = Math.fround(position * Math.fround(frequency));
      cos[position * half + i] = Math.cos(angle);
      sin[position * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin, positions };
}

/** Divisors of the frequencies, [headDim / 2], where each has its own; undefined where all are alike. */
export function rotaryFactors({ headDim, ropeTheta, ropeScaling }: ModelConfig): Float32Array | undefined {
  if (ropeScaling === undefined || ropeScaling.type === "linear") return undefined;
  if (ropeScaling.type === "factors") return ropeScaling.factors;
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = ropeTheta ** (-i / (headDim / 2));
    return frequency / scaleFrequency(frequency, i, ropeScaling);
  });
}

function scaleFrequency(frequency: number, index: number, scaling: ModelConfig["ropeScaling"]): number {
  if (!scaling) return frequency;
  if (scaling.type === "linear") return frequency / scaling.factor;
  if (scaling.type === "factors") return frequency / scaling.factors[index]!;
  // Llama 3.1: long wavelengths are divided by the factor, short ones kept, those between interpolated.
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength > originalMaxPositionEmbeddings / lowFreqFactor) return frequency / factor;
  if (wavelength < originalMaxPositionEmbeddings / highFreqFactor) return frequency;
  const smooth =
    (originalMaxPositionEmbeddings / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}
