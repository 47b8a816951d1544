/** @file Spaces in this process's memory, for tests that begin hundreds of runs. They have no queues. */

import { InputError } from "../../core/errors.ts";
import {
  checkContent,
  checkSize,
  hashOf,
  MissingPlaceError,
  StaleDocumentError,
  type Transport,
} from "../../transport/transport.ts";

export function createMemoryTransport(): Transport {
  const spaces = new Map<string, { blobs: Map<string, Uint8Array>; documents: Map<string, string[]> }>();
  const spaceOf = (space: string) => {
    const found = spaces.get(space);
    if (!found) throw new MissingPlaceError(space, "in memory");
    return found;
  };
  const none = async (): Promise<never> => {
    throw new Error("There are no queues.");
  };
  return {
    ...{ createQueue: none, removeQueue: none, publish: none, claim: none },
    async createSpace(space) {
      if (!spaces.has(space)) spaces.set(space, { blobs: new Map(), documents: new Map() });
    },
    removeSpace: async (space) => void spaces.delete(space),
    async putBlob(space, bytes) {
      spaceOf(space).blobs.set(hashOf(bytes), bytes.slice());
      return hashOf(bytes);
    },
    async getBlob(space, hash, maxBytes) {
      const bytes = spaceOf(space).blobs.get(hash);
      if (!bytes) throw new InputError(`There is no blob ${hash} in ${space}.`);
      checkSize(`The blob ${hash}`, bytes.length, maxBytes);
      checkContent(space, hash, bytes);
      return bytes;
    },
    deleteBlob: async (space, hash) => void spaceOf(space).blobs.delete(hash),
    async readDocument(space, key) {
      const written = spaceOf(space).documents.get(key);
      return written && { value: JSON.parse(written.at(-1)!), revision: written.length };
    },
    async writeDocument(space, key, value, revision) {
      const { documents } = spaceOf(space);
      const written = documents.get(key) ?? [];
      if (written.length !== revision) throw new StaleDocumentError(space, key, revision);
      documents.set(key, [...written, JSON.stringify(value)]);
      return revision + 1;
    },
    listDocuments: async (space) => [...spaceOf(space).documents.keys()].sort(),
    traffic: () => ({ sent: 0, received: 0, byPlace: new Map() }),
    close: async () => {},
  };
}
