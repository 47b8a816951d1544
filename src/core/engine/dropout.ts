/** @file Dropout masks from a counted generator, so that a mask is a function of where and when it is used. */

import { createRandom } from "../random.ts";
import type { HostTensor } from "../runtime/device.ts";

/**
 * A boolean mask of shape `dims`: each element is kept with probability 1 - `rate` (to a 65,536th). Equal `seed` and
 * `counters` (such as step, micro-batch, layer and module) give equal masks.
 */
export function createDropoutMask(
  dims: readonly number[],
  rate: number,
  seed: number,
  counters: readonly number[],
): HostTensor {
  const random = createRandom(seed, ...counters);
  const data = new Uint8Array(dims.reduce((product, dim) => product * dim, 1));
  const threshold = Math.round(rate * 65_536);
  for (let i = 0; i < data.length; i += 2) {
    const bits = random.nextUint32();
    data[i] = (bits & 0xffff) >= threshold ? 1 : 0;
    if (i + 1 < data.length) data[i + 1] = bits >>> 16 >= threshold ? 1 : 0;
  }
  return { dtype: "bool", dims, data };
}
