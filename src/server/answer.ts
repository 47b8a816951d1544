/** @file Answers a request with one or several texts, whole or as a stream of server-sent events. */

import { randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Generation, GenerationRequest, Generator, Piece } from "../core/decoding/generator.ts";
import { InputError } from "../core/errors.ts";
import { ApiError } from "./api-error.ts";
import { type PreparedRequest, toGenerationRequests } from "./prepare-request.ts";
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
  ending(index: number, generation: Generation): object;
}

/** How a choice has ended, if it has: OpenAI's field, and vLLM's for the stop string that ended it. */
export function describeEnd(generation?: Generation): object {
  return {
    finish_reason: generation?.finishReason ?? null,
    stop_reason: generation?.stopString ?? null,
  };
}

export interface AnswerContext {
  readonly generator: Pick<Generator, "generate">;
  readonly running: RunningRequests;
  /** The answer to a request that fails; unexpected errors are logged there. */
  readonly describeError: (error: unknown) => { toJSON(): object };
}

/** What is answered, and how. */
interface Answer {
  readonly prepared: PreparedRequest;
  /** One for each choice. */
  readonly requests: readonly GenerationRequest[];
  readonly format: AnswerFormat;
}

/**
 * @param signal aborted when the client goes away
 * @throws ApiError as {@link RunningRequests.run} does, or if the engine fails; whatever the generator throws.
 */
export async function answer(
  prepared: PreparedRequest,
  format: AnswerFormat,
  signal: AbortSignal,
  context: AnswerContext,
): Promise<Response> {
  const asked = { prepared, format, requests: toGenerationRequests(prepared) };
  return prepared.stream ? streamAnswer(asked, signal, context) : wholeAnswer(asked, signal, context);
}

/** @throws ApiError 500 if the model is at fault, since the request has been checked; whatever else the generator throws. */
async function generate(
  { generator }: AnswerContext,
  ...[request, events]: Parameters<Generator["generate"]>
): Promise<Generation> {
  try {
    return await generator.generate(request, events);
  } catch (error) {
    throw error instanceof InputError ? new ApiError(500, error.message, { code: "engine_failed" }) : error;
  }
}

async function wholeAnswer(asked: Answer, client: AbortSignal, context: AnswerContext): Promise<Response> {
  const { requests } = asked;
  const generations = await context.running.run(requests.length, client, (signal) =>
    Promise.all(requests.map((request) => generate(context, request, { signal }))),
  );
  return respond(ReadableStream.from(writeWhole(asked, generations)), "application/json");
}

/** The JSON of all choices, one after the other, so that others have their turn between two. */
async function* writeWhole(asked: Answer, generations: readonly Generation[]): AsyncGenerator<string> {
  const { format } = asked;
  yield `${JSON.stringify(envelope(asked, format.object)).slice(0, -1)},"choices":[`;
  for (const [index, generation] of generations.entries()) {
    yield `${index > 0 ? "," : ""}${JSON.stringify(format.whole(index, generation))}`;
    await setImmediate();
  }
  yield `],"usage":${JSON.stringify(countUsage(asked, generations))}}`;
}

function streamAnswer(asked: Answer, client: AbortSignal, context: AnswerContext): Promise<Response> {
  const { prepared, requests, format } = asked;
  const { includeUsage } = prepared;
  const head = envelope(asked, format.chunkObject);
  const { readable, writable } = new TransformStream<string, string>();
  const writer = writable.getWriter();
  // Writing fails once the client is gone, and then nobody misses it.
  const ignore = () => {};
  const write = (data: string) => void writer.write(`data: ${data}\n\n`).catch(ignore);
  const send = (choice: object) =>
    write(JSON.stringify({ ...head, choices: [choice], ...(includeUsage && { usage: null }) }));

  async function writeChoice(request: GenerationRequest, index: number, signal: AbortSignal) {
    /** The opening, with the first of what follows: all at once they could be many megabytes. */
    let opening = format.opening(index);
    const sendNext = (choice: object) => {
      if (opening) send(opening);
      opening = undefined;
      send(choice);
    };
    const onPiece = (piece: Piece) => sendNext(format.piece(index, piece));
    const generation = await generate(context, request, { signal, onPiece });
    sendNext(format.ending(index, generation));
    return generation;
  }

  async function writeAll(signal: AbortSignal): Promise<void> {
    try {
      const generations = await Promise.all(
        requests.map((request, index) => writeChoice(request, index, signal)),
      );
      if (includeUsage) {
        write(JSON.stringify({ ...head, choices: [], usage: countUsage(asked, generations) }));
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
      .run(requests.length, client, (signal) => {
        // The response begins when the request is admitted: a refusal still has a status of its own.
        resolve(respond(readable, "text/event-stream"));
        return writeAll(signal);
      })
      .catch(reject);
  });
}

function respond(body: ReadableStream<string>, type: string): Response {
  return new Response(body.pipeThrough(new TextEncoderStream()), {
    headers: { "content-type": type, "cache-control": "no-cache" },
  });
}

function envelope({ prepared, format }: Answer, object: string): object {
  return {
    id: `${format.idPrefix}${randomUUID().replaceAll("-", "")}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model: prepared.model,
  };
}

/** The tokens of each prompt are counted once. */
function countUsage({ prepared }: Answer, generations: readonly Generation[]): object {
  const promptTokens = prepared.prompts.reduce((sum, { ids }) => sum + ids.length, 0);
  const completionTokens = generations.reduce((sum, generation) => sum + generation.completionTokens, 0);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}
