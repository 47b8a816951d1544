/** @file The cells of a federated study: the model as it was, tuned in one place, by each client alone, and by each exchange. */

import type { StudyFolder } from "../study-folder.ts";
import { type Division, listDivisions } from "./division.ts";
import { type Exchange, listExchanges } from "./frameworks.ts";
import type { FederatedConfig } from "./options.ts";

/** What others are compared with. */
export const references = ["base", "central", "alone"] as const;

/** A way to tune on a partition with a seed. */
export interface FederatedCell {
  /** Such as "fedllm-product-iid", or "alone-dirichlet-0.1-2" with seed 2 of several. */
  readonly id: string;
  /** One of {@link references}, or such as "fedllm-product". */
  readonly way: string;
  /** Absent of {@link references}. */
  readonly exchange?: Exchange;
  readonly division: Division;
}

/** @throws InputError if the data cannot be read or divided. */
export async function listFederatedCells(
  config: FederatedConfig,
  folder: StudyFolder,
): Promise<FederatedCell[]> {
  const divisions = await listDivisions(config, folder);
  const ways = [
    ...references.map((way) => ({ way })),
    ...listExchanges(config).map((exchange) => ({ way: exchange.way, exchange })),
  ];
  return divisions.flatMap((division) =>
    ways.map((way) => {
      const { partition, seed } = division;
      const parts = [way.way, partition.replace(":", "-"), ...(config.seeds.length > 1 ? [seed] : [])];
      return { id: parts.join("-"), ...way, division };
    }),
  );
}
