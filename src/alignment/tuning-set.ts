/** @file A set of tuning data, gone through once: a sample of its examples, and what it has in common with items. */

import { createExampleReader, type Example, type FieldMapping } from "../core/data/example.ts";
import { contentText } from "../core/data/messages.ts";
import { InputError } from "../core/errors.ts";
import { createRandom } from "../core/random.ts";
import { readRows } from "../node/formats/rows.ts";
import type { ContaminationIndex, Overlap } from "./contamination.ts";

export interface TuningSet {
  /** Rows of the file. */
  readonly rows: number;
  /** Drawn at random, each row as likely as another. */
  readonly sample: readonly Example[];
  readonly overlaps: readonly Overlap[];
}

export interface TuningSetOptions {
  readonly fields?: FieldMapping;
  /** Examples to draw; all if there are no more. */
  readonly samples: number;
  readonly seed: number;
  readonly onRow?: (rows: number) => void;
}

/**
 * Reads a file of examples, of which only the sample is kept (reservoir sampling: Vitter 1985, algorithm R).
 *
 * @throws InputError naming file and line if the file is damaged or a row fits no format, or it has no examples.
 */
export async function readTuningSet(
  path: string,
  index: ContaminationIndex,
  { fields, samples, seed, onRow }: TuningSetOptions,
): Promise<TuningSet> {
  const read = createExampleReader(path, fields);
  const search = index.createSearch();
  const random = createRandom(seed);
  const sample: Example[] = [];
  let rows = 0;
  for await (const row of readRows(path)) {
    const example = read(row);
    search.visit(textOf(example), example.line);
    rows++;
    const place = rows <= samples ? rows - 1 : random.below(rows);
    if (place < samples) sample[place] = example;
    onRow?.(rows);
  }
  if (rows === 0) throw new InputError(`${path} holds no examples.`);
  return { rows, sample, overlaps: search.overlaps() };
}

/** What an example says, without the marks of a chat template. */
export function textOf({ messages, plain }: Example): string {
  return messages ? messages.map(contentText).join("\n") : plain!.prompt + plain!.completion;
}
