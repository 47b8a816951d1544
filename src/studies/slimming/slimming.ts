/** @file Two kinds of study: what slim tuning gains and forgets, and which method does so best. */

import { checkGrid, checkGridInputs } from "../grid/options.ts";
import type { StudyKind } from "../study-kind.ts";
import { collectSlimming } from "./collect.ts";
import { type SlimmingConfig, slimmingOptions } from "./options.ts";
import { listSlimmingParts } from "./parts.ts";
import { type SlimmingResults, slimmingResultsSchema } from "./results.ts";

const common = {
  check: checkGrid,
  checkInputs: checkGridInputs,
  listParts: listSlimmingParts,
  collect: collectSlimming,
  results: slimmingResultsSchema,
  // The charts' library is slow to load, and nothing else needs it.
  report: async (results: SlimmingResults) => (await import("./report.ts")).slimmingReport(results),
};

/** Each method on each set of data, against the base model. */
export const slimming = {
  ...common,
  description: "Does tuning a sliver of the parameters help, at what cost, and what is forgotten?",
  example:
    "slimtune study slimming --model model.gguf --data math=gsm8k:train --data common=hellaswag:tune --tasks hellaswag,gsm8k,mmlu_cs --limit 200 --run max_steps=200 --out study",
  options: slimmingOptions("slimming", ["lora", "qlora"]),
} satisfies StudyKind<SlimmingConfig, SlimmingResults>;

/** The same grid, read as a comparison of methods. */
export const methods = {
  ...common,
  description: "Which tuning method, by score, memory, time and what is forgotten?",
  example:
    "slimtune study methods --model model.gguf --data math=gsm8k:train --tasks gsm8k,retention --limit 100 --run max_steps=100 --out study",
  options: slimmingOptions("methods", [
    "full",
    "freeze",
    "lora",
    "lora+",
    "rslora",
    "dora",
    "pissa",
    "qlora",
  ]),
} satisfies StudyKind<SlimmingConfig, SlimmingResults>;
