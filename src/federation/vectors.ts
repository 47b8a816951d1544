/** @file The trained tensors of an adapter as one vector, and back: what is masked and summed. */

import type { Parameter, Parameters } from "../core/adapters/parameters.ts";
import { trainedOf } from "../core/adapters/parameters.ts";
import { InputError } from "../core/errors.ts";
import { concatenate } from "../core/models/matrix-rows.ts";

/**
 * The tensors that are trained, times a share, one after the other in the global adapter's order.
 *
 * @param global whose names, order and frozen tensors count
 * @param share of an average, by which a client weights its tensors before they are summed. Default 1
 * @throws InputError if a tensor is missing or of another size.
 */
export function vectorOf(parameters: Parameters, global: Parameters, share = 1): Float32Array {
  const parts = [...trainedOf(global)].map(([name, { data }]) => {
    const own = parameters.get(name)?.data;
    if (own?.length !== data.length)
      throw new InputError(
        `The tensor "${name}" has ${own?.length ?? 0} values, and the global adapter's ${data.length}; train with the round's settings.`,
      );
    return own.map((value) => share * value);
  });
  return concatenate(parts);
}

/** The tensors of such a vector, with the frozen ones of `global`. @throws InputError if it is of another length. */
export function tensorsOf(vector: Float32Array | Float64Array, global: Parameters): Map<string, Parameter> {
  let end = 0;
  const tensors = new Map(
    [...global].map(([name, parameter]): [string, Parameter] => {
      if (parameter.isFrozen) return [name, parameter];
      const { dims, data } = parameter;
      end += data.length;
      return [name, { dims, data: Float32Array.from(vector.subarray(end - data.length, end)) }];
    }),
  );
  if (end !== vector.length)
    throw new InputError(
      `There are ${vector.length} values, and the global adapter has ${end} that are trained; train with the round's settings.`,
    );
  return tensors;
}
