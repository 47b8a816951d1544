/** @file Requests and answers as they stand in files. */

import { createHash } from "node:crypto";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { type Answer, argumentsOf, type ModelRequest, type RequestType } from "./language-model.ts";

const generationSchema = z.strictObject({
  until: z.array(z.string()),
  max_gen_toks: z.int().min(1).exactOptional(),
  do_sample: z.boolean().exactOptional(),
  temperature: z.number().exactOptional(),
  top_p: z.number().exactOptional(),
  top_k: z.number().exactOptional(),
  min_p: z.number().exactOptional(),
  repetition_penalty: z.number().exactOptional(),
});

export const requestShapes: { readonly [T in RequestType]: z.ZodType<ModelRequest<T>> } = {
  loglikelihood: z.strictObject({
    type: z.literal("loglikelihood"),
    context: z.string(),
    continuation: z.string(),
  }),
  loglikelihood_rolling: z.strictObject({ type: z.literal("loglikelihood_rolling"), text: z.string() }),
  generate_until: z.strictObject({
    type: z.literal("generate_until"),
    context: z.string(),
    options: generationSchema,
  }),
};

export const answerShapes: { readonly [T in RequestType]: z.ZodType<Answer<T>> } = {
  loglikelihood: z.object({
    logLikelihood: z.number(),
    isGreedy: z.boolean(),
    isCut: z.boolean().exactOptional(),
  }),
  loglikelihood_rolling: z.number(),
  generate_until: z.object({ text: z.string(), tokens: z.number(), isCut: z.boolean().exactOptional() }),
};

/** SHA-256 of a request's type and of all that its answer depends on, apart from the model. */
export function hashRequest<T extends RequestType>(request: ModelRequest<T>): string {
  const [text, rest] = argumentsOf(request as ModelRequest);
  const settings =
    typeof rest === "object" ? Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)) : rest;
  return createHash("sha256")
    .update(JSON.stringify([request.type, text, settings]))
    .digest("hex");
}

/** @throws InputError if an answer is a likelihood that is no number, which would be kept as null, and found again in place of an answer. */
export function checkFinite(result: unknown): void {
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
