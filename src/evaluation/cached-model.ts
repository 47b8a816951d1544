/** @file A language model that is asked each question once: its answers are kept in files. */

import { createHash } from "node:crypto";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import type { AnswerLog } from "./answer-log.ts";
import type { GenerateUntilResult, LanguageModel, LoglikelihoodResult, OnResult } from "./language-model.ts";

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

/** Wraps `model` so that a request is not computed if it was before or stands twice in a list. */
export function cachedModel(model: LanguageModel, files: AnswerFiles): CachedModel {
  const requestCounts = { asked: 0, found: 0 };

  async function answer<Q, R>(
    requests: readonly Q[],
    name: (request: Q) => RequestName,
    shape: z.ZodType<R>,
    ask: (requests: readonly Q[], onResult: OnResult<R>) => Promise<R[]>,
    onResult: OnResult<R> | undefined,
  ): Promise<R[]> {
    const places = new Map<string, number[]>();
    for (const [index, request] of requests.entries()) {
      const key = hashName(name(request));
      const same = places.get(key);
      if (same) same.push(index);
      else places.set(key, [index]);
    }

    const results: R[] = new Array(requests.length);
    const deliver = (indices: readonly number[], result: R) => {
      for (const index of indices) {
        results[index] = result;
        onResult?.(index, result);
      }
    };

    const missing: { key: string; request: Q; cached: AnswerLog | undefined; indices: readonly number[] }[] =
      [];
    for (const [key, indices] of places) {
      const request = requests[indices[0]!]!;
      // Drawn answers differ from evaluation to evaluation.
      const cached = isDrawn(name(request)) ? undefined : files.cache;
      const logged = files.log.find(key, shape);
      const found = logged ?? cached?.find(key, shape);
      if (found === undefined) {
        missing.push({ key, request, cached, indices });
        continue;
      }
      if (logged === undefined) files.log.append(key, found);
      requestCounts.found++;
      deliver(indices, found);
    }

    if (missing.length > 0) {
      await ask(
        missing.map(({ request }) => request),
        (index, result) => {
          const { key, cached, indices } = missing[index]!;
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
    get tokenCounts() {
      return model.tokenCounts;
    },
    requestCounts,
    applyChatTemplate: (messages) => model.applyChatTemplate(messages),
    loglikelihood: (requests, onResult) =>
      answer(
        requests,
        ({ context, continuation }) => ["loglikelihood", context, continuation],
        loglikelihoodShape,
        (asked, onAnswer) => model.loglikelihood(asked, onAnswer),
        onResult,
      ),
    loglikelihoodRolling: (requests, onResult) =>
      answer(
        requests,
        ({ text }) => ["loglikelihood_rolling", text],
        z.number(),
        (asked, onAnswer) => model.loglikelihoodRolling(asked, onAnswer),
        onResult,
      ),
    generateUntil: (requests, onResult) =>
      answer(
        requests,
        ({ context, options }) => ["generate_until", context, options],
        generationShape,
        (asked, onAnswer) => model.generateUntil(asked, onAnswer),
        onResult,
      ),
  };
}

const loglikelihoodShape: z.ZodType<LoglikelihoodResult> = z.object({
  logLikelihood: z.number(),
  isGreedy: z.boolean(),
  isCut: z.boolean().exactOptional(),
});
const generationShape: z.ZodType<GenerateUntilResult> = z.object({
  text: z.string(),
  tokens: z.number(),
  isCut: z.boolean().exactOptional(),
});

/** A request's type and all that its answer depends on, apart from the model. */
type RequestName = readonly [type: string, text: string, rest?: string | object];

function hashName([type, text, rest]: RequestName): string {
  const settings =
    typeof rest === "object" ? Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)) : rest;
  return createHash("sha256")
    .update(JSON.stringify([type, text, settings]))
    .digest("hex");
}

function isDrawn([, , rest]: RequestName): boolean {
  return typeof rest === "object" && "do_sample" in rest && rest.do_sample === true;
}

/** A likelihood that is no number would be kept as null, and found again in place of an answer. */
function checkFinite(result: unknown): void {
  const value =
    typeof result === "object" && result !== null && "logLikelihood" in result
      ? result.logLikelihood
      : result;
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new InputError(
      `The model gives ${value} as the likelihood of a text, so its weights or its adapter are damaged; tune it again with a lower learning rate, or take another checkpoint.`,
    );
  }
}
