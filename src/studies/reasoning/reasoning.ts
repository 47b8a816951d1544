/** @file A kind of study: what training and strategies buy of accuracy for tokens. */

import type { StudyKind } from "../study-kind.ts";
import { collectReasoning } from "./collect.ts";
import { checkReasoning, checkReasoningInputs, type ReasoningConfig, reasoningOptions } from "./options.ts";
import { listReasoningParts } from "./parts.ts";
import { type ReasoningStudyResults, reasoningResultsSchema } from "./results.ts";

/** A model before and after it was tuned to solve problems, and to solve them briefly, each asked by the same strategies. */
export const reasoning = {
  description: "Does training for short right answers save tokens, and which strategy spends them best?",
  example:
    "slimtune study reasoning --model model.gguf --data gsm8k:train --tasks gsm8k,svamp --limit 200 --run max_steps=200 --out study",
  options: reasoningOptions,
  check: checkReasoning,
  checkInputs: checkReasoningInputs,
  listParts: listReasoningParts,
  collect: collectReasoning,
  results: reasoningResultsSchema,
  // The charts' library is slow to load, and nothing else needs it.
  report: async (results: ReasoningStudyResults) =>
    (await import("./report.ts")).reasoningStudyReport(results),
} satisfies StudyKind<ReasoningConfig, ReasoningStudyResults>;
