/** @file A generator in another process: messages between the two, and both ends of them. */

import type { Generation, GenerationRequest, Generator, Piece } from "../core/decoding/generator.ts";
import { type Failure, toError, toFailure } from "../core/failure.ts";

/** Messages to the process of the engine. */
export type ToEngine =
  /** Requests that are made at once come in one message, so that the prompt which they share is sent once. */
  | { readonly type: "submit"; readonly requests: readonly Submitted[] }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "shutdown" };

export interface Submitted {
  readonly id: number;
  readonly request: GenerationRequest;
  /** Whether pieces are wanted before the whole. */
  readonly pieces: boolean;
}

/** Messages from the process of the engine. */
export type FromEngine =
  | { readonly type: "ready" }
  /** The model could not be loaded. */
  | ({ readonly type: "failed" } & Failure)
  | { readonly type: "piece"; readonly id: number; readonly piece: Piece }
  | { readonly type: "done"; readonly id: number; readonly generation: Generation }
  | ({ readonly type: "error"; readonly id: number } & Failure);

/** One end of a line between two processes. */
export interface Port<Out, In> {
  send(message: Out): void;
  listen(listener: (message: In) => void): void;
}

/**
 * The engine's process has ended, so no answer will come.
 *
 * @example
 * const server = await serveModel({ model: "fixtures/embedded-model" });
 * server.lost.then((error: EngineLostError) => console.error(error.message));
 */
export class EngineLostError extends Error {
  override readonly name = "EngineLostError";
}

export interface RemoteGenerator extends Pick<Generator, "generate"> {
  /** Fails all requests under way and to come. */
  lose(error: EngineLostError): void;
}

interface Waiting {
  readonly onPiece: ((piece: Piece) => void) | undefined;
  readonly resolve: (generation: Generation) => void;
  readonly reject: (error: unknown) => void;
}

/** The generator at the other end of the line, where {@link hostGenerator} listens. */
export function connectGenerator(port: Port<ToEngine, FromEngine>): RemoteGenerator {
  const waiting = new Map<number, Waiting>();
  let nextId = 0;
  let lost: EngineLostError | undefined;
  let submitted: Submitted[] = [];

  function submit(request: Submitted): void {
    if (submitted.length === 0) queueMicrotask(sendSubmitted);
    submitted.push(request);
  }

  function sendSubmitted(): void {
    const requests = submitted.filter(({ id }) => waiting.has(id));
    submitted = [];
    if (requests.length > 0) port.send({ type: "submit", requests });
  }

  port.listen((message) => {
    // Messages on cancelled requests may still be on their way.
    const request = "id" in message ? waiting.get(message.id) : undefined;
    if (message.type === "piece") request?.onPiece?.(message.piece);
    else if (message.type === "done") request?.resolve(message.generation);
    else if (message.type === "error") request?.reject(toError(message));
  });

  return {
    async generate(request, { signal, onPiece } = {}) {
      if (lost) throw lost;
      signal?.throwIfAborted();
      const id = nextId++;
      let cancel = () => {};
      try {
        return await new Promise<Generation>((resolve, reject) => {
          waiting.set(id, { onPiece, resolve, reject });
          cancel = () => {
            port.send({ type: "cancel", id });
            reject(signal!.reason);
          };
          signal?.addEventListener("abort", cancel);
          submit({ id, request, pieces: onPiece !== undefined });
        });
      } finally {
        signal?.removeEventListener("abort", cancel);
        waiting.delete(id);
      }
    },
    lose(error) {
      lost = error;
      for (const { reject } of waiting.values()) reject(error);
    },
  };
}

/**
 * Answers the messages of {@link connectGenerator} with a generator of this process.
 *
 * @param onShutdown called when the other end wants this process to end
 */
export function hostGenerator(
  port: Port<FromEngine, ToEngine>,
  generator: Generator,
  onShutdown: () => void,
): void {
  const running = new Map<number, AbortController>();

  async function answer({ id, request, pieces }: Submitted): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    running.set(id, controller);
    const onPiece = (piece: Piece) => port.send({ type: "piece", id, piece });
    try {
      const generation = await generator.generate(request, { signal, ...(pieces && { onPiece }) });
      port.send({ type: "done", id, generation });
    } catch (error) {
      if (!signal.aborted) port.send({ type: "error", id, ...toFailure(error) });
    } finally {
      running.delete(id);
    }
  }

  port.listen((message) => {
    if (message.type === "submit") for (const request of message.requests) void answer(request);
    else if (message.type === "cancel") running.get(message.id)?.abort();
    else onShutdown();
  });
}
