/** @file A kind of study: whether a model that is tuned to compute where it does better so solves more problems. */

import type { StudyKind } from "../study-kind.ts";
import { collectAptitude } from "./collect.ts";
import { type AptitudeConfig, aptitudeOptions, checkAptitude, checkAptitudeInputs } from "./options.ts";
import { listAptitudeParts } from "./parts.ts";
import { type AptitudeResults, aptitudeResultsSchema } from "./results.ts";

/** Words or programs, chosen for each problem by the model's own aptitude (TATA, Xu et al. 2025, arXiv 2502.12022), against other choices. */
export const aptitude = {
  description: "Should a model reason in words or by programs: does choosing by its own aptitude help?",
  example:
    "slimtune study aptitude --model model.gguf --data gsm8k:train --queries 300 --anchors 20 --limit 200 --out study",
  options: aptitudeOptions,
  check: checkAptitude,
  checkInputs: checkAptitudeInputs,
  listParts: listAptitudeParts,
  collect: collectAptitude,
  results: aptitudeResultsSchema,
  // The charts' library is slow to load, and nothing else needs it.
  report: async (results: AptitudeResults) => (await import("./report.ts")).aptitudeReport(results),
} satisfies StudyKind<AptitudeConfig, AptitudeResults>;
