/** @file Matthews correlation of the chosen and the correct answers, where classes differ in size. */

import { likeliestChoice } from "./accuracy.ts";
import type { Metric } from "./metric.ts";

/** With K classes (Gorodkin 2004), from -1 to 1; 0 if all answers, or all that are correct, are of one class. */
export const mcc: Metric = {
  aggregation: {
    name: "matthews_corrcoef",
    aggregate(items) {
      const pairs = items as readonly (readonly [gold: number, chosen: number])[];
      const correct = pairs.filter(([gold, chosen]) => gold === chosen).length;
      const golds = countEach(pairs.map(([gold]) => gold));
      const choices = countEach(pairs.map(([, chosen]) => chosen));
      const expected = dot(golds, choices);
      const [ofGolds, ofChoices] = [golds, choices].map((counts) => pairs.length ** 2 - dot(counts, counts));
      const product = ofGolds! * ofChoices!;
      return product === 0 ? 0 : (correct * pairs.length - expected) / Math.sqrt(product);
    },
  },
  higherIsBetter: true,
  score: { multiple_choice: (outcome) => [outcome.gold, likeliestChoice(outcome)] },
};

type Counts = ReadonlyMap<number, number>;

function countEach(values: readonly number[]): Counts {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function dot(a: Counts, b: Counts): number {
  return [...a].reduce((sum, [value, count]) => sum + count * (b.get(value) ?? 0), 0);
}
