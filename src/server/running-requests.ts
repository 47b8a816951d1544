/** @file The requests under way: how many there may be, and how they end when the server does. */

import { ApiError } from "./api-error.ts";

export interface RunningRequests {
  /** @throws ApiError as {@link run} does if not even one text more could be written. */
  check(): void;
  /**
   * Runs one request's work.
   *
   * @param texts how many texts it writes
   * @param client aborted when the client goes away
   * @param work gets a signal that is aborted when nobody waits for the result any more
   * @throws ApiError 429 if too many texts are waiting already, 503 if the server is shutting down.
   */
  run<T>(texts: number, client: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Takes no more requests; gives those under way some time to finish, then aborts them. */
  drain(graceMilliseconds: number): Promise<void>;
}

/** @param limit the most texts that are written or wait at any time */
export function createRunningRequests(limit: number): RunningRequests {
  const running = new Set<AbortController>();
  let texts = 0;
  let closing = false;
  let onIdle = () => {};

  function admit(count: number): void {
    if (closing) throw shuttingDown();
    if (texts + count > limit) {
      throw new ApiError(429, `The queue is full: ${texts} texts are waiting; try again later.`, {
        code: "queue_full",
        headers: { "retry-after": "1" },
      });
    }
  }

  return {
    check: () => admit(1),
    async run(count, client, work) {
      admit(count);
      const controller = new AbortController();
      const leave = () => controller.abort();
      if (client.aborted) leave();
      client.addEventListener("abort", leave);
      running.add(controller);
      texts += count;
      try {
        return await work(controller.signal);
      } finally {
        // Where one of several texts failed, the others are of no use.
        controller.abort();
        client.removeEventListener("abort", leave);
        running.delete(controller);
        texts -= count;
        if (running.size === 0) onIdle();
      }
    },
    async drain(graceMilliseconds) {
      closing = true;
      if (running.size === 0) return;
      const idle = new Promise<void>((resolve) => {
        onIdle = resolve;
      });
      const timer = setTimeout(() => {
        for (const controller of running) controller.abort(shuttingDown());
      }, graceMilliseconds);
      await idle;
      clearTimeout(timer);
    },
  };
}

function shuttingDown(): ApiError {
  return new ApiError(503, "The server is shutting down.", { code: "shutting_down" });
}
