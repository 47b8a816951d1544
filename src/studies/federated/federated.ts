/** @file A kind of study: ways to tune one model on data that stay with several owners (Yan et al. 2025). */

import type { StudyKind } from "../study-kind.ts";
import { collectFederated } from "./collect.ts";
import { checkFederated, checkFederatedInputs, type FederatedConfig, federatedOptions } from "./options.ts";
import { listFederatedParts } from "./parts.ts";
import { federatedReport } from "./report.ts";
import { type FederatedResults, federatedResultsSchema } from "./results.ts";

export const federated = {
  description: "What do frameworks of federated tuning reach, and what do they cost a client?",
  example:
    "slimtune study federated --model model.gguf --data math=gsm8k:train --data-limit 400 --clients 4 --partitions iid,dirichlet:0.1 --rounds 5 --run max_steps=10 --out study",
  options: federatedOptions,
  check: checkFederated,
  checkInputs: checkFederatedInputs,
  listParts: listFederatedParts,
  collect: collectFederated,
  results: federatedResultsSchema,
  report: federatedReport,
} satisfies StudyKind<FederatedConfig, FederatedResults>;
