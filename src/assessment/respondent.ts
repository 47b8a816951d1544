/** @file What is asked about texts: a writer whose answers are kept, read from likelihoods or as written. */

import { z } from "zod";
import { InputError } from "../core/errors.ts";
import type { ChatMessage } from "../core/tokenization/chat-template.ts";
import { type AnswerLog, findOrCompute } from "../evaluation/answer-log.ts";
import { createMeter, type Meter } from "../reasoning/meter.ts";
import { type Writer, writtenSchema } from "../reasoning/writer.ts";
import type { Choice } from "./formulations/formulation.ts";

/** How answers that are one of several are read: from how likely each is, or from what the model writes. */
export const readings = ["likelihoods", "written"] as const;
export type Reading = (typeof readings)[number];

export interface RespondentOptions {
  readonly reading: Reading;
  /** Of what is written; 0 takes the likeliest tokens. */
  readonly temperature: number;
  readonly signal: AbortSignal;
  /** Called after each answer. */
  readonly onAnswer?: () => void;
}

/** Answers about one dimension of one text, with what they cost. */
export interface Respondent {
  readonly meter: Meter;
  /** @param parse the number of the option that a written answer means */
  choose(
    messages: readonly ChatMessage[],
    options: readonly string[],
    parse: (text: string) => number | undefined,
  ): Promise<Choice>;
  write(messages: readonly ChatMessage[], maxTokens: number): Promise<string>;
}

/** Tokens of a written answer that is one of several: room for a few words around it. */
export const answerTokens = 16;
/** Of drawn texts. */
const topP = 0.95;

const likelihoodsSchema = z.object({
  /** Of each option, in nats. */
  logprobs: z.array(z.number()),
  promptTokens: z.number(),
  tokens: z.number(),
  seconds: z.number(),
});

/** @returns what answers with draws of a seed, if there are any */
export function createRespondents(
  writer: Writer,
  log: AnswerLog,
  { reading, temperature, signal, onAnswer }: RespondentOptions,
): (seed: number) => Respondent {
  const known = async <T>(request: unknown, shape: z.ZodType<T>, compute: () => Promise<T>): Promise<T> => {
    const answer = await findOrCompute(log, [writer.identity, request], shape, compute, signal);
    onAnswer?.();
    return answer;
  };

  return (seed) => {
    const meter = createMeter();
    const write: Respondent["write"] = async (messages, maxTokens) => {
      const drawn = temperature > 0 ? { temperature, topP, seed } : { temperature, seed: 0 };
      const request = { messages, maxTokens, ...drawn };
      const written = await known(request, writtenSchema, () => writer.write(request, signal));
      meter.promptTokens += written.promptTokens;
      meter.computedPromptTokens += written.computedPromptTokens;
      meter.completionTokens += written.tokens;
      meter.seconds += written.seconds;
      meter.calls++;
      return written.text;
    };
    return {
      meter,
      write,
      async choose(messages, options, parse) {
        if (reading === "written") return { chosen: parse((await write(messages, answerTokens)).trim()) };
        const { logprobs, promptTokens, tokens, seconds } = await known(
          { messages, options },
          likelihoodsSchema,
          () => scoreOptions(writer, messages, options),
        );
        meter.promptTokens += promptTokens;
        meter.verifierTokens += tokens;
        meter.seconds += seconds;
        meter.calls++;
        const highest = Math.max(...logprobs);
        if (!Number.isFinite(highest))
          throw new InputError(`${writer.name} gives likelihoods that are no numbers; take another model.`);
        const weights = logprobs.map((logprob) => Math.exp(logprob - highest));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        return { chosen: logprobs.indexOf(highest), probabilities: weights.map((weight) => weight / total) };
      },
    };
  };
}

/** How likely each option is as the answer: whole, of however many tokens it is. */
async function scoreOptions(
  writer: Writer,
  messages: readonly ChatMessage[],
  options: readonly string[],
): Promise<z.output<typeof likelihoodsSchema>> {
  // Plain text ends with "Answer:", after which a space comes.
  const space = writer.chat ? "" : " ";
  const scored = await Promise.all(options.map((option) => writer.score!({ messages }, `${space}${option}`)));
  return {
    logprobs: scored.map(({ logprob }) => logprob),
    promptTokens: writer.countPrompt?.(messages) ?? 0,
    tokens: scored.reduce((sum, { tokens }) => sum + tokens, 0),
    seconds: scored.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}
