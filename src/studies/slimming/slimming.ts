/** @file Two kinds of study: what slim tuning gains and forgets, and which method does so best. */

import { z } from "zod";
import type { MethodName } from "../../core/training/methods.ts";
import { checkGrid, checkGridInputs, gridOptions } from "../grid/options.ts";
import type { StudyKind } from "../study-kind.ts";
import { collectSlimming } from "./collect.ts";
import { listSlimmingParts } from "./parts.ts";
import { type SlimmingResults, slimmingResultsSchema } from "./results.ts";

function describeOptions<Name extends SlimmingResults["kind"]>(kind: Name, methods: MethodName[]) {
  return z.strictObject({
    kind: z.literal(kind),
    ...gridOptions,
    methods: gridOptions.methods.default(methods),
    alignment_samples: z
      .int()
      .min(1)
      .default(64)
      .describe("examples of each set, and items of each task, from which alignment is measured"),
    neutral_text: z
      .string()
      .optional()
      .describe(
        "file of text on which the divergence from the base model is measured; by default the project's own",
      ),
  });
}

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
  options: describeOptions("slimming", ["lora", "qlora"]),
} satisfies StudyKind<SlimmingConfig, SlimmingResults>;

/** The same grid, read as a comparison of methods. */
export const methods = {
  ...common,
  description: "Which tuning method, by score, memory, time and what is forgotten?",
  example:
    "slimtune study methods --model model.gguf --data math=gsm8k:train --tasks gsm8k,retention --limit 100 --run max_steps=100 --out study",
  options: describeOptions("methods", [
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

export type SlimmingConfig = z.output<ReturnType<typeof describeOptions>>;
