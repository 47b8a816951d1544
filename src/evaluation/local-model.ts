/** @file A model on this machine that answers the requests of tasks, as lm-evaluation-harness's `hf` model does. */

import { type AdaptedModel, noAdapter } from "../core/adapters/adapted-model.ts";
import { createGenerator, type GeneratorOptions } from "../core/decoding/batch-generator.ts";
import { renderChat } from "../core/decoding/prompt.ts";
import { createDecoder } from "../core/engine/decoder.ts";
import { longestCachedText } from "../core/engine/layer-context.ts";
import { InputError } from "../core/errors.ts";
import type { Tokenizer } from "../core/tokenization/tokenizer.ts";
import type { DeviceChoice } from "../node/decoding/generate.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import {
  type Answer,
  answering,
  defaultMaxGenToks,
  type GenerateUntilRequest,
  type GenerationKwargs,
  type LanguageModel,
  type OnResult,
  type RequestType,
  type RequestTypes,
} from "./language-model.ts";
import { encodePair, encodeText, encodeWindows } from "./request-encoding.ts";
import { groupSequences, type SequenceScore, scoreSequences, type TokenSequence } from "./scoring.ts";

/** How texts are written: by default exactly if the storage allows, and 16 at a time. */
export type LocalModelOptions = Pick<GeneratorOptions, "batchSize" | "bits" | "inputBits"> & DeviceChoice;

export interface LocalModel extends LanguageModel {
  answerSome: NonNullable<LanguageModel["answerSome"]>;
  /**
   * Divides requests of a type into so many shards at most that take about the same work and compute little twice.
   *
   * @returns the requests' numbers, by shard; none is empty
   */
  divide<T extends RequestType>(
    type: T,
    requests: readonly RequestTypes[T]["request"][],
    shards: number,
  ): number[][];
  release(): Promise<void>;
}

/** How requests of a type are answered. */
interface Answerer<T extends RequestType> {
  answer(
    requests: readonly RequestTypes[T]["request"][],
    isWanted: (index: number) => boolean,
    onResult: OnResult<Answer<T>>,
  ): Promise<void>;
  /** Requests that are best answered together, in an order in which neighbours share most. */
  group(requests: readonly RequestTypes[T]["request"][]): Group[];
}

/** Requests by their numbers, and the tokens that they take. */
interface Group {
  readonly indices: readonly number[];
  readonly tokens: number;
}

/**
 * Prepares a model for evaluation. Log-likelihoods are computed with the weights as they are stored.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const model = createLocalModel(await openModel("HuggingFaceTB/SmolLM2-135M"));
 * const [result] = await model.loglikelihood([{ context: "2 + 2 =", continuation: " 4" }]);
 * console.log(result?.logLikelihood, result?.isGreedy);
 * await model.release();
 */
