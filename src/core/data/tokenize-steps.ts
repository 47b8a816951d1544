/** @file Solutions in steps as tokens, with the places where each step is judged. */

import { InputError } from "../errors.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import type { TokenizedExample } from "./batch.ts";
import { type JudgedSolution, unlabelled } from "./step-formats.ts";
import type { TrainingExample } from "./training-example.ts";

export const defaultStepSeparator = "\n";

/**
 * Tokens of a step with what ends it, each tokenized apart, as the `PRMTrainer` of TRL 1.13 does: so a step is the same tokens whatever
 * stands before it.
 *
 * @param separator ends the step. Default: a line feed
 */
export function encodeStep(step: string, tokenizer: Tokenizer, separator = defaultStepSeparator): number[] {
  return [...tokenizer.encode(step), ...tokenizer.encode(separator)];
}

/**
 * The tokens "+" and "-", between which is chosen after each step.
 *
 * @throws InputError if one is no single token of the vocabulary.
 */
export function stepChoices(tokenizer: Tokenizer): readonly [right: number, wrong: number] {
  const [right, wrong] = ["+", "-"].map((text) => {
    const id = tokenizer.idOf(text);
    if (id === undefined)
      throw new InputError(
        `The model's vocabulary has no token "${text}", by which a step is judged; take a model that has it.`,
      );
    return id;
  });
  return [right!, wrong!];
}

/** @param prompt what is solved, as tokens */
export function tokenizeSteps(
  prompt: TokenizedExample,
  { steps, labels }: JudgedSolution,
  tokenizer: Tokenizer,
  separator: string | undefined,
): TrainingExample {
  const ids = [...prompt.ids];
  const trained = [...prompt.trained];
  for (const [i, step] of steps.entries()) {
    const encoded = encodeStep(step, tokenizer, separator);
    ids.push(...encoded);
    const mark = labels[i] === unlabelled ? 0 : 1;
    trained.push(...encoded.map((_, at) => (at === encoded.length - 1 ? mark : 0)));
  }
  return {
    texts: [
      { ids: Int32Array.from(ids), trained: Uint8Array.from(trained), choices: stepChoices(tokenizer) },
    ],
    stepLabels: labels.filter((label) => label !== unlabelled),
  };
}
