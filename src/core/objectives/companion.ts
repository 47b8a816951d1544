/** @file Answers that are imitated after two wordings of their question, with states that are held together (Wang et al. 2024, DCA). */

import * as z from "zod";
import type { Objective } from "./objective.ts";
import { lossWeightSchema } from "./options.ts";
import { imitationLoss } from "./pairs.ts";
import { spread } from "./scored-text.ts";

export const companionOptions = z.strictObject({
  /** How much the distance between the states counts. Our choice: the release has 0.1 for another mean. */
  companion_weight: lossWeightSchema.default(0.1),
});

/**
 * The cross-entropy of the answers after both wordings, over all their labels together; steps add the distance of both texts' states
 * times `companion_weight`. The sums of DCA's release, which has this variant beside its causal term, are means here.
 */
export function companion({
  companion_weight: companionWeight,
}: z.output<typeof companionOptions>): Objective {
  return {
    name: "companion",
    learnsFrom: "wordings",
    usesReference: false,
    isLinear: true,
    companionWeight,
    evaluate(examples) {
      const { loss, slopes } = imitationLoss(examples, ({ texts }) => texts);
      return {
        loss,
        coefficients: examples.map(({ texts }, i) => texts.map((text) => spread(text, slopes[i]!))),
        metrics: {},
      };
    },
  };
}
