/** @file Whether a model's losses give away which texts it was trained on. */

import { type AreaOptions, areaUnderRoc } from "../../statistics/roc.ts";
import type { Estimate } from "../../statistics/wilson.ts";

/**
 * How well a threshold on the loss tells texts that were trained on from others of their kind (Yeom et al. 2018): the probability that one that
 * was has the lower loss. 0.5 is no better than guessing. Measured of the model before tuning too, it tells how alike the texts were to begin with.
 *
 * @param members mean loss of each text that was trained on, in nats
 * @param others the same of texts that were not
 * @returns with the interval of the bootstrap over texts; undefined if there are none of either
 * @throws RangeError if a loss is no number.
 */
export function membershipAuc(
  members: readonly number[],
  others: readonly number[],
  options: AreaOptions = {},
): Estimate | undefined {
  const losses = [...members, ...others];
  return areaUnderRoc(
    losses.map((loss) => -loss),
    losses.map((_, i) => i < members.length),
    options,
  );
}
