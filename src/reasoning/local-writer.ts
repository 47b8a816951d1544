/** @file A model on this machine as a writer. */

import { type AdaptedModel, noAdapter } from "../core/adapters/adapted-model.ts";
import { createGenerator, type GeneratorOptions } from "../core/decoding/batch-generator.ts";
import { encodeText, renderChat } from "../core/decoding/prompt.ts";
import { findThinkTokens, isThinking } from "../core/decoding/thinking.ts";
import { createDecoder, type Decoder } from "../core/engine/decoder.ts";
import { longestCachedText } from "../core/engine/layer-context.ts";
import { InputError } from "../core/errors.ts";
import { giveWay } from "../core/event-loop.ts";
import type { ChatMessage } from "../core/tokenization/chat-template.ts";
import { encodeUnfinished } from "../core/tokenization/unfinished.ts";
import type { LocalModelOptions } from "../evaluation/local-model.ts";
import { type SequenceScore, scoreSequences, type TokenSequence } from "../evaluation/scoring.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { mean } from "../statistics/estimates.ts";
import { createSharedClock } from "./meter.ts";
import { plainPrompt, plainStops } from "./prompts.ts";
import type { WriteRequest, Writer, Written } from "./writer.ts";

export interface LocalWriterOptions extends LocalModelOptions, Pick<GeneratorOptions, "keptBytes"> {
  /** All that the model's answers depend on. */
  readonly identity: string;
  /** Whether conversations are put into the model's chat template, or into plain text. Default: if it has a template. */
  readonly chat?: boolean;
}

/**
 * Prepares a model for strategies. Texts that are asked for at the same time are written side by side, and what they begin with
 * alike is computed once.
 *
 * @throws InputError if the model has no chat template, but is asked for conversations in it.
 */
export function createLocalWriter(
  model: AdaptedModel,
  { identity, chat, batchSize = 16, device = openDevice("cpu"), ...options }: LocalWriterOptions,
): Writer {
  const { tokenizer, config } = model;
  const inChat = chat ?? tokenizer.chatTemplate !== undefined;
  if (inChat && tokenizer.chatTemplate === undefined) {
    throw new InputError(`The model ${model.name} has no chat template; ask it in plain text.`);
  }
  const generator = createGenerator(device, model, { batchSize, ...options });
  const think = findThinkTokens(tokenizer);
  const context = longestCachedText(config);
  const clock = createSharedClock();
  let decoder: Decoder | undefined;
  let scoring: Promise<void> | undefined;
  let waiting: { sequence: TokenSequence; resolve(sum: number): void; reject(reason: unknown): void }[] = [];

  /** Scores all texts that are asked for by the end of this turn of the event loop, and those that came meanwhile. */
  const scoreWaiting = async () => {
    await giveWay();
    while (waiting.length > 0) {
      const asked = waiting;
      waiting = [];
      try {
        decoder ??= createDecoder(device, model, model.adapter ?? noAdapter);
        const sequences = asked.map(({ sequence }) => sequence);
        const onScore = (index: number, { logLikelihood }: SequenceScore) =>
          asked[index]!.resolve(logLikelihood);
        await scoreSequences(decoder, config, sequences, onScore, () => {});
      } catch (error) {
        for (const { reject } of asked) reject(error);
      }
    }
    scoring = undefined;
  };

  const render = (messages: readonly ChatMessage[]) =>
    inChat ? renderChat(tokenizer, messages) : plainPrompt(messages);

  /** Token ids of a conversation and of what the assistant has begun to say. */
  const encode = ({ messages, begun = [] }: Pick<WriteRequest, "messages" | "begun">) => {
    const prompt = encodeText(tokenizer, render(messages));
    if (prompt.length >= context) {
      throw new InputError(
        `the question with its examples has ${prompt.length} tokens, but the model's context is ${context}; give fewer examples, or leave the task out.`,
      );
    }
    const turn: number[] = [];
    let text = "";
    for (const part of begun) {
      if (typeof part === "string" || part.ids === undefined) {
        text += typeof part === "string" ? part : part.text;
        continue;
      }
      turn.push(...encodeUnfinished(tokenizer, text), ...part.ids);
      text = "";
    }
    return [...prompt, ...turn, ...encodeUnfinished(tokenizer, text)];
  };

  return {
    identity: `${identity} ${inChat ? "chat" : "plain"}`,
    name: model.name,
    chat: inChat,
    abilities: ["continue", "logprobs", "score"],
    context,
    countTokens: (text) => tokenizer.encode(text).length,
    countPrompt: (messages) => encodeText(tokenizer, render(messages)).length,

    async write(request, signal) {
      const promptIds = encode(request);
      const opening = (ids: readonly number[]) =>
        think && isThinking(ids, think) ? { openThoughts: tokenizer.tokenOf(think.end)! } : {};
      if (promptIds.length >= context) {
        const nothing = { promptTokens: promptIds.length, computedPromptTokens: 0, seconds: 0, tokens: 0 };
        return { text: "", reason: "length", ids: [], ...nothing, ...opening(promptIds) };
      }
      const stop = [...(request.stop ?? []), ...(inChat ? [] : plainStops)];
      const leave = clock.enter();
      const generation = await generator.generate(
        {
          promptIds,
          maxNewTokens: request.maxTokens,
          seed: request.seed,
          temperature: request.temperature ?? 0,
          topP: request.topP ?? 1,
          stop,
          ...(request.stopAfterThoughts && think && { stopIds: [think.end] }),
          ...(request.logprobs && { logprobs: 0 }),
        },
        { signal },
      );
      const seconds = leave();
      const { text, finishReason, completionTokens, computedPromptTokens, tokens, stopString } = generation;
      const endsThoughts = request.stopAfterThoughts === true && generation.ids.at(-1) === think?.end;
      const reason: Written["reason"] =
        finishReason === "length" ? "length" : endsThoughts ? "thoughts" : "stop";
      const isEnded = generation.ids.at(-1) === tokenizer.eosTokenId;
      const isWhole = reason !== "stop" || isEnded;
      const ids = reason === "length" ? [...generation.ids] : generation.ids.slice(0, -1);
      return {
        text,
        reason,
        ...(reason === "stop" && { isEnded }),
        ...(stopString !== null && { stopString }),
        tokens: completionTokens,
        promptTokens: promptIds.length,
        computedPromptTokens,
        seconds,
        ...(isWhole && { ids }),
        ...opening([...promptIds, ...ids]),
        ...(request.logprobs &&
          tokens.length > 0 && { meanLogprob: mean(tokens.map(({ logprob }) => logprob)) }),
      };
    },

    async score(request, text) {
      const scored = tokenizer.encode(text);
      const before = encode(request);
      if (scored.length === 0 || before.length + scored.length > context) {
        throw new InputError(
          `a text of ${scored.length} tokens after ${before.length} cannot be scored in a context of ${context}.`,
        );
      }
      const leave = clock.enter();
      const logprob = await new Promise<number>((resolve, reject) => {
        waiting.push({ sequence: { ids: [...before, ...scored], scored: scored.length }, resolve, reject });
        scoring ??= scoreWaiting();
      });
      return { logprob, tokens: scored.length, seconds: leave() };
    },

    async release() {
      await scoring;
      await generator.close();
      await decoder?.release();
    },
  };
}
