/** @file Server-sent events: what has changed, to all pages that are open. */

import { randomBytes } from "node:crypto";
import type { Context } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import { ApiError } from "../server/api-error.ts";
import type { StudioEvent } from "./api.ts";

export interface EventHub {
  publish(event: StudioEvent): void;
  /**
   * Answers with events from now on or, for a page whose connection was lost, from the last that it has heard.
   *
   * @throws ApiError 429 if too many streams are open.
   */
  answer(c: Context): Response;
  /** How many streams are open. */
  readonly open: number;
  /** Ends all streams. */
  close(): void;
}

/** The most events that are kept for those who come back. */
const maximumKept = 1000;

/** The most streams at a time; a browser has one for each page. */
const maximumStreams = 100;

/** Milliseconds after which a stream without events says that it is still there. */
const heartbeat = 15_000;

export function createEventHub(): EventHub {
  /** Ids of another start of the studio are none of this one's. */
  const epoch = randomBytes(6).toString("hex");
  const kept: StudioEvent[] = [];
  /** The number of the next event. */
  let next = 1;
  let open = 0;
  let isClosed = false;
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const go of waiting) go();
    waiting.clear();
  };
  const beating = setInterval(wake, heartbeat).unref();

  /** The number of the event after that of an id; undefined if what followed it is lost. */
  function findNext(id: string): number | undefined {
    const [, of, digits] = /^(\w+)-(\d{1,15})$/.exec(id) ?? [];
    const number = Number(digits) + 1;
    return of === epoch && number <= next && number >= next - kept.length ? number : undefined;
  }

  const idBefore = (number: number) => `${epoch}-${number - 1}`;

  async function send(stream: SSEStreamingApi, lastId: string | undefined): Promise<void> {
    let position = lastId === undefined ? next : findNext(lastId);
    // An id alone is no event, but is sent again if the connection is lost.
    if (position !== undefined) await stream.write(`id: ${idBefore(position)}\n\n`);
    while (!stream.aborted && !isClosed) {
      if (position === undefined || position < next - kept.length) {
        position = next;
        await stream.writeSSE({ id: idBefore(position), event: "reload", data: '{"kind":"reload"}' });
      } else if (position < next) {
        const event = kept[kept.length - (next - position)]!;
        position++;
        await stream.writeSSE({ id: idBefore(position), event: event.kind, data: JSON.stringify(event) });
      } else {
        await waitFor(stream);
        if (position === next) await stream.write(":\n\n");
      }
    }
  }

  /** Waits for an event, a heartbeat, or the stream's end. */
  function waitFor(stream: SSEStreamingApi): Promise<void> {
    return new Promise((resolve) => {
      waiting.add(resolve);
      endings.set(stream, () => {
        waiting.delete(resolve);
        resolve();
      });
      if (stream.aborted || isClosed) endings.get(stream)!();
    });
  }
  const endings = new WeakMap<SSEStreamingApi, () => void>();

  return {
    publish(event) {
      kept.push(event);
      if (kept.length > maximumKept) kept.shift();
      next++;
      wake();
    },
    answer(c) {
      if (open >= maximumStreams)
        throw new ApiError(429, "Too many pages of the studio are open; close some of them.", {
          headers: { "retry-after": "10" },
        });
      open++;
      return streamSSE(c, async (stream) => {
        stream.onAbort(() => endings.get(stream)?.());
        try {
          await send(stream, c.req.header("last-event-id"));
        } finally {
          open--;
        }
      });
    },
    get open() {
      return open;
    },
    close() {
      isClosed = true;
      clearInterval(beating);
      wake();
    },
  };
}
