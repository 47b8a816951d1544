import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Hono } from "hono";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ApiError } from "../server/api-error.ts";
import type { StudioEvent } from "./api.ts";
import { createEventHub, type EventHub } from "./events.ts";

let hub: EventHub;
beforeEach(() => {
  hub = createEventHub();
});
afterEach(() => hub.close());

const metrics = (run: string): StudioEvent => ({ kind: "metrics", run });

interface Stream {
  readonly status: number;
  /** What was heard since the last call, once it holds as many blocks as these. */
  hear(blocks: number): Promise<string[]>;
  leave(): Promise<void>;
}

async function listen(lastId?: string): Promise<Stream> {
  const app = new Hono().get("/", (c) => hub.answer(c));
  app.onError((error, c) => c.text(error.message, (error as ApiError).status));
  const response = await app.request("/", {
    headers: lastId === undefined ? {} : { "last-event-id": lastId },
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    status: response.status,
    async hear(blocks) {
      while (text.split("\n\n").length <= blocks) {
        const { done, value } = await reader.read();
        if (done) break;
        text += value;
      }
      const all = text.split("\n\n");
      text = all.splice(blocks).join("\n\n");
      return all;
    },
    leave: () => reader.cancel(),
  };
}

const idOf = (block: string) => /^id: (.*)$/m.exec(block)![1]!;

test("a page hears what happens from when it came, each with an id", async () => {
  hub.publish(metrics("before"));
  const stream = await listen();
  const [first] = await stream.hear(1);
  expect(first).toMatch(/^id: \w+-1$/);
  hub.publish(metrics("a"));
  hub.publish({ kind: "run-removed", id: "b\n\nevent: x" });
  const [second, third] = await stream.hear(2);
  expect(second).toBe(`event: metrics\ndata: {"kind":"metrics","run":"a"}\n${idLine(first!, 1)}`);
  expect(third).toBe(
    `event: run-removed\ndata: {"kind":"run-removed","id":"b\\n\\nevent: x"}\n${idLine(first!, 2)}`,
  );
  await stream.leave();
  await vi.waitFor(() => expect(hub.open).toBe(0));
});

const idLine = (block: string, later: number) =>
  `id: ${idOf(block).replace(/\d+$/, (number) => String(Number(number) + later))}`;

test("a page that has lost its connection hears what it has missed, once", async () => {
  const stream = await listen();
  const [beginning] = await stream.hear(1);
  hub.publish(metrics("a"));
  const [heard] = await stream.hear(1);
  await stream.leave();
  hub.publish(metrics("b"));
  hub.publish(metrics("c"));
  const back = await listen(idOf(heard!));
  const missed = await back.hear(3);
  expect(missed.map((block) => /"run":"(\w)"/.exec(block)?.[1])).toEqual([undefined, "b", "c"]);
  hub.publish(metrics("d"));
  expect((await back.hear(1))[0]).toContain('"run":"d"');
  // One that has heard no event yet has the id that was sent at the beginning.
  expect((await (await listen(idOf(beginning!))).hear(2))[1]).toContain('"run":"a"');
});

test.each([
  ["of another start of the studio", (id: string) => `0${id}`],
  ["that was never sent", (id: string) => `${id}9`],
  ["of nonsense", () => "x\u{e9}"],
  ["of a number beyond all", (id: string) => id.replace(/-.*/, `-${"9".repeat(30)}`)],
])("a page with an id %s is told to ask for everything anew", async (_, change) => {
  const [first] = await (await listen()).hear(1);
  hub.publish(metrics("a"));
  const stream = await listen(change(idOf(first!)));
  expect((await stream.hear(1))[0]).toMatch(/^event: reload\ndata: {"kind":"reload"}\nid: \w+-1$/);
  hub.publish(metrics("b"));
  expect((await stream.hear(1))[0]).toContain('"run":"b"');
});

test("so is one that has missed more than is kept, or reads too slowly for it", async () => {
  const slow = await listen();
  const [first] = await slow.hear(1);
  hub.publish(metrics("a"));
  for (let event = 0; event < 1500; event++) hub.publish(metrics(`${event}`));
  const late = await listen(idOf(first!));
  expect((await late.hear(1))[0]).toContain("event: reload");
  expect((await slow.hear(1))[0]).toContain("event: reload");
});

test("of 500 streams at a time 100 are served, others are refused, and those that leave make room", async () => {
  const streams = await Promise.all(Array.from({ length: 500 }, () => listen()));
  expect(streams.filter(({ status }) => status === 200)).toHaveLength(100);
  expect(streams.filter(({ status }) => status === 429)).toHaveLength(400);
  expect(hub.open).toBe(100);
  hub.publish(metrics("a"));
  for (const stream of streams.filter(({ status }) => status === 200))
    expect((await stream.hear(2))[1]).toContain('"run":"a"');
  for (const stream of streams) await stream.leave();
  await vi.waitFor(() => expect(hub.open).toBe(0));
  expect((await listen()).status).toBe(200);
});

test("a stream without events says now and then that it is still there", async () => {
  vi.useFakeTimers();
  try {
    hub = createEventHub();
    const stream = await listen();
    await stream.hear(1);
    const beat = stream.hear(1);
    await vi.advanceTimersByTimeAsync(16_000);
    expect(await beat).toEqual([":"]);
  } finally {
    vi.useRealTimers();
  }
});

test("an end of the studio ends all streams", async () => {
  const stream = await listen();
  await stream.hear(1);
  hub.close();
  expect(await stream.hear(5)).toEqual([""]);
  await vi.waitFor(() => expect(hub.open).toBe(0));
});

test("memory does not grow with events, though a page reads none of them", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const [, ...reading] = await Promise.all(Array.from({ length: 4 }, () => listen()));
  const send = async (count: number) => {
    for (let event = 0; event < count; event += 10) {
      for (let part = 0; part < 10; part++) hub.publish(metrics(`${event + part}`.padStart(400, "x")));
      await Promise.all(reading.map((stream) => stream.hear(10)));
    }
    await setTimeout(10);
    collect();
    return process.memoryUsage().heapUsed;
  };
  await send(3000);
  const before = await send(1000);
  const after = await send(8000);
  console.info(`${((after - before) / 8000).toFixed(1)} bytes an event`);
  expect((after - before) / 8000).toBeLessThan(50);
});
