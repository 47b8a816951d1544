/** @file Prepares requests in a thread of its own: to check, render and encode a long one takes time, and HTTP must not wait for it. */

import { Worker } from "node:worker_threads";
import { type Failure, toError } from "../core/failure.ts";
import type { ChatSettings } from "../core/tokenization/chat-template.ts";
import { ApiError, type ApiErrorDetails, type ErrorStatus } from "./api-error.ts";
import type { Endpoint, PreparedRequest } from "./prepare-request.ts";
import type { ServedModel } from "./served-model.ts";

/** What the thread is told when it starts. */
export interface RequestThreadOptions
  extends Pick<ServedModel, "id" | "adapters" | "maxTexts" | "templates"> {
  /** Folder or GGUF file of the model, for its tokenizer and template. */
  readonly path: string;
  /** In place of the model's own template and of today's date. */
  readonly chat?: ChatSettings;
}

/** A message to the thread: a request to prepare. The next one follows when it has been answered. */
export interface ToThread {
  readonly endpoint: Endpoint;
  readonly body: Uint8Array;
}

/** Messages from the thread. */
export type FromThread =
  | { readonly type: "ready" }
  /** The tokenizer could not be opened. */
  | ({ readonly type: "failed" } & Failure)
  | { readonly type: "prepared"; readonly request: PreparedRequest }
  | {
      readonly type: "refused";
      readonly status: ErrorStatus;
      readonly message: string;
      readonly details: ApiErrorDetails;
    }
  | ({ readonly type: "error" } & Failure);

export interface RequestThread {
  /** Fulfilled when requests can be prepared; those that come before wait. @throws InputError if the tokenizer cannot be opened. */
  readonly ready: Promise<void>;
  /**
   * Prepares a request when those before it are.
   *
   * @param signal aborted when nobody waits for it any more
   * @throws ApiError or InputError if it cannot be answered, takes too long or too much memory; an AbortError if nobody waits for it.
   */
  prepare(endpoint: Endpoint, body: Uint8Array, signal: AbortSignal): Promise<PreparedRequest>;
  stop(): Promise<void>;
}

interface Job extends ToThread {
  readonly signal: AbortSignal;
  resolve(request: PreparedRequest): void;
  reject(error: unknown): void;
}

/** What one request may take. */
export interface RequestLimits {
  readonly milliseconds: number;
  /** Of the thread's own heap, tokenizer included. */
  readonly megabytes: number;
}

/** A text that fills a context of 131,072 tokens takes one or two seconds; a tokenizer of 256,000 tokens half a gigabyte. */
const defaultLimits: RequestLimits = { milliseconds: 10_000, megabytes: 2048 };

export function startRequestThread(options: RequestThreadOptions, limits = defaultLimits): RequestThread {
  const queue: Job[] = [];
  let current: Job | undefined;
  let deadline: NodeJS.Timeout | undefined;
  let thread: Worker;
  let isIdle = false;
  let failure: Error | undefined;
  let onReady = () => {};
  let onFailed = (_error: Error) => {};
  const ready = new Promise<void>((resolve, reject) => {
    onReady = resolve;
    onFailed = reject;
  });
  // Whoever stops before it is ready need not wait for it.
  ready.catch(() => {});

  function start(): void {
    const started = new Worker(new URL("./request-worker.js", import.meta.url), {
      workerData: options,
      resourceLimits: { maxOldGenerationSizeMb: limits.megabytes },
    });
    thread = started;
    isIdle = false;
    started.on("message", (message: FromThread) => {
      if (started === thread) hear(message);
    });
    // It throws nothing itself, so its memory is exhausted.
    started.on("error", (error) => {
      if (started !== thread) return;
      if (current) giveUp("needs more memory than it may take");
      else fail(error);
    });
  }

  function hear(message: FromThread): void {
    if (message.type === "ready") {
      onReady();
    } else if (message.type === "failed") {
      fail(toError(message));
      return;
    } else {
      const job = current;
      current = undefined;
      clearTimeout(deadline);
      if (message.type === "prepared") job?.resolve(message.request);
      else if (message.type === "error") job?.reject(toError(message));
      else job?.reject(new ApiError(message.status, message.message, message.details));
    }
    isIdle = true;
    next();
  }

  function next(): void {
    if (!isIdle) return;
    current = queue.shift();
    while (current?.signal.aborted) {
      current.reject(nobodyWaits());
      current = queue.shift();
    }
    if (!current) return;
    isIdle = false;
    const { endpoint, body } = current;
    thread.postMessage({ endpoint, body } satisfies ToThread);
    const { milliseconds } = limits;
    deadline = setTimeout(() => giveUp(`takes more than ${milliseconds} ms to read`), milliseconds);
  }

  /** Ends the thread with the request that it is at, and goes on with another. */
  function giveUp(reason: string): void {
    clearTimeout(deadline);
    current?.reject(new ApiError(400, `The request ${reason}; shorten it.`));
    current = undefined;
    thread.terminate();
    start();
  }

  function fail(error: Error): void {
    failure = error;
    onFailed(error);
    for (const { reject } of queue.splice(0)) reject(error);
  }

  start();
  return {
    ready,
    async prepare(endpoint, body, signal) {
      if (signal.aborted) throw nobodyWaits();
      if (failure) throw failure;
      return new Promise((resolve, reject) => {
        queue.push({ endpoint, body, signal, resolve, reject });
        next();
      });
    },
    async stop() {
      clearTimeout(deadline);
      await thread.terminate();
    },
  };
}

function nobodyWaits(): Error {
  return new DOMException("The client went away.", "AbortError");
}
