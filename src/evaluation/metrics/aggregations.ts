/** @file How the scores of items become that of all: lm-evaluation-harness's aggregations, under its names. */

/** What a metric gives for one item: a value that counts once, or a pair, such as a sum of values and how many they are. */
export type ItemScore = number | readonly [number, number];

export interface Aggregation {
  readonly name: string;
  aggregate(items: readonly ItemScore[]): number;
  /** If the result follows from the quotient Σ sums / Σ sizes: how. */
  readonly ofQuotient?: QuotientFunction;
}

export interface QuotientFunction {
  score(quotient: number): number;
  /** The derivative of `score`. */
  slope(quotient: number): number;
}

export const mean = aggregationOf("mean", { score: (quotient) => quotient, slope: () => 1 });

const exponential: QuotientFunction = {
  score: (quotient) => Math.exp(-quotient),
  slope: (quotient) => -Math.exp(-quotient),
};
/** Of log-likelihoods in nats: of one per item, and of sums over words or bytes. */
export const perplexity = aggregationOf("perplexity", exponential);
export const weightedPerplexity = aggregationOf("weighted_perplexity", exponential);

export const bitsPerByte = aggregationOf("bits_per_byte", {
  score: (quotient) => -quotient / Math.LN2,
  slope: () => -1 / Math.LN2,
});

function aggregationOf(name: string, ofQuotient: QuotientFunction): Aggregation {
  return {
    name,
    ofQuotient,
    aggregate(items) {
      let sum = 0;
      let size = 0;
      for (const [itsSum, itsSize] of items.map(withSize)) {
        sum += itsSum;
        size += itsSize;
      }
      return ofQuotient.score(sum / size);
    },
  };
}

/** An item's score as a sum and its size. */
export function withSize(score: ItemScore): readonly [sum: number, size: number] {
  return typeof score === "number" ? [score, 1] : score;
}
