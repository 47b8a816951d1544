/** @file Answers a request with one or several texts, whole or as a stream of server-sent events. */

import { randomUUID } from "node:crypto";
import type { Context } from "hono";
import type { Generation, GenerationRequest, Generator, Piece } from "../generation/generator.ts";
import type { RunningRequests } from "./running-requests.ts";

/** How an endpoint puts texts into its responses; choices are numbered from 0. */
export interface AnswerFormat {
  readonly idPrefix: string;
  readonly object: string;
  readonly chunkObject: string;
  /** A whole choice. */
  whole(index: number, generation: Generation): object;
  /** The first event of a choice, if it has one before the first piece. */
  opening(index: number): object | undefined;
  piece(index: number, piece: Piece): object;
  ending(index: number, finishReason: Generation["finishReason"]): object;
}

export interface AnswerPlan {
  readonly model: string;
  /** One for each choice. */
  readonly requests: readonly GenerationRequest[];
  /** Tokens of the prompts, each counted once. */
  readonly promptTokens: number;
  readonly stream: boolean;
  /** Whether a stream ends with the number of tokens. */
  readonly includeUsage: boolean;
  readonly format: AnswerFormat;
}

export interface AnswerContext {
  readonly generator: Generator;
  readonly running: RunningRequests;
  /** The answer to a request that fails; unexpected errors are logged there. */
  readonly describeError: (error: unknown) => { toJSON(): object };
}

/** @throws ApiError as {@link RunningRequests.run} does; whatever the generator throws. */
export async function answer(c: Context, plan: AnswerPlan, context: AnswerContext): Promise<Response> {
  return plan.stream ? streamAnswer(c, plan, context) : wholeAnswer(c, plan, context);
}

async function wholeAnswer(c: Context, plan: AnswerPlan, context: AnswerContext): Promise<Response> {
  const { requests, format } = plan;
  const generations = await context.running.run(requests.length, c.req.raw.signal, (signal) =>
    Promise.all(requests.map((request) => context.generator.generate(request, { signal }))),
  );
  return c.json({
    ...envelope(plan, format.object),
    choices: generations.map((generation, index) => format.whole(index, generation)),
    usage: countUsage(plan, generations),
  });
}

function streamAnswer(c: Context, plan: AnswerPlan, context: AnswerContext): Promise<Response> {
  const { requests, format, includeUsage } = plan;
  const head = envelope(plan, format.chunkObject);
  const { readable, writable } = new TextEncoderStream();
  const writer = writable.getWriter();
  // Writing fails once the client is gone, and then nobody misses it.
  const ignore = () => {};
  const write = (data: string) => void writer.write(`data: ${data}\n\n`).catch(ignore);
  const send = (choice: object) =>
    write(JSON.stringify({ ...head, choices: [choice], ...(includeUsage && { usage: null }) }));

  async function writeChoice(request: GenerationRequest, index: number, signal: AbortSignal) {
    const opening = format.opening(index);
    if (opening) send(opening);
    const onPiece = (piece: Piece) => send(format.piece(index, piece));
    const generation = await context.generator.generate(request, { signal, onPiece });
    send(format.ending(index, generation.finishReason));
    return generation;
  }

  async function writeAll(signal: AbortSignal): Promise<void> {
    try {
      const generations = await Promise.all(
        requests.map((request, index) => writeChoice(request, index, signal)),
      );
      if (includeUsage) {
        write(JSON.stringify({ ...head, choices: [], usage: countUsage(plan, generations) }));
      }
      write("[DONE]");
    } catch (error) {
      write(JSON.stringify(context.describeError(error)));
    }
    // Not awaited: a client that reads slowly, or never, must not keep the server from ending.
    writer.close().catch(ignore);
  }

  return new Promise((resolve, reject) => {
    context.running
      .run(requests.length, c.req.raw.signal, (signal) => {
        // The response begins when the request is admitted: a refusal still has a status of its own.
        resolve(respond(readable));
        return writeAll(signal);
      })
      .catch(reject);
  });
}

function respond(body: ReadableStream): Response {
  return new Response(body, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
  });
}

function envelope({ model, format }: AnswerPlan, object: string): object {
  return {
    id: `${format.idPrefix}${randomUUID().replaceAll("-", "")}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model,
  };
}

function countUsage({ promptTokens }: AnswerPlan, generations: readonly Generation[]): object {
  const completionTokens = generations.reduce((sum, generation) => sum + generation.completionTokens, 0);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}
