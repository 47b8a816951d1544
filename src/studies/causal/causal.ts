/** @file A kind of study: what DCA's causal term does, and whether prompts come to hold what it says. */

import type { StudyKind } from "../study-kind.ts";
import { collectCausal } from "./collect.ts";
import { type CausalConfig, causalOptions, checkCausal, checkCausalInputs } from "./options.ts";
import { listCausalParts } from "./parts.ts";
import { causalReport } from "./report.ts";
import { type CausalResults, causalResultsSchema } from "./results.ts";

export const causal = {
  description: "Does DCA's causal term help, within the data's distribution and outside it?",
  example:
    "slimtune study causal --model model.gguf --data letters=problems/letters/train.jsonl --task-file problems/letters --tasks letters,letters_longer,letters_positions,retention --aligned letters=letters,letters_longer,letters_positions --run max_steps=200 --out study",
  options: causalOptions,
  check: checkCausal,
  checkInputs: checkCausalInputs,
  listParts: listCausalParts,
  collect: collectCausal,
  results: causalResultsSchema,
  report: causalReport,
} satisfies StudyKind<CausalConfig, CausalResults>;
