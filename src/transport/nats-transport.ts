/** @file A transport for processes on any machines: a NATS broker with JetStream. */

import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { warn } from "../core/warnings.ts";
import { createByteCounter } from "./byte-counter.ts";
import { decodeDocument, encodeDocument } from "./document.ts";
import { connect, describeAbsence, loadNats, type NatsAddress } from "./nats-client.ts";
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

/** The consumer that all who claim items of a queue share. */
export const consumerName = "workers";

/** Bytes that the broker may keep with a message beside its content. */
const headerBytes = 4096;

/** Of a blob, so that a chunk in base 64 is still below the 1 MiB that a broker sends by default. */
const chunkBytes = 512 * 1024;

/** For how long the broker is asked to wait for an item at a time: a second at least. */
const pullMs = { least: 1000, most: 5000 };

/** Errors of the clients that say that a broker does not answer. */
const absences = new Set([
  "TimeoutError",
  "RequestError",
  "NoResponders",
  "ConnectionError",
  "ClosedConnectionError",
  "JetStreamNotEnabled",
  "JetStreamStatusError",
  "JetStreamError",
]);

/** Names of the broker's streams and subjects. */
export const streamOf = {
  queue: (queue: string) => `QUEUE_${queue}`,
  documents: (space: string) => `KV_${space}`,
  blobs: (space: string) => `OBJ_${space}`,
};
export const subjectOf = {
  item: (queue: string, id: string) => `queue.${queue}.${id}`,
  document: (space: string, key: string) => `$KV.${space}.${key}`,
  chunks: (space: string, upload: string) => `$O.${space}.C.${upload}`,
  blobs: (space: string) => `$O.${space}.>`,
};

/**
 * The header that says for which subject a message was meant. A broker sends its answers to any subject that who asks names, also to
 * one where that user may not publish; but no answer has the header of such a subject.
 */
export const subjectHeader = "Slimtune-Subject";

/** An id under which the broker takes a message once, and the last message that its subject may have. */
interface StoreOptions {
  readonly msgID: string;
  readonly expect?: { readonly lastSubjectSequence: number };
}

/** What the broker holds of a blob beside its chunks: whoever may write it may have written anything. */
const blobSchema = z.object({
  nuid: z.string().regex(/^\w{1,64}$/),
  size: z.int().min(0),
  deleted: z.boolean().optional(),
});

/**
 * Connects to a broker. If that is restarted, what waits for it goes on; all is stored by the broker.
 *
 * Blobs and documents are read message by message, not through consumers: who may make a consumer can have the broker deliver
 * messages to any subject, also one where this user may not publish.
 *
 * @throws InputError if the NATS clients are not installed, or the broker cannot be reached or refuses the credentials.
 *
 * @example
 * const transport = await openNatsTransport({ url: "tls://broker.example", creds: "server.nk", ca: "ca.pem" });
 * await transport.createQueue("parts", { leaseMs: 60_000 });
 */
