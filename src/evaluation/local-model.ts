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
  defaultMaxGenToks,
  type GenerateUntilResult,
  type GenerationKwargs,
  type LanguageModel,
  type LoglikelihoodResult,
} from "./language-model.ts";
import { encodePair, encodeText, encodeWindows } from "./request-encoding.ts";
import { type SequenceScore, scoreSequences, type TokenSequence } from "./scoring.ts";

/** How texts are written: by default exactly if the storage allows, and 16 at a time. */
export type LocalModelOptions = Pick<GeneratorOptions, "batchSize" | "bits"> & DeviceChoice;

export interface LocalModel extends LanguageModel {
  release(): Promise<void>;
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
  const { batchSize = 16, bits, device = openDevice("cpu") } = options;
  const { config, tokenizer } = model;
  const maxLength = longestCachedText(config);
  const decoder = createDecoder(device, model, model.adapter ?? noAdapter);
  const generator = createGenerator(device, model, { batchSize, ...(bits !== undefined && { bits }) });
  const tokenCounts = { scored: 0, generated: 0 };

  const score = async (
    sequences: readonly TokenSequence[],
    onScore: (index: number, score: SequenceScore) => void,
  ) => {
    await scoreSequences(decoder, config, sequences, onScore, (count) => {
      tokenCounts.scored += count;
    });
  };

  return {
    maxLength,
    chatTemplate: tokenizer.chatTemplate,
    tokenCounts,
    applyChatTemplate: (messages) => renderChat(tokenizer, messages),

    canScore(request) {
      try {
        encodePair(tokenizer, request, maxLength);
        return true;
      } catch (error) {
        if (error instanceof InputError) return false;
        throw error;
      }
    },

    async loglikelihood(requests, onResult) {
      const results = new Array<LoglikelihoodResult>(requests.length);
      const sequences = requests.map((request) => encodePair(tokenizer, request, maxLength));
      await score(sequences, (index, scores) => {
        const { isCut } = sequences[index]!;
        const result = { ...scores, ...(isCut && { isCut }) };
        results[index] = result;
        onResult?.(index, result);
      });
      return results;
    },

    async loglikelihoodRolling(requests, onResult) {
      const windows = requests.flatMap(({ text }, request) =>
        encodeWindows(tokenizer, text, maxLength).map((sequence) => ({ request, sequence })),
      );
      const sums = new Array<number>(requests.length).fill(0);
      const missing = new Array<number>(requests.length).fill(0);
      for (const { request } of windows) missing[request]!++;
      await score(
        windows.map(({ sequence }) => sequence),
        (index, { logLikelihood }) => {
          const { request } = windows[index]!;
          sums[request]! += logLikelihood;
          if (--missing[request]! === 0) onResult?.(request, sums[request]!);
        },
      );
      return sums;
    },

    async generateUntil(requests, onResult) {
      const prompts = requests.map(({ context, options: kwargs }) => {
        const { max_gen_toks = defaultMaxGenToks } = kwargs;
        const room = maxLength - max_gen_toks;
        if (room <= 0) {
          throw new InputError(
            `An answer of ${max_gen_toks} tokens does not fit into the model's context of ${maxLength}; lower max_gen_toks.`,
          );
        }
        const ids = encodeText(tokenizer, context);
        return { ids: ids.slice(-room), isCut: ids.length > room };
      });
      // Rows of about the same length leave little of the cache unused.
      const order = [...prompts.keys()].sort((a, b) => prompts[b]!.ids.length - prompts[a]!.ids.length);
      const results = new Array<GenerateUntilResult>(requests.length);
      await Promise.all(
        order.map(async (index) => {
          const { ids, isCut } = prompts[index]!;
          const { text, completionTokens, computedPromptTokens } = await generator.generate({
            promptIds: ids,
            seed: index,
            ...samplingOf(requests[index]!.options, tokenizer),
          });
          tokenCounts.scored += computedPromptTokens;
          tokenCounts.generated += completionTokens;
          results[index] = { text, tokens: completionTokens, ...(isCut && { isCut }) };
          onResult?.(index, results[index]);
        }),
      );
      return results;
    },

    async release() {
      await decoder.release();
      await generator.close();
    },
  };
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
