/** @file Prompts with the answers to others, by which KTO estimates how far a model is from its reference. */

import type { TokenizedExample } from "./batch.ts";
import type { TrainingExample } from "./training-example.ts";

/**
 * Gives each unpaired answer a second text: its prompt with the answer of the example before it in its batch, and the first of a
 * batch that of the last. Batches are of consecutive examples; in one of a single example the answer is its own, which says
 * nothing. Source: KTO (Ethayarajh et al. 2024, section 4.2), as TRL's `KTOTrainer` does it.
 *
 * An answer is what begins with the first trained token. Of an example that was cut to the context it is what was left, where TRL
 * takes the whole one.
 *
 * @param context tokens to which the new texts are cut
 *
 * @example
 * const [sky, sun] = [[5, 6, 7], [5, 8]].map((ids) => ({
 *   texts: [{ ids: Int32Array.from(ids), trained: Uint8Array.from(ids, (_, i) => Number(i > 0)) }],
 *   label: true,
 * }));
 * const [first, second] = addMismatched([sky!, sun!], 2, 512);
 */
export function addMismatched(
  examples: readonly TrainingExample[],
  batchSize: number,
  context: number,
): TrainingExample[] {
  return examples.map((example, i) => {
    const start = i - (i % batchSize);
    const end = Math.min(start + batchSize, examples.length);
    const other = examples[i === start ? end - 1 : i - 1]!;
    const own = example.texts[0]!;
    return { ...example, texts: [own, joinTexts(own, other.texts[0]!, context)] };
  });
}

/** The prompt of one text and the answer of another. */
function joinTexts(asked: TokenizedExample, answered: TokenizedExample, context: number): TokenizedExample {
  const border = asked.trained.indexOf(1);
  const start = answered.trained.indexOf(1);
  const join = (prompt: Iterable<number>, answer: Iterable<number>) =>
    [...prompt, ...answer].slice(0, context);
  return {
    ids: Int32Array.from(join(asked.ids.subarray(0, border), answered.ids.subarray(start))),
    trained: Uint8Array.from(join(asked.trained.subarray(0, border), answered.trained.subarray(start))),
  };
}
