/** @file For tests: what every transport does, whatever is beneath it. */

import { expect, test } from "vitest";
import { InputError } from "../core/errors.ts";
import {
  hashOf,
  maxDocumentBytes,
  maxItemBytes,
  memberSpace,
  StaleDocumentError,
  type Transport,
} from "./transport.ts";

const bytesOf = (text: string) => Buffer.from(text);
const leaseMs = 1500;
/** What a program can hold on to though a busy machine stops it for a while. */
const longLeaseMs = 2 * leaseMs;
const soon = { waitMs: 1000 };

/**
 * Defines the tests that every transport has to pass, each with places of its own: they run side by side, since most of their time is waiting.
 *
 * @param open connects one more process to the same place
 */
export function describeTransport(open: () => Promise<Transport>): void {
  let count = 0;
  const withTransport = (name: string, act: (transport: Transport, place: string) => Promise<void>) =>
    test.concurrent(name, async () => {
      const transport = await open();
      const place = `place-${count++}`;
      try {
        await act(transport, place);
      } finally {
        await transport.close();
      }
    });

  withTransport("items are claimed once each, in order, by whoever comes", async (transport, queue) => {
    await transport.createQueue(queue, { leaseMs });
    const other = await open();
    for (const id of ["a", "b", "c"]) expect(await transport.publish(queue, id, bytesOf(id))).toBe(true);
    const claims = [
      await transport.claim(queue, soon),
      await other.claim(queue, soon),
      await transport.claim(queue, soon),
    ];
    expect(claims.map((claim) => [claim!.id, String(Buffer.from(claim!.body)), claim!.attempt])).toEqual([
      ["a", "a", 1],
      ["b", "b", 1],
      ["c", "c", 1],
    ]);
    for (const claim of claims) await claim!.done();
    expect(await other.claim(queue, { waitMs: 2 * leaseMs })).toBeUndefined();
    await claims[0]!.done();
    await other.close();
  });

  withTransport("an item is queued once, also after it is done", async (transport, queue) => {
    await transport.createQueue(queue, { leaseMs });
    expect(await transport.publish(queue, "a", bytesOf("first"))).toBe(true);
    expect(await transport.publish(queue, "a", bytesOf("second"))).toBe(false);
    const claim = await transport.claim(queue, soon);
    expect(String(Buffer.from(claim!.body))).toBe("first");
    await claim!.done();
    expect(await transport.publish(queue, "a", bytesOf("third"))).toBe(false);
    expect(await transport.claim(queue, soon)).toBeUndefined();
  });

  withTransport("an item whose claimant says no more is claimed again", async (transport, queue) => {
    await transport.createQueue(queue, { leaseMs });
    await transport.publish(queue, "a", bytesOf("a"));
    const vanished = await open();
    expect(await vanished.claim(queue, soon)).toMatchObject({ id: "a", attempt: 1 });
    await vanished.close();
    const again = await transport.claim(queue, { waitMs: 3 * leaseMs });
    expect(again).toMatchObject({ id: "a", attempt: 2 });
    await again!.done();
  });

  withTransport("an item is its claimant's while that says that it lives", async (transport, queue) => {
    await transport.createQueue(queue, { leaseMs: longLeaseMs });
    await transport.publish(queue, "a", bytesOf("a"));
    const claim = await transport.claim(queue, soon);
    const other = await open();
    const waiting = other.claim(queue, { waitMs: 1.5 * longLeaseMs });
    const heartbeat = setInterval(() => void claim!.extend(), longLeaseMs / 8);
    expect(await waiting).toBeUndefined();
    clearInterval(heartbeat);
    await claim!.release();
    const next = await other.claim(queue, soon);
    expect(next).toMatchObject({ id: "a", attempt: 2 });
    await next!.done();
    await other.close();
  });

  withTransport("who waits for an item can be told to stop", async (transport, queue) => {
    await transport.createQueue(queue, { leaseMs });
    const stop = new AbortController();
    const waiting = transport.claim(queue, { waitMs: 60_000, signal: stop.signal });
    setTimeout(() => stop.abort(), 100);
    const started = performance.now();
    expect(await waiting).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(5000);
    await transport.publish(queue, "a", bytesOf("a"));
    const claim = await transport.claim(queue, { waitMs: 2 * leaseMs });
    expect(claim).toMatchObject({ id: "a" });
    await claim!.done();
  });

  withTransport("blobs are found by their hash, whole", async (transport, space) => {
    await transport.createSpace(space);
    const bytes = Uint8Array.from({ length: 1_000_003 }, (_, i) => (i * i) >> 3);
    const other = await open();
    for (const content of [bytes, new Uint8Array()]) {
      const hash = await transport.putBlob(space, content);
      expect(hash).toBe(hashOf(content));
      expect(await transport.putBlob(space, content)).toBe(hash);
      expect(hashOf(await other.getBlob(space, hash, content.length))).toBe(hash);
    }
    const hash = hashOf(bytes);
    await expect(other.getBlob(space, hash, bytes.length - 1)).rejects.toThrow(
      `The blob ${hash} of ${space} has 1000003 bytes, but at most 1000002 are allowed; divide it.`,
    );
    await other.deleteBlob(space, hash);
    await other.deleteBlob(space, hash);
    await expect(transport.getBlob(space, hash, 10_000_000)).rejects.toThrow(
      `There is no blob ${hash} in ${space}; have it sent again.`,
    );
    expect(await transport.putBlob(space, bytes)).toBe(hash);
    expect((await other.getBlob(space, hash, bytes.length)).length).toBe(bytes.length);
    await other.close();
  });

  withTransport("a document that another has written is not overwritten", async (transport, space) => {
    await transport.createSpace(space);
    const other = await open();
    expect(await transport.readDocument(space, "round")).toBeUndefined();
    const first = await transport.writeDocument(space, "round", { number: 1 }, 0);
    await expect(other.writeDocument(space, "round", { number: 7 }, 0)).rejects.toThrow(StaleDocumentError);
    const read = await other.readDocument(space, "round");
    expect(read).toEqual({ value: { number: 1 }, revision: first });
    const second = await other.writeDocument(space, "round", { number: 2 }, read!.revision);
    expect(second).toBeGreaterThan(first);
    await expect(transport.writeDocument(space, "round", { number: 8 }, first)).rejects.toThrow(
      `The document "round" of ${space} was written by another since its revision ${first} was read; read it again.`,
    );
    expect(await transport.readDocument(space, "round")).toEqual({ value: { number: 2 }, revision: second });
    await transport.writeDocument(space, "member.1", [null], 0);
    expect(await other.listDocuments(space)).toEqual(["member.1", "round"]);
    await other.close();
  });

  withTransport("of those who write a document at once, one does", async (transport, space) => {
    await transport.createSpace(space);
    const others = await Promise.all([open(), open(), open()]);
    const outcomes = await Promise.allSettled(
      [transport, ...others].map((one, index) => one.writeDocument(space, "document", index, 0)),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const winner = outcomes.findIndex(({ status }) => status === "fulfilled");
    expect((await transport.readDocument(space, "document"))!.value).toBe(winner);
    for (const other of others) await other.close();
  });

  withTransport("names and sizes are checked before anything is sent", async (transport, place) => {
    await transport.createQueue(place, { leaseMs });
    await transport.createSpace(place);
    const refused: [attempt: () => Promise<unknown>, message: string][] = [
      [() => transport.createSpace("../up"), '"../up" cannot be the name of a queue or space; take'],
      [() => transport.createQueue("a.b", { leaseMs }), '"a.b" cannot be the name of a queue or space'],
      [() => transport.publish(place, "a b", bytesOf("")), '"a b" cannot be the name of an item'],
      [() => transport.readDocument(place, "../a"), '"../a" cannot be the name of a document'],
      [() => transport.writeDocument(place, "a..b", 1, 0), '"a..b" cannot be the name of a document'],
      [() => transport.getBlob(place, "abc", 9), '"abc" cannot be the name of a blob; take the 64'],
      [
        () => transport.publish(place, "a", new Uint8Array(maxItemBytes + 1)),
        "has 524289 bytes, but at most",
      ],
      [() => transport.writeDocument(place, "a", "x".repeat(maxDocumentBytes), 0), "has 524290 bytes, but"],
      [() => transport.writeDocument(place, "a", undefined, 0), "has no value that JSON could hold"],
      [() => transport.readDocument("nowhere", "a"), "There is no queue or space nowhere"],
      [() => transport.publish("nowhere", "a", bytesOf("")), "There is no queue or space nowhere"],
      [() => transport.claim("nowhere", soon), "There is no queue or space nowhere"],
    ];
    for (const [attempt, message] of refused) {
      const error = await attempt().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(InputError);
      expect((error as Error).message).toContain(message);
    }
    expect(() => memberSpace("run_1", "a")).toThrow('"run_1" cannot be the name of a run or a member');
    expect(memberSpace("run-1", "a")).toBe("run-1_a");
  });

  withTransport("what a queue or space holds goes with it", async (transport, place) => {
    await transport.createQueue(place, { leaseMs });
    await transport.createSpace(place);
    await transport.publish(place, "a", bytesOf("a"));
    await transport.writeDocument(place, "a", 1, 0);
    await transport.removeQueue(place);
    await transport.removeSpace(place);
    await transport.removeSpace(place);
    await transport.createQueue(place, { leaseMs });
    await transport.createSpace(place);
    await transport.createSpace(place);
    expect(await transport.listDocuments(place)).toEqual([]);
    expect(await transport.publish(place, "a", bytesOf("a"))).toBe(true);
  });

  withTransport("every byte is counted at both ends", async (transport, place) => {
    await transport.createQueue(place, { leaseMs });
    await transport.createSpace(place);
    const other = await open();
    const hash = await transport.putBlob(place, new Uint8Array(300_000));
    await transport.writeDocument(place, "a", { b: 1 }, 0);
    await transport.publish(place, "a", new Uint8Array(10));
    await other.getBlob(place, hash, 300_000);
    await other.readDocument(place, "a");
    const claim = await other.claim(place, soon);
    await claim!.done();
    const bytes = 300_000 + '{"b":1}'.length + 10;
    expect(transport.traffic().byPlace.get(place)).toEqual({ sent: bytes, received: 0 });
    expect(other.traffic().byPlace.get(place)).toEqual({ sent: 0, received: bytes });
    expect(transport.traffic().sent).toBeGreaterThanOrEqual(bytes);
    expect(other.traffic().received).toBeGreaterThanOrEqual(bytes);
    await other.close();
  });
}
