/** @file What processes that work together share, on one machine or many: queues of work, blobs by their hash, and documents. */

import { createHash } from "node:crypto";
import { InputError } from "../core/errors.ts";

/**
 * Queues and spaces for processes that work together. What access is granted on is a queue or a _space_: blobs and documents
 * that the same members may read, or write. Names of both are letters, digits, "-" and "_", at most 64; see {@link memberSpace}.
 *
 * Whatever another process has written is a stranger's: sizes are checked before anything is read, blobs against their hash,
 * documents for what is JSON. Who reads a document or an item checks its fields.
 *
 * Every method throws an InputError if the place that holds the content cannot be reached or does not allow it.
 */
export interface Transport {
  /**
   * Makes a queue, unless it is there.
   *
   * @param options.leaseMs for how long an item is its claimant's, in milliseconds, unless the claim is extended
   */
  createQueue(queue: string, options: { readonly leaseMs: number }): Promise<void>;
  /** Removes a queue with its items, if it is there. */
  removeQueue(queue: string): Promise<void>;
  /**
   * Adds an item to the end of a queue, once for each id: a second one within a day is dropped, also if the first is done.
   *
   * @param id letters, digits, "-" and "_", at most 128, such as a hash
   * @param body at most {@link maxItemBytes}
   * @returns whether it was added
   */
  publish(queue: string, id: string, body: Uint8Array): Promise<boolean>;
  /**
   * Takes the first item that is nobody's. It is the claimant's for the queue's lease; then it can be claimed again, so that no item
   * is lost with a process, but one may be worked on twice.
   *
   * @returns undefined if there was none for `waitMs`, or if `signal` was aborted
   */
  claim(queue: string, options: ClaimOptions): Promise<Claim | undefined>;

  /** Makes a space, unless it is there. */
  createSpace(space: string): Promise<void>;
  /** Removes a space with all that it holds, if it is there. */
  removeSpace(space: string): Promise<void>;
  /** Stores bytes, unless they are there. @returns their SHA-256, as 64 hexadecimal digits */
  putBlob(space: string, bytes: Uint8Array): Promise<string>;
  /**
   * Reads a blob.
   *
   * @param maxBytes a longer one is refused before it is read
   * @throws InputError if there is none, it is longer, or it is not what its hash says.
   */
  getBlob(space: string, hash: string, maxBytes: number): Promise<Uint8Array>;
  /** Removes a blob, if it is there. */
  deleteBlob(space: string, hash: string): Promise<void>;
  /**
   * Reads a document.
   *
   * @returns undefined if there is none
   * @throws InputError if what is stored is no JSON or too long.
   */
  readDocument(space: string, key: string): Promise<Document | undefined>;
  /**
   * Writes a document, if nobody has written it since it was read.
   *
   * @param key letters, digits, "-", "_", and "." between them, at most 128
   * @param value at most {@link maxDocumentBytes} as JSON
   * @param revision the one that was read; 0 if there was none
   * @returns the new revision
   * @throws StaleDocumentError if its revision is another one by now.
   */
  writeDocument(space: string, key: string, value: unknown, revision: number): Promise<number>;
  /** The keys of a space's documents, sorted. */
  listDocuments(space: string): Promise<string[]>;

  /** What this process has sent and received so far. */
  traffic(): Traffic;
  /** Gives back what the transport holds, such as a connection. */
  close(): Promise<void>;
}

export interface ClaimOptions {
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** An item that this process works on. */
export interface Claim {
  readonly id: string;
  readonly body: Uint8Array;
  /** How often it was claimed, this time included. */
  readonly attempt: number;
  /** Has the lease begin anew; to be called well before it ends. */
  extend(): Promise<void>;
  /** Takes the item off the queue. Doing so twice, or after the lease, is harmless. */
  done(): Promise<void>;
  /** Lets others claim it at once. */
  release(): Promise<void>;
}

export interface Document {
  /** JSON. */
  readonly value: unknown;
  /** Grows with each time that it is written. */
  readonly revision: number;
}

/** Bytes that have passed the transport in this process. */
export interface Traffic extends ByteCount {
  /** Of each queue and space, by its name: bodies, blobs and documents alone. */
  readonly byPlace: ReadonlyMap<string, ByteCount>;
}

export interface ByteCount {
  readonly sent: number;
  readonly received: number;
}

/** Nobody has made the queue or space yet, or it was removed. */
export class MissingPlaceError extends InputError {
  constructor(place: string, where: string) {
    super(`There is no queue or space ${place} ${where}.`);
  }
}

/** A document was written by another since it was read. Reading it again and deciding anew is all that there is to do. */
export class StaleDocumentError extends InputError {
  constructor(space: string, key: string, revision: number) {
    super(
      `The document "${key}" of ${space} was written by another since its revision ${revision} was read; read it again.`,
    );
  }
}

/** Bytes of an item's body at most: brokers take messages of 1 MiB unless they are told otherwise. */
export const maxItemBytes = 512 * 1024;
/** Bytes of a document as JSON at most. */
export const maxDocumentBytes = 512 * 1024;
/** For how long a queue remembers an id, in milliseconds. */
export const idMemoryMs = 24 * 3600 * 1000;

/**
 * The space in which one member of a run writes, and which it and the run's server alone may read.
 *
 * @param run, member letters, digits and "-", at most 31
 * @throws InputError if one of them is something else; with other characters two members could have the same space.
 */
export function memberSpace(run: string, member: string): string {
  for (const name of [run, member])
    if (!/^[a-zA-Z\d-]{1,31}$/.test(name))
      throw new InputError(
        `"${name}" cannot be the name of a run or a member; take letters, digits and "-", at most 31.`,
      );
  return `${run}_${member}`;
}

/** @throws InputError if a queue or space cannot be called so. */
export function checkPlace(name: string): void {
  checkName(name, /^[\w-]{1,64}$/, "a queue or space", 'letters, digits, "-" and "_", at most 64');
}

/** @throws InputError if an item cannot be called so. */
export function checkItem(id: string, { length }: Uint8Array): void {
  checkName(id, /^[\w-]{1,128}$/, "an item", 'letters, digits, "-" and "_", at most 128');
  checkSize(`The item ${id}`, length, maxItemBytes);
}

/** @throws InputError if a document cannot be called so. */
export function checkKey(key: string): void {
  checkName(
    key,
    /^(?=.{1,128}$)[\w-]+(\.[\w-]+)*$/,
    "a document",
    'letters, digits, "-" and "_", and "." between them, at most 128',
  );
}

/** @throws InputError if it is no SHA-256. */
export function checkHash(hash: string): void {
  checkName(hash, /^[\da-f]{64}$/, "a blob", "the 64 hexadecimal digits of its SHA-256");
}

/** @throws InputError if something has too many bytes. */
export function checkSize(what: string, bytes: number, maxBytes: number): void {
  if (bytes > maxBytes)
    throw new InputError(`${what} has ${bytes} bytes, but at most ${maxBytes} are allowed; divide it.`);
}

/** @throws InputError if bytes are not what their hash says. */
export function checkContent(space: string, hash: string, bytes: Uint8Array): void {
  if (hashOf(bytes) !== hash)
    throw new InputError(
      `The blob ${hash} of ${space} was damaged: its content has another hash; have it sent again.`,
    );
}

/** SHA-256, in hexadecimal digits. */
export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function checkName(name: string, pattern: RegExp, what: string, allowed: string): void {
  if (!pattern.test(name))
    throw new InputError(`${JSON.stringify(name)} cannot be the name of ${what}; take ${allowed}.`);
}
