/** @file Split learning: what clients are told, whose first blocks are theirs and the others the server's. */

import { z } from "zod";
import { methodOf } from "../../core/adapters/methods.ts";
import { InputError } from "../../core/errors.ts";
import { runConfigOf, tuningOptions } from "../tuning.ts";
import { stateFormats } from "./codecs.ts";

export const splitVariants = ["plain", "u-shaped"] as const;

export const splitTask = z.strictObject({
  framework: z.literal("split"),
  /** Blocks that a client computes, at least 1 and fewer than the model has. */
  cut: z.int().min(1),
  /** Whether the server has the final norm, the output layer and the loss, and so the labels, or the client. */
  variant: z.enum(splitVariants).default("u-shaped"),
  /** How states and gradients cross the cut. */
  dtype: z.enum(stateFormats).default("float32"),
  tuning: tuningOptions.default({}),
});
export type SplitTask = z.output<typeof splitTask>;

/** @throws InputError if the method's optimizer is not AdamW, which is what either side steps with. */
export function checkSplit(task: SplitTask, origin: string): void {
  const { method } = runConfigOf(task, { model: "MODEL", data: "DATA" }, origin);
  if (methodOf(method).optimizerStep)
    throw new InputError(
      `${origin}: method "${method}" has an optimizer of its own, and both sides of a split step with AdamW; choose "lora" or "qlora".`,
    );
}
