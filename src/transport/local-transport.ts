/** @file A transport for the processes of one machine: a folder. */

import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { parseJson } from "../core/formats/json-document.ts";
import { parseFields } from "../core/parse-fields.ts";
import { inTurn } from "../node/files/lock.ts";
import { readWhole } from "../node/files/read.ts";
import { readJson } from "../node/files/structured.ts";
import { isTemporary } from "../node/files/temporary.ts";
import { makeFolder, remove, writeWhole } from "../node/files/write.ts";
import { createByteCounter } from "./byte-counter.ts";
import { decodeDocument, encodeDocument } from "./document.ts";
import {
  type Claim,
  checkContent,
  checkHash,
  checkItem,
  checkKey,
  checkPlace,
  checkSize,
  hashOf,
  idMemoryMs,
  MissingPlaceError,
  maxDocumentBytes,
  maxItemBytes,
  StaleDocumentError,
  type Transport,
} from "./transport.ts";

const settingsSchema = z.object({ leaseMs: z.number().min(1) });

/** An item that waits, or is worked on. */
const itemSchema = z.object({
  /** Items are claimed in this order. */
  order: z.int(),
  attempt: z.int(),
  /** Until when it is its holder's, in milliseconds since 1970; 0 if it is nobody's. */
  until: z.number(),
  /** Which claim it is of. */
  holder: z.string(),
});

type Item = z.infer<typeof itemSchema>;

/** How often those who wait look for an item. */
const pollMs = 100;

/**
 * Opens a folder, which is made unless it is there, as a transport. Every process that opens it shares what it holds, and whatever
 * one of them leaves when it is killed is whole.
 *
 * @example
 * const transport = openLocalTransport("runs/federation/transport");
 * await transport.createSpace("adapters");
 * const hash = await transport.putBlob("adapters", new Uint8Array([1, 2, 3]));
 * console.log((await transport.getBlob("adapters", hash, 1024)).length); // 3
 */
