/** @file From an example to what an objective sees of it. */

import { InputError } from "../errors.ts";
import type { Tokenizer } from "../tokenization/tokenizer.ts";
import type { Example } from "./example.ts";
import { type TokenizationOptions, tokenizeExample } from "./tokenize-example.ts";
import { tokenizePrompt } from "./tokenize-prompt.ts";
import { tokenizeSteps } from "./tokenize-steps.ts";
import type { TrainingExample } from "./training-example.ts";

/** A row as examples. */
export interface PreparedRow {
  /** One, but of a conversation whose turns cannot stand in one text, and of several solutions. */
  readonly examples: readonly TrainingExample[];
  /** Roles of messages whose texts are in no example, since the template does not print them. */
  readonly unprintedRoles: readonly string[];
}

/**
 * Tokenizes an example with all that belongs to it. The texts of a preference have the same prompt, which ends where it would for
 * the chosen answer alone. Of a prompt that the model answers itself there is the prompt alone; of solutions in steps each is an
 * example, of which the ends of steps are judged.
 *
 * @param path for messages
 * @throws InputError naming file and line as `tokenizeExample` does; or if an answer of a preference has turns that the template
 *   prints differently when others follow, so that it is no single text.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const { tokenizer } = await openModel("fixtures/embedded-model");
 * const read = createExampleReader("pairs", {}, "pairs");
 * const pair = read({ fields: { prompt: "When?", chosen: "At nine.", rejected: "No." }, line: 1 });
 * const { examples } = prepareExample(pair, tokenizer, { trainOn: "completion", applyChatTemplate: true }, "pairs");
 */
export function prepareExample(
  example: Example,
  tokenizer: Tokenizer,
  options: TokenizationOptions,
  path: string,
): PreparedRow {
  const { rejected, reworded, label, weight, problem, solutions } = example;
  const about = { ...(weight !== undefined && { weight }), ...(label !== undefined && { label }) };
  if (problem || solutions) {
    const text = tokenizePrompt(example, tokenizer, options, `${path}, line ${example.line}`);
    const examples: TrainingExample[] = solutions
      ? solutions.map((solution) => tokenizeSteps(text, solution, tokenizer, options.stepSeparator))
      : [{ texts: [text], problem: problem! }];
    return { examples: examples.map((each) => ({ ...each, ...about })), unprintedRoles: [] };
  }
  const other = rejected ?? reworded;
  const isWhole = other !== undefined || label !== undefined;
  const sides = [example, ...(other ? [other] : [])].map((side) =>
    tokenizeExample(side, tokenizer, options, path),
  );
  if (isWhole && sides.some(({ examples }) => examples.length > 1)) {
    throw new InputError(
      `${path}, line ${example.line}: the answer has several turns, which the chat template prints differently when others follow; make all but the last of them part of the prompt.`,
    );
  }
  return {
    examples: isWhole
      ? [{ texts: sides.flatMap(({ examples }) => examples), ...about }]
      : sides[0]!.examples.map((text) => ({ texts: [text], ...about })),
    unprintedRoles: [...new Set(sides.flatMap(({ unprintedRoles }) => unprintedRoles))],
  };
}
