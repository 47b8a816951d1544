/** @file What a run's loss holds beside its objective: how far the model's next tokens are from a teacher's. */

import type { MicroBatch, TokenBatch, TokenizedExample } from "../data/batch.ts";
import type { Predictions } from "../engine/divergence-layer.ts";
import type { AccumulateOptions } from "../engine/engine.ts";
import type { Divergence } from "../objectives/divergences.ts";

/** A divergence from a teacher that is part of the loss: its mean over the positions of a step, times a weight. */
export interface DivergenceTerm {
  /** Under which it stands among the metrics, in nats per token. */
  readonly name: string;
  readonly weight: number;
  readonly divergence: Divergence;
  /** What the teacher says after the tokens at flat positions of a batch. */
  predict(batch: TokenBatch, positions: Int32Array): Promise<Predictions>;
  /**
   * Texts of its own, of which all tokens are compared. Default: the labelled tokens of the examples.
   *
   * @param step counted from 0, or an evaluation's: always the same texts
   */
  textsOf?(step: number | "evaluation"): readonly TokenizedExample[];
}

/** A term over the batches of a step or an evaluation. */
export interface Comparison extends Pick<DivergenceTerm, "name" | "weight"> {
  /** Whether it is over the term's own texts. */
  readonly isApart: boolean;
  readonly batches: readonly MicroBatch[];
  /** What of a batch is compared, weighted so that the term is the mean; undefined if nothing. */
  distill(batch: MicroBatch): Promise<Distillation | undefined>;
  /** @param divergences at a batch's positions */
  add(batch: MicroBatch, divergences: Float64Array): void;
  /** Of what was added, each times the weight of its example, in nats per token. */
  mean(): number;
}

type Distillation = Pick<Required<AccumulateOptions>, "distillation">;

/**
 * @param batches the texts of the examples, or those of the term's own
 * @param weights of the examples, by the number of each of their texts
 */
export function compareOver(
  term: DivergenceTerm,
  batches: readonly MicroBatch[],
  weights: readonly number[],
): Comparison {
  const { name, weight, divergence, predict } = term;
  const isApart = term.textsOf !== undefined;
  const positionsOf = (batch: MicroBatch) => (isApart ? positionsInside(batch) : batch.labelPositions);
  const positions = new Map(batches.map((batch) => [batch, positionsOf(batch)]));
  const count = [...positions.values()].reduce((sum, { length }) => sum + length, 0);
  const sharesOf = ({ labelExamples }: MicroBatch, length: number) =>
    Float32Array.from({ length }, (_, i) => (isApart ? 1 : weights[labelExamples[i]!]!) / count);
  let total = 0;
  return {
    name,
    weight,
    isApart,
    batches,
    async distill(batch) {
      const here = positions.get(batch)!;
      if (here.length === 0) return undefined;
      const teacher = await predict(batch, here);
      const shares = sharesOf(batch, here.length).map((share) => share * weight);
      return { distillation: { teacher, positions: here, divergence, weights: shares } };
    },
    add(batch, divergences) {
      const shares = sharesOf(batch, divergences.length);
      for (const [i, value] of divergences.entries()) total += shares[i]! * value;
    },
    mean: () => total,
  };
}

/** The flat positions of all tokens that another of their text follows. */
function positionsInside({ positionIds, segmentIds }: MicroBatch): Int32Array {
  return Int32Array.from(segmentIds.keys()).filter(
    (i) => segmentIds[i] !== 0 && positionIds[i + 1] === positionIds[i]! + 1,
  );
}
