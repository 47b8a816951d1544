/** @file Quantities of models that were tuned alike with several seeds, with draws of a bootstrap over items and seeds. */

import { crossedBootstrap } from "../../statistics/crossed-bootstrap.ts";
import { mean } from "../../statistics/estimates.ts";
import { percentileInterval } from "../../statistics/paired-bootstrap.ts";

/** Values of items with their sizes. */
export interface Items {
  readonly values: Float64Array;
  readonly sizes: Float64Array;
}

/** A quantity of a way to tune. */
export interface Measured {
  /** Its value with each seed. */
  readonly seeds: readonly number[];
  /** The mean of the seeds, in each draw of the bootstrap; the draws of all ways are of the same items and seeds. */
  readonly draws: Float64Array;
}

/** @param models for each way to tune, for each seed, its items, of which there is one at least */
export function measure(models: readonly (readonly Items[])[]): Measured[] {
  const { sizes } = models[0]![0]!;
  const draws = crossedBootstrap(
    models.map((runs) => runs.map(({ values }) => values)),
    sizes,
  );
  const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);
  return models.map((runs, i) => ({
    seeds: runs.map(({ values }) => sum(values) / sum(sizes)),
    draws: draws[i]!,
  }));
}

export function describeMeasured({ seeds, draws }: Measured) {
  return { value: mean(seeds), ...percentileInterval(draws), seeds };
}
