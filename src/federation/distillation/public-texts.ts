/** @file Public texts on which models tell each other what they predict. */

import type { Parameters } from "../../core/adapters/parameters.ts";
import {
  type BatchOptions,
  buildMicroBatches,
  type TokenBatch,
  type TokenizedExample,
} from "../../core/data/batch.ts";
import type { Predictions } from "../../core/engine/divergence-layer.ts";
import type { Engine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import { float32 } from "../../core/runtime/device.ts";
import type { DivergenceTerm } from "../../core/training/divergence-term.ts";
import { entriesAt, likeliestOf, type SparsePredictions } from "./sparse-predictions.ts";

export interface PublicOptions {
  /** Entries of each prediction: k. */
  readonly entries: number;
  /** Divides the logits. Default 1. */
  readonly temperature?: number;
  readonly batching: BatchOptions;
}

/**
 * What a model predicts for the labels of public texts, text after text.
 *
 * @throws InputError if the texts have no labels, or an option is out of range.
 */
export async function predictPublicTexts(
  engine: Pick<Engine, "predict">,
  parameters: Parameters,
  texts: readonly TokenizedExample[],
  { entries, temperature = 1, batching }: PublicOptions,
): Promise<SparsePredictions> {
  const ofText: SparseRow[][] = texts.map(() => []);
  let vocabSize = 0;
  for (const batch of buildMicroBatches(texts, batching)) {
    const predictions = await engine.predict(batch, batch.labelPositions, parameters, temperature);
    const told = await likeliestOf(predictions, entries);
    vocabSize = told.vocabSize;
    for (const [i, text] of batch.labelExamples.entries()) ofText[text]!.push(rowOf(told, i));
  }
  const rows = ofText.flat();
  const [first] = rows;
  if (!first)
    throw new InputError(
      "The public texts have no token to predict, so nothing can be distilled on them; give others.",
    );
  return joinRows(rows, { vocabSize, temperature });
}

/**
 * A divergence's teacher that says of public texts what predictions do. Where a prediction tells only that other entries have some probability
 * together, they have it in the proportions in which the model that is taught has them: a divergence is then that of the distributions over the
 * entries that are told and one event for all others.
 *
 * @param engine of the model that is taught
 * @param parameters its own, which may change in place between steps
 * @param global as {@link predictPublicTexts} gives them for these texts
 * @throws InputError if there are more or fewer predictions than the texts have labels; of what it returns, if a batch holds other texts.
 */
export function teachPublicTexts(
  engine: Pick<Engine, "predict">,
  parameters: Parameters,
  texts: readonly TokenizedExample[],
  global: SparsePredictions,
): DivergenceTerm["predict"] {
  /** By the tokens of a text: the number of the prediction after each position. */
  const places = new Map<string, ReadonlyMap<number, number>>();
  let count = 0;
  for (const { ids, trained } of texts) {
    const ofText = new Map<number, number>();
    for (let i = 1; i < ids.length; i++) if (trained[i]) ofText.set(i - 1, count++);
    places.set(ids.join(), ofText);
  }
  if (count !== global.count)
    throw new InputError(
      `There are predictions for ${global.count} positions, and the public texts have ${count}; take those of the same texts.`,
    );
  return async (batch, positions) => {
    const rows = Array.from(positions, (position) => {
      const place = places.get(textAt(batch, position))?.get(batch.positionIds[position]!);
      if (place === undefined)
        throw new InputError(
          "A text that is trained on is not one of the public texts that were predicted; distill on these alone.",
        );
      return rowOf(global, place);
    });
    const own = await engine.predict(batch, positions, parameters, global.temperature);
    return completeWith(own, joinRows(rows, global));
  };
}

/** The tokens of the text at a flat position of a batch. */
function textAt({ inputIds, segmentIds, positionIds, length }: TokenBatch, position: number): string {
  const start = position - positionIds[position]!;
  const rowEnd = (Math.floor(position / length) + 1) * length;
  let end = start;
  while (end < rowEnd && segmentIds[end] === segmentIds[position]) end++;
  return inputIds.subarray(start, end).join();
}

interface SparseRow {
  readonly tokens: Uint32Array;
  readonly logProbabilities: Float32Array;
  readonly logRest: number;
}

function rowOf(
  { entries, tokens, logProbabilities, logRest }: SparsePredictions,
  position: number,
): SparseRow {
  const [start, end] = [position * entries, (position + 1) * entries];
  return {
    tokens: tokens.subarray(start, end),
    logProbabilities: logProbabilities.subarray(start, end),
    logRest: logRest[position]!,
  };
}

function joinRows(
  rows: readonly SparseRow[],
  { vocabSize, temperature }: Pick<SparsePredictions, "vocabSize" | "temperature">,
): SparsePredictions {
  const entries = rows[0]!.tokens.length;
  const tokens = new Uint32Array(rows.length * entries);
  const logProbabilities = new Float32Array(rows.length * entries);
  for (const [i, row] of rows.entries()) {
    tokens.set(row.tokens, i * entries);
    logProbabilities.set(row.logProbabilities, i * entries);
  }
  const logRest = Float32Array.from(rows, (row) => row.logRest);
  return { vocabSize, temperature, count: rows.length, entries, tokens, logProbabilities, logRest };
}

/** Predictions over all of the vocabulary: those that are told, and for the others the rest in the proportions of `own`. */
async function completeWith(own: Predictions, told: SparsePredictions): Promise<Predictions> {
  const { vocabSize, count, temperature } = told;
  const all = { start: 0, end: count };
  const toldAt = Array.from({ length: count }, (_, position) => new Map(entriesAt(told, position)));
  // What all that is not told has in `own`, summed directly: one minus the others would be rounding where it is little.
  const ownRest = new Float64Array(count);
  const tile = 2048;
  for (let start = 0; start < vocabSize; start += tile) {
    const end = Math.min(start + tile, vocabSize);
    const values = (await own.logProbabilities(all, { start, end })).data as Float32Array;
    for (const [i, value] of values.entries()) {
      const position = Math.floor(i / (end - start));
      if (!toldAt[position]!.has(start + (i % (end - start)))) ownRest[position]! += Math.exp(value);
    }
  }
  return {
    vocabSize,
    count,
    temperature,
    async logProbabilities(positions, entries) {
      const { data, dims } = await own.logProbabilities(positions, entries);
      const width = entries.end - entries.start;
      const values = (data as Float32Array).map((value, i) => {
        const position = positions.start + Math.floor(i / width);
        const logProbability = toldAt[position]!.get(entries.start + (i % width));
        return logProbability ?? value + told.logRest[position]! - Math.log(ownRest[position]!);
      });
      return float32(values, dims);
    },
  };
}
