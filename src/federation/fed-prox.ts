/** @file FedProx (Li et al. 2020): clients whose data differ are held near the adapter that all began with. */

import type { OptimizerStep } from "../core/adapters/method.ts";
import type { Parameters } from "../core/adapters/parameters.ts";
import { InputError } from "../core/errors.ts";

/**
 * An optimizer step on the loss with μ / 2 ‖w − w_global‖² beside it (equation 2), whose gradient μ (w − w_global) is added to what the loop
 * computed. The loss that the loop reports, and the norm by which it clips, are without it.
 *
 * @param global the tensors that the round began with; they are not changed
 * @param mu 0 is FedAvg; Li et al. tried 0.001 to 1
 * @param step the method's own. Default: AdamW's
 * @throws InputError if μ is negative; of the step, if a trained tensor is not in `global`.
 */
export function fedProxStep(global: Parameters, mu: number, step?: OptimizerStep): OptimizerStep {
  if (!(mu >= 0 && mu < Number.POSITIVE_INFINITY))
    throw new InputError(`FedProx's mu is ${mu}; take a number of at least 0, such as 0.01.`);
  return (inputs, adamW) => {
    const { parameters, gradients, optimizer } = inputs;
    for (const [name, { data: gradient }] of gradients) {
      const center = global.get(name)?.data;
      if (center?.length !== gradient.length)
        throw new InputError(
          `FedProx holds "${name}" near the global adapter's, which has none of its shape; begin with the round's adapter.`,
        );
      const { data } = parameters.get(name)!;
      for (let i = 0; i < gradient.length; i++) gradient[i]! += mu * (data[i]! - center[i]!);
    }
    if (step) step(inputs, adamW);
    else adamW(optimizer);
  };
}
