/** @file What a run's loss holds beside its objective: how far the model's next tokens are from a teacher's. */

import type { MicroBatch, TokenBatch, TokenizedExample } from "../data/batch.ts";
import type { Predictions } from "../engine/divergence-layer.ts";
import type { AccumulateOptions } from "../engine/engine.ts";
import type { Divergence } from "../objectives/divergences.ts";

/** At which tokens a model is compared: those that are trained on, the others of their texts, or all. */
export type ComparedTokens = "labels" | "prompts" | "all";

/** A divergence from a teacher that is part of the loss: its mean over the positions of a step, times a weight. */
export interface DivergenceTerm {
  /** Under which it stands among the metrics, in nats per token. */
  readonly name: string;
  readonly weight: number;
  readonly divergence: Divergence;
  /** What the teacher says after the tokens at flat positions of a batch. */
  predict(batch: TokenBatch, positions: Int32Array): Promise<Predictions>;
  readonly tokens: ComparedTokens;
  /** Texts of its own for a step, counted from 0, or for the evaluations; by default the texts of the examples. */
  textsOf?(step: number | "evaluation"): readonly TokenizedExample[];
}

/** The flat positions of a batch after which the next token is compared. */
export function positionsOf(
  { segmentIds, positionIds, labelPositions }: MicroBatch,
  tokens: ComparedTokens,
): Int32Array<ArrayBuffer> {
  if (tokens === "labels") return Int32Array.from(labelPositions);
  const labelled = new Set(labelPositions);
  // After the last token of a text nothing is known to follow.
  const isInside = (i: number) => segmentIds[i] !== 0 && positionIds[i + 1] === positionIds[i]! + 1;
  return Int32Array.from(segmentIds.keys()).filter(
    (i) => isInside(i) && (tokens === "all" || !labelled.has(i)),
  );
}

/** A term over the batches of a step or an evaluation. */
export interface Comparison extends Pick<DivergenceTerm, "name" | "weight"> {
  readonly batches: readonly MicroBatch[];
  /** What of a batch is compared, weighted so that the term is the mean; undefined if nothing. */
  distill(batch: MicroBatch): Promise<Distillation | undefined>;
  add(divergences: Float64Array): void;
  /** Of what was added, in nats per token. */
  mean(): number;
}

type Distillation = Pick<Required<AccumulateOptions>, "distillation">;

/** @param batches the texts of the examples, or those of the term's own */
export function compareOver(term: DivergenceTerm, batches: readonly MicroBatch[]): Comparison {
  const { name, weight, divergence, tokens, predict } = term;
  const positions = new Map(batches.map((batch) => [batch, positionsOf(batch, tokens)]));
  const count = [...positions.values()].reduce((sum, { length }) => sum + length, 0);
  let total = 0;
  return {
    name,
    weight,
    batches,
    async distill(batch) {
      const here = positions.get(batch)!;
      if (here.length === 0) return undefined;
      const teacher = await predict(batch, here);
      return { distillation: { teacher, positions: here, divergence, weights: weight / count } };
    },
    add(divergences) {
      for (const value of divergences) total += value;
    },
    mean: () => total / Math.max(1, count),
  };
}
