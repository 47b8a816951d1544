/** @file Text generation, token by token. */

import { type AdaptedModel, noAdapter } from "../adapters/adapted-model.ts";
import { createEngine, type Engine } from "../engine/engine.ts";
import { InputError } from "../errors.ts";
import { createRandom } from "../random.ts";
import type { Device } from "../runtime/device.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { adjustBeginning } from "../tokenization/beginning.ts";
import { applyChatTemplate, specialTokensOf } from "../tokenization/chat-template.ts";
import { checkSampling, type SamplingOptions, sampleToken } from "./sample.ts";

export interface GenerateOptions extends SamplingOptions {
  /** Default 128. */
  readonly maxNewTokens?: number;
  /** Seed of the draws. Default 0. */
  readonly seed?: number;
  /** Whether the prompt is put into the model's chat template as a user's message. Default: if there is a template. */
  readonly chat?: boolean;
  /** Called with each new piece of text. */
  readonly onText?: (text: string) => void;
  /** Where to run. Default: the CPU. */
  readonly device?: Device;
}

/**
 * The model's continuation of `prompt`, up to its end-of-sequence token.
 *
 * @throws InputError if the prompt leaves no room in the model's context, or an option is out of its range.
 */
export async function generate(
  model: AdaptedModel,
  prompt: string,
  options: GenerateOptions = {},
): Promise<string> {
  const { adaptation } = model.adapter ?? noAdapter;
  const device = options.device ?? openDevice("cpu");
  const engine = createEngine(device, model.config, model.weights, adaptation, { segmentSize: 1 });
  try {
    return await continueText(engine, model, prompt, options);
  } finally {
    await engine.release();
  }
}

/** {@link generate} with an engine that the caller keeps, for several prompts. */
export async function continueText(
  engine: Engine,
  model: AdaptedModel,
  prompt: string,
  options: GenerateOptions,
): Promise<string> {
  const { maxNewTokens = 128, seed = 0, onText } = options;
  checkSampling(options);
  const { tokenizer, config } = model;
  const ids = encodePrompt(model, prompt, options.chat);
  const promptLength = ids.length;
  if (promptLength >= config.maxPositionEmbeddings) {
    throw new InputError(
      `The prompt has ${promptLength} tokens, but the model's context is ${config.maxPositionEmbeddings}; shorten it.`,
    );
  }
  const { parameters } = model.adapter ?? noAdapter;
  const random = createRandom(seed);
  let text = "";
  while (ids.length < Math.min(promptLength + maxNewTokens, config.maxPositionEmbeddings)) {
    const logits = await engine.logits(singleRow(ids), Int32Array.of(ids.length - 1), parameters);
    const next = sampleToken(logits, options, random);
    if (next === tokenizer.eosTokenId) break;
    ids.push(next);
    const whole = tokenizer.decode(ids.slice(promptLength), { skipSpecialTokens: true });
    // A character of several tokens is incomplete until the last of them.
    if (whole.endsWith("\ufffd")) continue;
    onText?.(whole.slice(text.length));
    text = whole;
  }
  return text;
}

function encodePrompt({ tokenizer }: AdaptedModel, prompt: string, chat: boolean | undefined): number[] {
  const template = tokenizer.chatTemplate;
  if (chat && template === undefined) {
    throw new InputError("The model has no chat template, so it cannot take the prompt as a chat message.");
  }
  if (template === undefined || chat === false) return tokenizer.encode(prompt, { addSpecialTokens: true });
  const { text } = applyChatTemplate(template, [{ role: "user", content: prompt }], {
    addGenerationPrompt: true,
    ...specialTokensOf(tokenizer),
  });
  const ids = tokenizer.encode(text);
  const { drop, add } = adjustBeginning(ids, tokenizer);
  return [...add, ...ids.slice(drop)];
}

function singleRow(ids: readonly number[]) {
  return {
    rows: 1,
    length: ids.length,
    inputIds: Int32Array.from(ids),
    positionIds: Int32Array.from(ids.keys()),
    segmentIds: new Int32Array(ids.length).fill(1),
  };
}
