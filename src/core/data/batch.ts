/** @file Micro-batches: the arrays that a forward pass takes, from tokenized examples. */

import { packExamples } from "./packing.ts";

/** An example as tokens. */
export interface TokenizedExample {
  readonly ids: Int32Array;
  /** 1 for each token that is trained on or, with `choices`, after which one of them is chosen. */
  readonly trained: Uint8Array;
  /** Tokens that are all labels after each marked token, whatever follows it there. Default: a marked token is itself a label. */
  readonly choices?: readonly number[];
}

/** How many labels an example has. Of marked tokens the first of all is none: none before it could predict it. */
export function countLabels({ trained, choices }: TokenizedExample): number {
  const marks = choices ? trained : trained.subarray(1);
  return (choices?.length ?? 1) * marks.reduce((count, mark) => count + mark, 0);
}

/** B rows of S tokens each, flat in row-major order. */
export interface TokenBatch {
  readonly rows: number;
  readonly length: number;
  readonly inputIds: Int32Array;
  /** Position of each token within its example. */
  readonly positionIds: Int32Array;
  /** Number of the token's example within its row, counted from 1; 0 for padding. Examples do not see each other. */
  readonly segmentIds: Int32Array;
}

export interface Batch extends TokenBatch {
  /** Flat positions whose next token is trained on; one with several labels stands several times. */
  readonly labelPositions: Int32Array;
  /** Those next tokens, or what is chosen among in their place. */
  readonly labels: Int32Array;
}

/** A part of the examples of a step. Each of them is in one part as a whole. */
export interface MicroBatch extends Batch {
  /** For each label the number, from 0, of its example among those that were divided; an example's labels are in order. */
  readonly labelExamples: Int32Array;
}

export interface BatchOptions {
  /** Tokens of a micro-batch, padding included; only an example that is longer makes a longer one, of its own. */
  readonly microBatchTokens: number;
  /** Whether examples share rows. */
  readonly packing: boolean;
}

/** Rows are padded to a multiple of this, since the engine keeps memory for each length that it has seen. */
const lengthStep = 64;

/**
 * Divides the examples of one optimizer step into micro-batches. How they are divided does not change the step, whose
 * loss is normalized over all of them.
 *
 * @example
 * const example = { ids: Int32Array.of(5, 6, 7), trained: Uint8Array.of(0, 1, 1) };
 * const batches = buildMicroBatches([example, example], { microBatchTokens: 512, packing: true });
 */
export function buildMicroBatches(
  examples: readonly TokenizedExample[],
  { microBatchTokens, packing }: BatchOptions,
): MicroBatch[] {
  const lengths = examples.map((example) => example.ids.length);
  const rows = packing
    ? packExamples(lengths, Math.max(lengthStep, microBatchTokens - (microBatchTokens % lengthStep)))
    : [...lengths.keys()].sort((a, b) => lengths[a]! - lengths[b]! || a - b).map((example) => [example]);
  const lengthOf = (row: readonly number[]) => padLength(row.reduce((sum, i) => sum + lengths[i]!, 0));
  rows.sort((a, b) => lengthOf(a) - lengthOf(b));

  const batches: MicroBatch[] = [];
  for (let start = 0; start < rows.length; ) {
    // Rows come in rising length, so the last one decides on the padding.
    let end = start + 1;
    while (end < rows.length && (end + 1 - start) * lengthOf(rows[end]!) <= microBatchTokens) end++;
    batches.push(buildBatch(examples, rows.slice(start, end), lengthOf(rows[end - 1]!)));
    start = end;
  }
  return batches;
}

function padLength(length: number): number {
  return Math.ceil(length / lengthStep) * lengthStep;
}

/** The arrays of rows of examples, each given by the examples' numbers, padded with token 0 to `length`. */
export function buildBatch(
  examples: readonly TokenizedExample[],
  rows: readonly (readonly number[])[],
  length: number,
): MicroBatch {
  const size = rows.length * length;
  const inputIds = new Int32Array(size);
  const positionIds = new Int32Array(size);
  const segmentIds = new Int32Array(size);
  const labelPositions: number[] = [];
  const labels: number[] = [];
  const labelExamples: number[] = [];
  for (const [row, members] of rows.entries()) {
    let at = row * length;
    for (const [index, member] of members.entries()) {
      const { ids, trained, choices } = examples[member]!;
      inputIds.set(ids, at);
      segmentIds.fill(index + 1, at, at + ids.length);
      for (let i = 0; i < ids.length; i++) {
        positionIds[at + i] = i;
        if (trained[i] === 0 || (i === 0 && !choices)) continue;
        for (const label of choices ?? [ids[i]!]) {
          labelPositions.push(choices ? at + i : at + i - 1);
          labels.push(label);
          labelExamples.push(member);
        }
      }
      at += ids.length;
    }
  }
  return {
    rows: rows.length,
    length,
    inputIds,
    positionIds,
    segmentIds,
    labelPositions: Int32Array.from(labelPositions),
    labels: Int32Array.from(labels),
    labelExamples: Int32Array.from(labelExamples),
  };
}
