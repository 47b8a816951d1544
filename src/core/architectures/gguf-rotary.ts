/** @file Rotary frequencies that GGUF keeps as the divisors of each. */

import { InputError } from "../errors.ts";
import type { GgufRotary } from "./architecture.ts";
import { rotaryFactors } from "./rotary.ts";

/** Divisors of the rotary frequencies, float32 [dim / 2]. */
const factorsName = "rope_freqs.weight";

/** Llama 3's scaling, which is stored as divisors, in one tensor. */
export const ropeFreqs: GgufRotary = {
  async read(file, rotary) {
    const stored = file.tensors.get(factorsName);
    if (!stored) return rotary;
    if (rotary.scaling || stored.shape.join() !== String(rotary.dim / 2)) {
      throw new InputError(
        `${file.path}: the tensor "${factorsName}" has the shape [${stored.shape.join(", ")}] or stands beside another rotary scaling; it must have [${rotary.dim / 2}], alone.`,
      );
    }
    return { ...rotary, scaling: { type: "factors", factors: await file.readFloat32(factorsName) } };
  },
  write(rotary) {
    const factors = rotaryFactors(rotary);
    return factors && { metadata: {}, tensors: { [factorsName]: factors } };
  },
};
