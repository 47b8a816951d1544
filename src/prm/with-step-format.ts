/** @file How a process reward model is asked, where nothing is said: as it was tuned. */

import { defaultStepSeparator } from "../core/data/tokenize-steps.ts";
import { readStepFormat } from "../node/adapters/step-format.ts";
import type { StepScorerOptions } from "./step-scorer.ts";

/** @param folder of its adapter, or of the model itself @throws InputError if what it says is damaged. */
export function withStepFormat<T extends StepScorerOptions>(
  folder: string,
  options: T,
): T & Required<Pick<StepScorerOptions, "separator" | "chat">> {
  const tuned = readStepFormat(folder);
  return {
    ...options,
    separator: options.separator ?? tuned?.step_separator ?? defaultStepSeparator,
    chat: options.chat ?? tuned?.apply_chat_template ?? true,
  };
}
