/** @file A request to a server that speaks as OpenAI's, and all that may become of it. */

import type { z } from "zod";
import { InputError } from "../core/errors.ts";

/** Seconds that an answer may take, with all tries. */
const longestAnswer = 600;

export interface ServerRequest<T> {
  /** The server's, for messages. */
  readonly address: string;
  /** What an answer has to be. */
  readonly schema: z.ZodType<T>;
  /** Seconds that the answer may take, with all that is sent again. Default 600. */
  readonly seconds?: number | undefined;
  /** Aborted to give the request up. */
  readonly signal?: AbortSignal;
}

/**
 * What a server answers.
 *
 * @param send sends the request by OpenAI's client, until the signal is aborted
 * @throws InputError if the server is away, takes too long, refuses, fails, or answers something else; the signal's reason if it is
 *   aborted
 */
export async function askServer<T>(
  { address, schema, seconds = longestAnswer, signal }: ServerRequest<T>,
  send: (signal: AbortSignal) => Promise<unknown>,
): Promise<T> {
  const deadline = AbortSignal.timeout(1000 * seconds);
  let answer: unknown;
  try {
    answer = await send(signal ? AbortSignal.any([signal, deadline]) : deadline);
  } catch (error) {
    signal?.throwIfAborted();
    if (deadline.aborted) throw isSlow(address, seconds);
    throw explain(error, address);
  }
  const { success, data } = schema.safeParse(answer);
  if (success) return data;
  throw isStrange(address, JSON.stringify(answer));
}

const isSlow = (address: string, seconds: number) =>
  new InputError(
    `The server at ${address} takes more than ${seconds} seconds to answer; see whether it is well, or ask it for less at a time.`,
  );

const isStrange = (address: string, answer: string) =>
  new InputError(
    `The server at ${address} answers with something else than OpenAI's does, or says nothing of its tokens (${shorten(answer)}); correct its address, or ask another one.`,
  );

/** What a server says, in one line. */
const shorten = (text: string) => text.replace(/\s+/g, " ").slice(0, 200);

/** An error of the client as one of the input, if it is the server's. */
function explain(error: unknown, address: string): unknown {
  // The body is no JSON, or ends in the middle.
  if (error instanceof SyntaxError) return isStrange(address, error.message);
  if (error instanceof TypeError && error.message === "terminated") {
    return new InputError(`The server at ${address} breaks off its answer; see whether it is well.`);
  }
  if (!(error instanceof Error) || !("status" in error)) return error;
  const { status } = error;
  if (typeof status !== "number") {
    return new InputError(`The server at ${address} does not answer; start it, or correct its address.`);
  }
  const message = shorten(error.message);
  return status < 500
    ? new InputError(`The server at ${address} refuses a request: ${message}`)
    : new InputError(`The server at ${address} fails at a request (${message}); see whether it is well.`);
}
