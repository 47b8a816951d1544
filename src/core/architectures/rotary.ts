/** @file The rotary position embedding: its frequencies, how they are scaled for longer contexts, and its tables. */

import { InputError } from "../errors.ts";

/** Scaling as Llama 3.1 defines it (Hugging Face's rope type "llama3"). */
export interface Llama3RopeScaling {
  readonly type: "llama3";
  readonly factor: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  readonly originalMaxPositionEmbeddings: number;
}

/** All frequencies divided by one factor (rope type "linear"). */
export interface LinearRopeScaling {
  readonly type: "linear";
  readonly factor: number;
}

/** Each frequency divided by a factor of its own, as GGUF files hold the scaling of Llama 3. */
export interface FactorsRopeScaling {
  readonly type: "factors";
  /** [dim / 2] */
  readonly factors: Float32Array;
}

/** YaRN (Peng et al. 2023): frequencies are divided by the factor, kept, or interpolated by how often they turn in the context. */
export interface YarnRopeScaling {
  readonly type: "yarn";
  readonly factor: number;
  readonly originalMaxPositionEmbeddings: number;
  readonly betaFast: number;
  readonly betaSlow: number;
  /** Factor of cosines and sines. */
  readonly attentionFactor: number;
  /** Whether the bounds of the interpolation are whole numbers. */
  readonly truncate: boolean;
}

/** LongRoPE (Ding et al. 2024): each frequency divided by a factor of its own, of which texts beyond a length have others. */
export interface LongRopeScaling {
  readonly type: "longrope";
  /** [dim / 2], for texts of at most `originalMaxPositionEmbeddings` tokens, and for longer ones. */
  readonly shortFactors: Float32Array;
  readonly longFactors: Float32Array;
  readonly originalMaxPositionEmbeddings: number;
  /** Factor of cosines and sines. */
  readonly attentionFactor: number;
}

/** Frequencies that are lowered for texts longer than the model was made for (rope type "dynamic"), which are not computed. */
export interface DynamicRopeScaling {
  readonly type: "dynamic";
  readonly factor: number;
  readonly maxPositionEmbeddings: number;
}

/** A rotation of the elements of a head by the position of its token (Su et al. 2021). */
export interface Rotary {
  /** Elements of a head that are rotated, the first ones. */
  readonly dim: number;
  /** Base of the frequencies. */
  readonly theta: number;
  readonly scaling:
    | Llama3RopeScaling
    | LinearRopeScaling
    | FactorsRopeScaling
    | YarnRopeScaling
    | LongRopeScaling
    | DynamicRopeScaling
    | undefined;
}

export interface RotaryTables {
  /** float32 [positions, dim / 2] */
  readonly cos: Float32Array;
  readonly sin: Float32Array;
  readonly positions: number;
}

/**
 * Cosines and sines of position times frequency (Su et al. 2021, section 3.4.2), with the frequencies scaled as
 * the model's configuration says. Frequencies and angles are rounded to float32 as Transformers' are.
 *
 * @param isLong whether they are for texts that are longer than {@link longTextLength}
 * @throws InputError if the frequencies of so many positions are not known.
 */
export function createRotaryTables(rotary: Rotary, positions: number, isLong = false): RotaryTables {
  const frequencies = scaleFrequencies(rotary, isLong);
  const half = frequencies.length;
  const { scaling } = rotary;
  if (scaling?.type === "dynamic" && positions > scaling.maxPositionEmbeddings) {
    throw new InputError(
      `The model's rotary embedding has other frequencies in texts of more than ${scaling.maxPositionEmbeddings} tokens ("dynamic"), which are not computed; shorten the text.`,
    );
  }
  const factor = scaling && "attentionFactor" in scaling ? scaling.attentionFactor : 1;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (const [i, frequency] of frequencies.entries()) {
    for (let position = 0; position < positions; position++) {
      const angle = Math.fround(position * Math.fround(frequency));
      cos[position * half + i] = factor * Math.cos(angle);
      sin[position * half + i] = factor * Math.sin(angle);
    }
  }
  return { cos, sin, positions };
}

/** The length beyond which a text is rotated otherwise than one up to it; undefined where all texts are rotated alike. */
export function longTextLength({ scaling }: Rotary): number | undefined {
  return scaling?.type === "longrope" ? scaling.originalMaxPositionEmbeddings : undefined;
}

/** Divisors of the frequencies, [dim / 2], where each has its own; undefined where all are alike. */
export function rotaryFactors(rotary: Rotary): Float32Array | undefined {
  const { scaling } = rotary;
  if (scaling?.type === "factors") return scaling.factors;
  if (scaling?.type !== "llama3") return undefined;
  const scaled = scaleFrequencies(rotary);
  return Float32Array.from(listFrequencies(rotary), (frequency, i) => frequency / scaled[i]!);
}

/** Frequencies before they are scaled, [dim / 2]. */
function listFrequencies({ dim, theta }: Rotary): number[] {
  return Array.from({ length: dim / 2 }, (_, i) => theta ** (-i / (dim / 2)));
}

function scaleFrequencies(rotary: Rotary, isLong = false): number[] {
  const { scaling } = rotary;
  const frequencies = listFrequencies(rotary);
  switch (scaling?.type) {
    case "linear":
      return frequencies.map((frequency) => frequency / scaling.factor);
    case "factors":
      return frequencies.map((frequency, i) => frequency / scaling.factors[i]!);
    case "longrope": {
      const factors = isLong ? scaling.longFactors : scaling.shortFactors;
      return frequencies.map((frequency, i) => frequency / factors[i]!);
    }
    case "llama3":
      return frequencies.map((frequency) => scaleLikeLlama3(frequency, scaling));
    case "yarn":
      return scaleLikeYarn(frequencies, rotary, scaling);
    default:
      return frequencies;
  }
}

/** Long wavelengths are divided by the factor, short ones kept, those between interpolated. */
function scaleLikeLlama3(
  frequency: number,
  { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings }: Llama3RopeScaling,
): number {
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength > originalMaxPositionEmbeddings / lowFreqFactor) return frequency / factor;
  if (wavelength < originalMaxPositionEmbeddings / highFreqFactor) return frequency;
  const smooth =
    (originalMaxPositionEmbeddings / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** Peng et al. 2023, section 3.2, with the ramp over the index of the frequency as in Transformers. */
function scaleLikeYarn(
  frequencies: readonly number[],
  { dim, theta }: Rotary,
  { factor, originalMaxPositionEmbeddings, betaFast, betaSlow, truncate }: YarnRopeScaling,
): number[] {
  /** The index of the frequency that turns so often in the original context. */
  const indexOf = (turns: number) =>
    (dim * Math.log(originalMaxPositionEmbeddings / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [indexOf(betaFast), indexOf(betaSlow)];
  const low = Math.max(0, truncate ? Math.floor(first) : first);
  const high = Math.min(dim - 1, truncate ? Math.ceil(last) : last);
  const width = high === low ? 0.001 : high - low;
  return frequencies.map((frequency, i) => {
    const ramp = Math.min(1, Math.max(0, (i - low) / width));
    return (frequency / factor) * ramp + frequency * (1 - ramp);
  });
}
