/** @file Distillation: what a run asks of a teacher. */

import * as z from "zod";
import { type Divergence, forwardKl, jensenShannon, reverseKl } from "./divergences.ts";
import type { Objective } from "./objective.ts";
import { sft } from "./sft.ts";

const divergences = {
  forward_kl: forwardKl,
  reverse_kl: reverseKl,
  jsd: jensenShannon(0.5),
};

export const distillOptions = z.strictObject({
  /** Folder of a Hugging Face model, a GGUF file, or a Hub id; of the same vocabulary. */
  teacher: z.string().min(1),
  /** From the teacher's next tokens to the model's: KL(teacher ‖ model), the reverse, or the mean of both to their mixture. */
  divergence: z.enum(Object.keys(divergences) as [keyof typeof divergences]).default("forward_kl"),
  /** Divides the logits of both. */
  temperature: z.number().positive().default(1),
  /** Longest answer, in tokens, that the teacher writes to prompts of the data that have none. */
  answer_tokens: z.int().min(1).default(256),
  /** Share of the labels' cross-entropy in the loss; the rest is the divergence's. */
  label_weight: z.number().min(0).lt(1).default(0),
});

export type DistillOptions = z.output<typeof distillOptions>;

export function divergenceOf({ divergence }: DistillOptions): Divergence {
  return divergences[divergence];
}

/** The labels' part of the loss. */
export function distill({ label_weight }: Pick<DistillOptions, "label_weight">): Objective {
  return {
    ...sft,
    name: "distill",
    evaluate(examples) {
      return sft.evaluate(examples.map((example) => ({ ...example, weight: label_weight * example.weight })));
    },
  };
}
