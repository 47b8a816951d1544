/** @file What a round of FedLLM begins with: the global adapter, and what earlier rounds have left in a frozen one beside it. */

import type { Adapter } from "../../core/adapters/adapted-model.ts";
import { type Parameters, trainedOf } from "../../core/adapters/parameters.ts";
import { InputError } from "../../core/errors.ts";
import { findPairs, residualNames } from "../aggregation/lora-pairs.ts";
import { withResidual } from "../aggregation/residual-adapter.ts";
import { decodeTensors, encodeTensors, longestEncoding } from "../tensors.ts";
import { type TaskAdapter, withFrozen } from "../tuning.ts";

export interface Beginning {
  /** The global adapter, with what is frozen in it. */
  readonly parameters: Parameters;
  /** As an aggregation leaves it; empty where it leaves nothing. */
  readonly residual: Parameters;
}

/** The tensors that are trained, and the residual's. */
export function encodeBeginning({ parameters, residual }: Beginning): Promise<Uint8Array> {
  return encodeTensors(new Map([...trainedOf(parameters), ...residual]));
}

/**
 * @param initial the adapter as it is drawn, of whose names, shapes and frozen tensors it is
 * @param name what the bytes are called in errors
 * @throws InputError if they are not valid, or the residual is not of the adapter's layers.
 */
export async function readBeginning(
  bytes: Uint8Array,
  initial: Parameters,
  name: string,
): Promise<Beginning> {
  const tensors = await decodeTensors(bytes, name);
  const residual = new Map();
  for (const { module, A, B } of findPairs(initial)) {
    const [nameA, nameB] = residualNames(module);
    const [ofA, ofB] = [tensors.get(nameA), tensors.get(nameB)];
    if (!ofA && !ofB) continue;
    const [rank, inFeatures] = [ofA?.dims[0], A.dims[1]];
    if (ofA?.dims.join() !== `${rank},${inFeatures}` || ofB?.dims.join() !== `${B.dims[0]},${rank}`)
      throw new InputError(
        `In ${name} what stands beside the adapter of ${module} does not fit the layer; the model is not the run's.`,
      );
    residual.set(nameA, { ...ofA, isFrozen: true }).set(nameB, { ...ofB, isFrozen: true });
  }
  return { parameters: withFrozen(initial, tensors), residual };
}

/** The whole of it, as a model computes with it. */
export function adapterOf({ adaptation }: TaskAdapter, { parameters, residual }: Beginning): Adapter {
  return {
    adaptation: residual.size > 0 ? withResidual(adaptation, residual) : adaptation,
    parameters: new Map([...parameters, ...residual]),
  };
}

/** Bytes of a beginning at most: a residual grows until it has the rank of its layer's weight. */
export function longestBeginning(initial: Parameters, leavesResidual: boolean): number {
  const numbers = findPairs(initial).map(({ A, B }) => {
    const [inFeatures, outFeatures] = [A.dims[1]!, B.dims[0]!];
    return Math.min(inFeatures, outFeatures) * (inFeatures + outFeatures);
  });
  const ofResidual = leavesResidual ? 4 * numbers.reduce((sum, each) => sum + each, 0) : 0;
  return (leavesResidual ? 2 : 1) * longestEncoding(initial) + ofResidual;
}
