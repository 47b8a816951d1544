/** @file Counts the bytes that pass a transport. */

import type { ByteCount } from "./transport.ts";

export interface ByteCounter {
  /** Of each place, by its name. */
  readonly byPlace: ReadonlyMap<string, ByteCount>;
  sent(place: string, bytes: number): void;
  received(place: string, bytes: number): void;
  /** Of all places together. */
  total(): ByteCount;
}

export function createByteCounter(): ByteCounter {
  const byPlace = new Map<string, { sent: number; received: number }>();
  const of = (place: string) => {
    const known = byPlace.get(place) ?? { sent: 0, received: 0 };
    byPlace.set(place, known);
    return known;
  };
  return {
    byPlace,
    sent(place, bytes) {
      of(place).sent += bytes;
    },
    received(place, bytes) {
      of(place).received += bytes;
    },
    total() {
      const counts = [...byPlace.values()];
      return {
        sent: counts.reduce((sum, { sent }) => sum + sent, 0),
        received: counts.reduce((sum, { received }) => sum + received, 0),
      };
    },
  };
}
