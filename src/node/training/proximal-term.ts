/** @file FedProx's term (Li et al. 2020): what is trained is held near the values that a run begins with. */

import { copyParameters, type Parameters, trainedOf } from "../../core/adapters/parameters.ts";
import type { LoopPlan } from "../../core/training/loop.ts";

/**
 * The gradient μ (w − w_0) of μ / 2 ‖w − w_0‖² (equation 2), which a plan adds to that of its loss.
 *
 * @param begins w_0; it may be trained afterwards
 * @param mu 0 for no term; Li et al. tried 0.001 to 1
 */
export function proximalTerm(begins: Parameters, mu: number): LoopPlan["penalty"] {
  if (mu === 0) return undefined;
  const center = copyParameters(trainedOf(begins));
  return (parameters, gradients) => {
    for (const [name, { data: gradient }] of gradients) {
      const [now, before] = [parameters.get(name)!.data, center.get(name)!.data];
      for (let i = 0; i < gradient.length; i++) gradient[i]! += mu * (now[i]! - before[i]!);
    }
  };
}
