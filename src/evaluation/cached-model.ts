/** @file A language model that is asked each question once: its answers are kept in files. */

import type { AnswerLog } from "./answer-log.ts";
import {
  type Answer,
  answering,
  askSome,
  type LanguageModel,
  type ModelRequest,
  type OnResult,
  type RequestType,
} from "./language-model.ts";
import { answerShapes, checkFinite, hashRequest } from "./recorded-answers.ts";

export interface AnswerFiles {
  /** Gets every answer of this evaluation, so that it can be resumed. */
  readonly log: AnswerLog;
  /** Answers of the same model in any evaluation. */
  readonly cache?: AnswerLog;
}

export interface CachedModel extends LanguageModel {
  /** How many different requests the model was asked, and how many were answered from the files. */
  readonly requestCounts: { readonly asked: number; readonly found: number };
}

/**
 * Wraps `model` so that a request is not computed if it was before or stands twice in a list. What is computed has the bits that it would have
 * had without an interruption, as far as the model's `answerSome` says.
 */
export function cachedModel(model: LanguageModel, files: AnswerFiles): CachedModel {
  const requestCounts = { asked: 0, found: 0 };

  async function answer<T extends RequestType>(
    type: T,
    requests: readonly ModelRequest<T>[],
    onResult: OnResult<Answer<T>> | undefined,
  ): Promise<Answer<T>[]> {
    const places = new Map<string, number[]>();
    for (const [index, request] of requests.entries()) {
      const key = hashRequest(request);
      const same = places.get(key);
      if (same) same.push(index);
      else places.set(key, [index]);
    }

    const results: Answer<T>[] = new Array(requests.length);
    const deliver = (indices: readonly number[], result: Answer<T>) => {
      for (const index of indices) {
        results[index] = result;
        onResult?.(index, result);
      }
    };

    /** What the model is asked, or was before this evaluation was interrupted. */
    const own: {
      key: string;
      request: ModelRequest<T>;
      cached: AnswerLog | undefined;
      indices: readonly number[];
      isMissing: boolean;
    }[] = [];
    for (const [key, indices] of places) {
      const request = requests[indices[0]!]!;
      // Drawn answers differ from evaluation to evaluation.
      const cached = isDrawn(request as ModelRequest) ? undefined : files.cache;
      const logged = files.log.find(key, answerShapes[type]);
      const found = logged ?? cached?.find(key, answerShapes[type]);
      if (found !== undefined && logged === undefined) files.log.append(key, found, { isTaken: true });
      if (!files.log.isTaken(key))
        own.push({ key, request, cached, indices, isMissing: found === undefined });
      if (found === undefined) continue;
      requestCounts.found++;
      deliver(indices, found);
    }

    if (own.some(({ isMissing }) => isMissing)) {
      await askSome(
        model,
        type,
        own.map(({ request }) => request),
        (index) => own[index]!.isMissing,
        (index, result) => {
          const { key, cached, indices } = own[index]!;
          checkFinite(result);
          files.log.append(key, result);
          cached?.append(key, result);
          requestCounts.asked++;
          deliver(indices, result);
        },
      );
    }
    return results;
  }

  return {
    get maxLength() {
      return model.maxLength;
    },
    get chatTemplate() {
      return model.chatTemplate;
    },
    canScore: (request) => model.canScore?.(request) ?? true,
    get tokenCounts() {
      return model.tokenCounts;
    },
    requestCounts,
    applyChatTemplate: (messages) => model.applyChatTemplate(messages),
    ...answering(answer),
  };
}

function isDrawn(request: ModelRequest): boolean {
  return request.type === "generate_until" && request.options.do_sample === true;
}
