/** @file The aggregations by name. */

import type { Aggregation } from "./aggregation.ts";
import { fedAvg, ffa } from "./average.ts";
import { product } from "./best-rank.ts";
import { fedEx, flora } from "./residual.ts";

export const aggregations = {
  fedavg: fedAvg,
  ffa,
  product,
  fedex: fedEx,
  flora,
} as const satisfies Readonly<Record<string, Aggregation>>;

export type AggregationName = keyof typeof aggregations;