export async function openNatsTransport(address: NatsAddress): Promise<Transport> {
  const nats = await loadNats();
  const connection = await connect(nats, address);
  const { url, patienceMs = 60_000 } = address;
  const timeoutMs = Math.min(address.timeoutMs ?? 5000, patienceMs);
  const { nanos } = nats.node;
  const options = { timeout: timeoutMs, checkAPI: false };
  const js = nats.jetstream.jetstream(connection, options);
  const manager = await nats.jetstream.jetstreamManager(connection, options);
  const kvm = new nats.kv.Kvm(js);
  const objm = new nats.obj.Objm(js);
  const counter = createByteCounter();

  /**
   * Asks the broker, again if it does not answer.
   *
   * @param place the queue or space
   * @param ask what can be done twice
   */
  async function persist<T>(place: string, ask: () => Promise<T>): Promise<T> {
    const end = performance.now() + patienceMs;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (error instanceof InputError || isConflict(error)) throw error;
        const explanation = explain(error, place);
        if (explanation) throw explanation;
        if (!isAbsence(error)) throw error;
        if (performance.now() > end || connection.isClosed()) throw describeAbsence(url, error);
        await setTimeout(250);
      }
    }
  }

  const { JetStreamApiError, JetStreamApiCodes } = nats.jetstream;
  const { errors } = nats.node;

  function isConflict(error: unknown): boolean {
    return error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamWrongLastSequence;
  }

  function isMissing(error: unknown): boolean {
    return (
      error instanceof JetStreamApiError &&
      (error.code === JetStreamApiCodes.StreamNotFound || error.code === JetStreamApiCodes.ConsumerNotFound)
    );
  }

  /** Whether the broker did not answer, or is just being started. */
  function isAbsence(error: unknown): boolean {
    if (error instanceof JetStreamApiError) return error.status === 503;
    return error instanceof Error && absences.has(error.name);
  }

  function explain(error: unknown, place: string): InputError | undefined {
    if (isMissing(error)) return new MissingPlaceError(place, `at ${url}`);
    const cause = error instanceof errors.RequestError ? error.cause : error;
    if (cause instanceof errors.PermissionViolationError)
      return new InputError(
        `The broker at ${url} does not allow this user to use ${place} so (${cause.operation} to ${cause.subject}); have its permissions widened, or take the user's own credentials.`,
        { cause: error },
      );
    return undefined;
  }

  /** Publishes a message that a stream keeps. Where no broker answers, the stream may be missing. */
  const store = (place: string, stream: string, subject: string, data: Uint8Array, options: StoreOptions) =>
    persist(place, async () => {
      const headers = nats.node.headers();
      headers.set(subjectHeader, subject);
      try {
        return await js.publish(subject, data, { ...options, headers });
      } catch (error) {
        if ((error as Error).name === "JetStreamNotEnabled") await manager.streams.info(stream);
        throw error;
      }
    });

  /** Removes a stream, if it is there. */
  const removeStream = (place: string, name: string) =>
    persist(place, () => manager.streams.delete(name).catch(ignoreMissing));

  function ignoreMissing(error: unknown): void {
    if (!isMissing(error)) throw error;
  }

  async function hasStream(name: string): Promise<boolean> {
    return await manager.streams.info(name).then(
      () => true,
      (error: unknown) => {
        ignoreMissing(error);
        return false;
      },
    );
  }

  /** What is known of a blob; undefined if there is none. */
  async function findBlob(space: string, hash: string): Promise<z.infer<typeof blobSchema> | undefined> {
    checkPlace(space);
    checkHash(hash);
    const found = await persist(space, async () => (await objm.open(space, false)).info(hash));
    if (found === null) return undefined;
    const { nuid, size, deleted } = found;
    const parsed = blobSchema.safeParse({ nuid, size, deleted });
    if (!parsed.success)
      throw new InputError(`The blob ${hash} of ${space} is described by what is none; have it sent again.`);
    return parsed.data.deleted ? undefined : parsed.data;
  }

  /** Reads a blob's chunks; ends when they are more than were promised. */
  async function readChunks(space: string, upload: string, size: number): Promise<Uint8Array> {
    const bytes = Buffer.alloc(size);
    let done = 0;
    for (let seq = 1; done < size; ) {
      const query = { seq, next_by_subj: subjectOf.chunks(space, upload) };
      const chunk = await persist(space, () => manager.streams.getMessage(streamOf.blobs(space), query));
      if (chunk === null || done + chunk.data.length > size) break;
      bytes.set(chunk.data, done);
      done += chunk.data.length;
      counter.received(space, chunk.data.length);
      seq = chunk.seq + 1;
    }
    return bytes.subarray(0, done);
  }

  type QueuedMessage = NonNullable<Awaited<ReturnType<typeof takeItem>>>;

  /** @returns undefined if the item is a stranger's; it is taken off the queue */
  async function toClaim(queue: string, message: QueuedMessage): Promise<Claim | undefined> {
    // The type leaves out where acknowledgements go.
    const { subject, data, headers, reply } = message as QueuedMessage & { readonly reply: string };
    const tell = (word: string) =>
      persist(queue, async () => void (await connection.request(reply, word, { timeout: timeoutMs })));
    const id = subject.slice(subject.lastIndexOf(".") + 1);
    if (headers?.get(subjectHeader) !== subject || data.length > maxItemBytes) {
      warn(`The item ${id} of ${queue} was not queued by slimtune; it is dropped.`);
      await tell("+TERM");
      return undefined;
    }
    counter.received(queue, data.length);
    return {
      ...{ id, body: data, attempt: message.info.deliveryCount },
      extend: () => tell("+WPI"),
      done: () => tell("+ACK"),
      release: () => tell("-NAK"),
    };
  }

  /** Waits a while for an item. */
  async function takeItem(queue: string, waitMs: number, signal: AbortSignal | undefined) {
    const consumer = await persist(queue, () => js.consumers.get(streamOf.queue(queue), consumerName));
    const expires = Math.min(Math.max(waitMs, pullMs.least), pullMs.most);
    const messages = await consumer.fetch({ max_messages: 1, expires });
    const stop = () => messages.stop();
    signal?.addEventListener("abort", stop);
    try {
      for await (const message of messages) return message;
      return undefined;
    } catch (error) {
      // It is asked again.
      if (isAbsence(error)) return undefined;
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  return {
    async createQueue(queue, { leaseMs }) {
      checkPlace(queue);
      const name = streamOf.queue(queue);
      await persist(queue, async () => {
        if (!(await hasStream(name)))
          await manager.streams.add({
            name,
            subjects: [subjectOf.item(queue, "*")],
            retention: nats.jetstream.RetentionPolicy.Workqueue,
            storage: nats.jetstream.StorageType.File,
            duplicate_window: nanos(idMemoryMs),
            max_msg_size: maxItemBytes + headerBytes,
          });
        await manager.consumers.add(name, {
          durable_name: consumerName,
          ack_policy: nats.jetstream.AckPolicy.Explicit,
          ack_wait: nanos(leaseMs),
          max_ack_pending: 65_536,
        });
      });
    },
    async removeQueue(queue) {
      checkPlace(queue);
      await removeStream(queue, streamOf.queue(queue));
    },
    async publish(queue, id, body) {
      checkPlace(queue);
      checkItem(id, body);
      const subject = subjectOf.item(queue, id);
      const { duplicate } = await store(queue, streamOf.queue(queue), subject, body, { msgID: id });
      if (!duplicate) counter.sent(queue, body.length);
      return !duplicate;
    },
    async claim(queue, { waitMs, signal }) {
      checkPlace(queue);
      const end = performance.now() + waitMs;
      for (;;) {
        if (signal?.aborted) return undefined;
        const message = await takeItem(queue, end - performance.now(), signal);
        const claim = message && (await toClaim(queue, message));
        if (claim) return claim;
        if (performance.now() >= end) return undefined;
      }
    },

    async createSpace(space) {
      checkPlace(space);
      const storage = nats.jetstream.StorageType.File;
      await persist(space, async () => {
        await kvm.create(space, {
          ...{ history: 1, storage, allow_direct: false },
          maxValueSize: maxDocumentBytes + headerBytes,
        });
        await objm.create(space, { storage });
      });
    },
    async removeSpace(space) {
      checkPlace(space);
      await removeStream(space, streamOf.documents(space));
      await removeStream(space, streamOf.blobs(space));
    },
    async putBlob(space, bytes) {
      const hash = hashOf(bytes);
      if (await findBlob(space, hash)) return hash;
      await persist(space, async () => {
        const description = { name: hash, options: { max_chunk_size: chunkBytes } };
        await (await objm.open(space, false)).put(description, toChunks(bytes));
      });
      counter.sent(space, bytes.length);
      return hash;
    },
    async getBlob(space, hash, maxBytes) {
      const found = await findBlob(space, hash);
      if (!found) throw new InputError(`There is no blob ${hash} in ${space}; have it sent again.`);
      checkSize(`The blob ${hash} of ${space}`, found.size, maxBytes);
      const bytes = await readChunks(space, found.nuid, found.size);
      checkContent(space, hash, bytes);
      return bytes;
    },
    async deleteBlob(space, hash) {
      if (await findBlob(space, hash))
        await persist(space, async () => (await objm.open(space, false)).delete(hash));
    },
    async readDocument(space, key) {
      checkPlace(space);
      checkKey(key);
      const subject = subjectOf.document(space, key);
      const found = await persist(space, () =>
        manager.streams.getMessage(streamOf.documents(space), { last_by_subj: subject }),
      );
      if (found === null) return undefined;
      counter.received(space, found.data.length);
      if (found.header.get(subjectHeader) !== subject)
        throw new InputError(
          `The document "${key}" of ${space} was not written by slimtune; remove the space, and begin anew.`,
        );
      return { value: decodeDocument(space, key, found.data), revision: found.seq };
    },
    async writeDocument(space, key, value, revision) {
      checkPlace(space);
      checkKey(key);
      const json = encodeDocument(key, value);
      // Under one id, so that the broker takes it once also if its answer was lost and it is asked again.
      const write = { msgID: randomUUID(), expect: { lastSubjectSequence: revision } };
      try {
        const { seq } = await store(
          space,
          streamOf.documents(space),
          subjectOf.document(space, key),
          json,
          write,
        );
        counter.sent(space, json.length);
        return seq;
      } catch (error) {
        throw isConflict(error) ? new StaleDocumentError(space, key, revision) : error;
      }
    },
    async listDocuments(space) {
      checkPlace(space);
      const prefix = subjectOf.document(space, "");
      const { state } = await persist(space, () =>
        manager.streams.info(streamOf.documents(space), { subjects_filter: `${prefix}>` }),
      );
      return Object.keys(state.subjects ?? {})
        .map((subject) => subject.slice(prefix.length))
        .sort();
    },

    traffic() {
      const { inBytes, outBytes } = connection.stats();
      return { sent: outBytes, received: inBytes, byPlace: counter.byPlace };
    },
    close: () => connection.close(),
  };
}

function toChunks(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let done = 0;
  return new ReadableStream({
    pull(controller) {
      if (done < bytes.length) controller.enqueue(bytes.subarray(done, done + chunkBytes));
      else controller.close();
      done += chunkBytes;
    },
  });
}