export function createLocalModel(model: AdaptedModel, options: LocalModelOptions = {}): LocalModel {
  const { batchSize = 16, bits, inputBits, device = openDevice("cpu") } = options;
  const arithmetic = inputBits ? { inputBits } : {};
  const { config, tokenizer } = model;
  const maxLength = longestCachedText(config);
  const decoder = createDecoder(device, model, model.adapter ?? noAdapter, arithmetic);
  const generator = createGenerator(device, model, {
    batchSize,
    ...(bits !== undefined && { bits }),
    ...arithmetic,
  });
  const tokenCounts = { scored: 0, generated: 0 };

  const score = (
    sequences: readonly TokenSequence[],
    isWanted: (index: number) => boolean,
    onScore: (index: number, score: SequenceScore) => void,
  ) =>
    scoreSequences(
      decoder,
      config,
      sequences,
      onScore,
      (count) => {
        tokenCounts.scored += count;
      },
      isWanted,
    );

  const encodePrompts = (requests: readonly GenerateUntilRequest[]) =>
    requests.map(({ context, options: { max_gen_toks = defaultMaxGenToks } }) => {
      const room = maxLength - max_gen_toks;
      if (room <= 0) {
        throw new InputError(
          `An answer of ${max_gen_toks} tokens does not fit into the model's context of ${maxLength}; lower max_gen_toks.`,
        );
      }
      const ids = encodeText(tokenizer, context);
      return { ids: ids.slice(-room), isCut: ids.length > room };
    });

  const answerers: { readonly [T in RequestType]: Answerer<T> } = {
    loglikelihood: {
      group: (requests) =>
        groupSequences(requests.map((request) => encodePair(tokenizer, request, maxLength))),
      async answer(requests, isWanted, onResult) {
        const sequences = requests.map((request) => encodePair(tokenizer, request, maxLength));
        await score(sequences, isWanted, (index, scores) => {
          const { isCut } = sequences[index]!;
          onResult(index, { ...scores, ...(isCut && { isCut }) });
        });
      },
    },

    loglikelihood_rolling: {
      group: (requests) =>
        requests.map(({ text }, index) => ({
          indices: [index],
          tokens: 1 + encodeText(tokenizer, text).length,
        })),
      async answer(requests, isWanted, onResult) {
        const windows = requests.flatMap(({ text }, request) =>
          encodeWindows(tokenizer, text, maxLength).map((sequence) => ({ request, sequence })),
        );
        const sums = new Array<number>(requests.length).fill(0);
        const missing = new Array<number>(requests.length).fill(0);
        for (const { request } of windows) missing[request]!++;
        for (const [request, count] of missing.entries())
          if (count === 0 && isWanted(request)) onResult(request, 0);
        await score(
          windows.map(({ sequence }) => sequence),
          (index) => isWanted(windows[index]!.request),
          (index, { logLikelihood }) => {
            const { request } = windows[index]!;
            sums[request]! += logLikelihood;
            if (--missing[request]! === 0) onResult(request, sums[request]!);
          },
        );
      },
    },

    generate_until: {
      group(requests) {
        const prompts = encodePrompts(requests);
        return longestFirst(prompts).map((index) => ({
          indices: [index],
          tokens: prompts[index]!.ids.length + (requests[index]!.options.max_gen_toks ?? defaultMaxGenToks),
        }));
      },
      async answer(requests, isWanted, onResult) {
        const prompts = encodePrompts(requests);
        await Promise.all(
          longestFirst(prompts)
            .filter(isWanted)
            .map(async (index) => {
              const { ids, isCut } = prompts[index]!;
              const { text, completionTokens, computedPromptTokens } = await generator.generate({
                promptIds: ids,
                seed: index,
                ...samplingOf(requests[index]!.options, tokenizer),
              });
              tokenCounts.scored += computedPromptTokens;
              tokenCounts.generated += completionTokens;
              onResult(index, { text, tokens: completionTokens, ...(isCut && { isCut }) });
            }),
        );
      },
    },
  };

  const answerAll = async <T extends RequestType>(
    type: T,
    requests: readonly RequestTypes[T]["request"][],
    onResult: OnResult<Answer<T>> | undefined,
  ): Promise<Answer<T>[]> => {
    const results = new Array<Answer<T>>(requests.length);
    await answerers[type].answer(
      requests,
      () => true,
      (index, result) => {
        results[index] = result;
        onResult?.(index, result);
      },
    );
    return results;
  };

  return {
    maxLength,
    chatTemplate: tokenizer.chatTemplate,
    tokenCounts,
    applyChatTemplate: (messages) => renderChat(tokenizer, messages),
    ...answering(answerAll),

    canScore(request) {
      try {
        encodePair(tokenizer, request, maxLength);
        return true;
      } catch (error) {
        if (error instanceof InputError) return false;
        throw error;
      }
    },

    answerSome: (type, requests, isWanted, onResult) => answerers[type].answer(requests, isWanted, onResult),
    divide: (type, requests, shards) => divideGroups(answerers[type].group(requests), shards),

    async release() {
      await decoder.release();
      await generator.close();
    },
  };
}

/** Rows of about the same length leave little of the cache unused. */
function longestFirst(prompts: readonly { readonly ids: readonly number[] }[]): number[] {
  return [...prompts.keys()].sort((a, b) => prompts[b]!.ids.length - prompts[a]!.ids.length);
}

/** Cuts a list of groups into parts of about the same number of tokens. */
function divideGroups(groups: readonly Group[], parts: number): number[][] {
  const all = groups.reduce((sum, { tokens }) => sum + tokens, 0);
  const divided = Array.from({ length: parts }, (): number[] => []);
  let before = 0;
  for (const { indices, tokens } of groups) {
    const middle = (before + tokens / 2) / all;
    divided[Math.min(parts - 1, Math.floor(middle * parts))]!.push(...indices);
    before += tokens;
  }
  return divided.filter(({ length }) => length > 0);
}

function samplingOf(options: GenerationKwargs, tokenizer: Tokenizer) {
  const {
    until,
    max_gen_toks = defaultMaxGenToks,
    do_sample,
    top_p,
    top_k,
    min_p,
    repetition_penalty,
  } = options;
  const end = tokenizer.eosTokenId === undefined ? undefined : tokenizer.tokenOf(tokenizer.eosTokenId);
  return {
    maxNewTokens: max_gen_toks,
    stop: [...until, ...(end === undefined ? [] : [end])].filter((string) => string !== ""),
    temperature: do_sample ? (options.temperature ?? 1) : 0,
    ...(top_p !== undefined && { topP: top_p }),
    ...(top_k !== undefined && top_k > 0 && { topK: top_k }),
    ...(min_p !== undefined && { minP: min_p }),
    ...(repetition_penalty !== undefined && { repetitionPenalty: repetition_penalty }),
  };
}
