/** @file Text generation in one call: a prompt in, its continuation out. */

import type { AdaptedModel } from "../adapters/adapted-model.ts";
import type { Device } from "../runtime/device.ts";
import { createGenerator, type GeneratorOptions } from "./batch-generator.ts";
import type { Generator } from "./generator.ts";
import { encodeChat, encodeText } from "./prompt.ts";
import type { SamplingOptions } from "./sample.ts";

export interface GenerateOptions extends SamplingOptions {
  /** Default 128. */
  readonly maxNewTokens?: number;
  /** The text ends before the first of these strings. Default: only the end-of-sequence token ends it. */
  readonly stop?: readonly string[];
  /** Seed of the draws. Default 0. */
  readonly seed?: number;
  /** Whether the prompt is put into the model's chat template as a user's message. Default: if there is a template. */
  readonly chat?: boolean;
  /** Called with each new piece of text. */
  readonly onText?: (text: string) => void;
  /** How weights are kept for writing; see {@link GeneratorOptions}. */
  readonly bits?: GeneratorOptions["bits"];
  /** In which arithmetic the prompt is read; see {@link GeneratorOptions}. */
  readonly inputBits?: GeneratorOptions["inputBits"];
  /** Tokens that are drafted a step; see {@link GeneratorOptions}. Default 0. */
  readonly speculate?: number;
}

/**
 * The model's continuation of `prompt`, up to its end-of-sequence token.
 *
 * @throws InputError if the prompt leaves no room in the model's context, or an option is out of its range.
 *
 * @example
 * const { openDevice, openModel } = await import("slimtune");
 * const model = await openModel("fixtures/embedded-model");
 * console.log(await generate(openDevice("cpu"), model, "Tom has 3 pens.", { maxNewTokens: 20 }));
 */
export async function generate(
  device: Device,
  model: AdaptedModel,
  prompt: string,
  { bits, inputBits, speculate = 0, ...options }: GenerateOptions = {},
): Promise<string> {
  const generator = createGenerator(device, model, {
    batchSize: 1,
    speculate,
    ...(bits !== undefined && { bits }),
    ...(inputBits && { inputBits }),
  });
  try {
    return await continueText(generator, model, prompt, options);
  } finally {
    await generator.close();
  }
}

/** {@link generate} with a generator that the caller keeps, for several prompts. */
export async function continueText(
  generator: Generator,
  model: AdaptedModel,
  prompt: string,
  { maxNewTokens = 128, chat, onText, ...options }: Omit<GenerateOptions, "bits" | "speculate">,
): Promise<string> {
  const promptIds =
    (chat ?? model.tokenizer.chatTemplate !== undefined)
      ? encodeChat(model.tokenizer, [{ role: "user", content: prompt }])
      : encodeText(model.tokenizer, prompt);
  const { text } = await generator.generate(
    { promptIds, maxNewTokens, ...options },
    { ...(onText && { onPiece: (piece) => onText(piece.text) }) },
  );
  return text;
}
