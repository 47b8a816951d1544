/** @file How a process reward model reads solutions: a file beside its weights, so that it is asked as it was tuned. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "../files/structured.ts";
import { writeWhole } from "../files/write.ts";

const fileName = "step_format.json";

const stepFormatSchema = z.object({
  /** What ends each step. */
  step_separator: z.string().min(1),
  /** Whether questions are turns of a chat, where the model has a template. */
  apply_chat_template: z.boolean(),
});

export type StepFormat = z.output<typeof stepFormatSchema>;

/** @param folder of the adapter, or of the model itself */
export function writeStepFormat(folder: string, { step_separator, apply_chat_template }: StepFormat): void {
  const format = { step_separator, apply_chat_template };
  writeWhole(join(folder, fileName), `${JSON.stringify(format, null, 2)}\n`);
}

/**
 * @returns undefined if the folder does not say, as that of a model which another program has tuned
 * @throws InputError if the file is damaged.
 */
export function readStepFormat(folder: string): StepFormat | undefined {
  const path = join(folder, fileName);
  return existsSync(path) ? readJson(path, stepFormatSchema, "restore it, or leave it out") : undefined;
}
