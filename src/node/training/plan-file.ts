/** @file A run's plan.json: how far it is to go, for those who look at its folder from outside. */

import { existsSync } from "node:fs";
import { z } from "zod";
import { readWhole } from "../files/read.ts";
import { readJson } from "../files/structured.ts";
import { writeWhole } from "../files/write.ts";

const count = z.int().min(0);
const planSchema = z
  .object({
    /** Optimizer steps of the whole run, unless it stops early. */
    total_steps: count,
    /** Optimizer steps in which each example is seen once. */
    steps_per_epoch: count,
    /** Steps between two evaluations; there is one before the first step and one after the last too. */
    eval_steps: count,
    /** Steps between two checkpoints. */
    save_steps: count,
    /** Evaluations in the whole run; 0 if nothing is held out. */
    evaluations: count,
    /** Examples that are trained on, and those that are held out. */
    examples: count,
    held_out: count,
    /** Tokens that pass through the model in all steps together, and in one evaluation. */
    tokens: count,
    held_out_tokens: count,
    /** Decoder blocks computed per program. */
    segment_size: count,
    trainable_parameters: count,
    /** Of the base model and of what is added to it. */
    parameters: count,
  })
  .readonly();

export type PlanFile = z.infer<typeof planSchema>;

/** Writes a run's plan, unless the file says the same already. */
export function writePlan(path: string, plan: PlanFile): void {
  const text = `${JSON.stringify(plan, null, 2)}\n`;
  if (readWhole(path, { isOptional: true })?.toString("utf8") !== text) writeWhole(path, text);
}

/** Reads a run's plan; undefined for runs of older versions. @throws InputError if it is damaged. */
export function readPlan(path: string): PlanFile | undefined {
  return existsSync(path) ? readJson(path, planSchema, "remove it") : undefined;
}