export function openLocalTransport(folder: string): Transport {
  const counter = createByteCounter();
  makeFolder(folder);

  const findPlace = (kind: "queues" | "spaces", name: string) => {
    checkPlace(name);
    const path = join(folder, kind, name);
    if (!existsSync(path)) throw new MissingPlaceError(name, `in ${folder}`);
    return path;
  };
  const removePlace = async (kind: "queues" | "spaces", name: string) => {
    checkPlace(name);
    remove(join(folder, kind, name));
  };
  const queueFolder = (name: string) => {
    const path = findPlace("queues", name);
    return { path, items: join(path, "items"), published: join(path, "published") };
  };
  const blobPath = (space: string, hash: string) => {
    checkHash(hash);
    return join(findPlace("spaces", space), "blobs", hash);
  };
  const documentsFolder = (space: string) => join(findPlace("spaces", space), "documents");
  const documentPath = (space: string, key: string) => {
    checkKey(key);
    return join(documentsFolder(space), `${key}.json`);
  };

  /** Takes the first free item, if there is one. */
  async function claimNow(queue: string): Promise<Claim | undefined> {
    const { path, items } = queueFolder(queue);
    if (!findFree(items)) return undefined;
    const { leaseMs } = readJson(join(path, "queue.json"), settingsSchema);
    const holder = randomUUID();
    return await inTurn(path, () => {
      const free = findFree(items);
      if (!free) return undefined;
      const { id, item } = free;
      const attempt = item.attempt + 1;
      const body = readBody(items, id);
      writeItem(items, id, { ...item, attempt, until: Date.now() + leaseMs, holder });
      counter.received(queue, body.length);
      /** Sets until when the item is this claim's, if it still is. */
      const hold = (until: () => number) =>
        inTurn(path, () => {
          const now = readItem(items, id);
          if (now?.holder === holder) writeItem(items, id, { ...now, until: until() });
        });
      return {
        ...{ id, body, attempt },
        extend: () => hold(() => Date.now() + leaseMs),
        done: () => inTurn(path, () => removeItem(items, id)),
        release: () => hold(() => 0),
      };
    });
  }

  /** A document's revision and its JSON; the revision 0 if there is none. */
  function readStored(path: string): { readonly revision: number; readonly json: Buffer } {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    checkSize(path, size, maxDocumentBytes + 32);
    const bytes = readWhole(path, { isOptional: true });
    if (!bytes) return { revision: 0, json: Buffer.alloc(0) };
    const end = bytes.indexOf("\n");
    const revision = Number(bytes.toString("latin1", 0, Math.max(end, 0)));
    if (!Number.isSafeInteger(revision) || revision < 1)
      throw new InputError(`${path} is no document: it does not begin with its revision; remove it.`);
    return { revision, json: bytes.subarray(end + 1) };
  }

  return {
    async createQueue(queue, { leaseMs }) {
      checkPlace(queue);
      const path = join(folder, "queues", queue);
      const settings = join(path, "queue.json");
      if (existsSync(settings)) return;
      makeFolder(join(path, "items"));
      makeFolder(join(path, "published"));
      writeWhole(settings, JSON.stringify({ leaseMs }));
    },
    removeQueue: (queue) => removePlace("queues", queue),
    async publish(queue, id, body) {
      checkItem(id, body);
      const { path, items, published } = queueFolder(queue);
      const mark = join(published, id);
      return await inTurn(path, () => {
        const known = statSync(mark, { throwIfNoEntry: false });
        if (readItem(items, id) || (known && Date.now() - known.mtimeMs < idMemoryMs)) return false;
        const order = 1 + Math.max(0, ...listItems(items).map(({ item }) => item.order));
        writeWhole(join(items, `${id}.body`), body);
        writeItem(items, id, { order, attempt: 0, until: 0, holder: "" });
        writeWhole(mark, "");
        counter.sent(queue, body.length);
        return true;
      });
    },
    async claim(queue, { waitMs, signal }) {
      const end = performance.now() + waitMs;
      for (;;) {
        if (signal?.aborted) return undefined;
        const claim = await claimNow(queue);
        const left = end - performance.now();
        if (claim || left <= 0) return claim;
        await setTimeout(Math.min(pollMs, left));
      }
    },

    async createSpace(space) {
      checkPlace(space);
      makeFolder(join(folder, "spaces", space, "blobs"));
      makeFolder(join(folder, "spaces", space, "documents"));
    },
    removeSpace: (space) => removePlace("spaces", space),
    async putBlob(space, bytes) {
      const hash = hashOf(bytes);
      const path = blobPath(space, hash);
      if (!existsSync(path)) {
        writeWhole(path, bytes);
        counter.sent(space, bytes.length);
      }
      return hash;
    },
    async getBlob(space, hash, maxBytes) {
      const path = blobPath(space, hash);
      const found = statSync(path, { throwIfNoEntry: false });
      if (!found) throw new InputError(`There is no blob ${hash} in ${space}; have it sent again.`);
      checkSize(`The blob ${hash} of ${space}`, found.size, maxBytes);
      const bytes = readWhole(path);
      checkContent(space, hash, bytes);
      counter.received(space, bytes.length);
      return bytes;
    },
    async deleteBlob(space, hash) {
      remove(blobPath(space, hash));
    },
    async readDocument(space, key) {
      const { revision, json } = readStored(documentPath(space, key));
      if (revision === 0) return undefined;
      counter.received(space, json.length);
      return { value: decodeDocument(space, key, json), revision };
    },
    async writeDocument(space, key, value, revision) {
      const path = documentPath(space, key);
      const json = encodeDocument(key, value);
      return await inTurn(findPlace("spaces", space), () => {
        const stored = readStored(path).revision;
        if (stored !== revision) throw new StaleDocumentError(space, key, revision);
        writeWhole(path, Buffer.concat([Buffer.from(`${revision + 1}\n`), json]));
        counter.sent(space, json.length);
        return revision + 1;
      });
    },
    async listDocuments(space) {
      return readdirSync(documentsFolder(space))
        .flatMap((name) => (name.endsWith(".json") && !isTemporary(name) ? [name.slice(0, -5)] : []))
        .sort();
    },

    traffic: () => ({ ...counter.total(), byPlace: counter.byPlace }),
    async close() {},
  };
}

function itemPath(items: string, id: string): string {
  return join(items, `${id}.json`);
}

function writeItem(items: string, id: string, item: Item): void {
  writeWhole(itemPath(items, id), JSON.stringify(item));
}

function readItem(items: string, id: string): Item | undefined {
  const path = itemPath(items, id);
  const bytes = readWhole(path, { isOptional: true });
  return bytes && parseFields(itemSchema, parseJson(bytes.toString("utf8"), path), path);
}

function readBody(items: string, id: string): Uint8Array {
  const path = join(items, `${id}.body`);
  checkSize(path, statSync(path).size, maxItemBytes);
  return readWhole(path);
}

function removeItem(items: string, id: string): void {
  remove(itemPath(items, id));
  remove(join(items, `${id}.body`));
}

function listItems(items: string): { readonly id: string; readonly item: Item }[] {
  return readdirSync(items).flatMap((name) => {
    if (!name.endsWith(".json") || isTemporary(name)) return [];
    const id = name.slice(0, -".json".length);
    // It may be done by now.
    const item = readItem(items, id);
    return item ? [{ id, item }] : [];
  });
}

/** The first item that is nobody's. */
function findFree(items: string): { readonly id: string; readonly item: Item } | undefined {
  return listItems(items)
    .filter(({ item }) => item.until <= Date.now())
    .sort((a, b) => a.item.order - b.item.order)[0];
}
