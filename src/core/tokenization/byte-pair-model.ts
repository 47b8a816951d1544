/** @file Byte-pair encoding: the token ids of a word. */

import { InputError } from "../errors.ts";

/** Which tokens may be joined, by their ids. The earlier a merge stands, the earlier it is done. */
export interface Merges {
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** The token that both make. */
  readonly joined: Int32Array;
}

/** A vocabulary with its merges, as tokenizer.json describes it; checked. */
export interface BytePairModel {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly merges: Merges;
  readonly unkToken: string | undefined;
  readonly fuseUnk: boolean;
  readonly byteFallback: boolean;
  readonly ignoreMerges: boolean;
}

const utf8 = new TextEncoder();

/** Words longer than this, in UTF-16 units, or beyond this number are not kept with their tokens. */
const keptLength = 256;
const keptWords = 10_000;

/**
 * The function that encodes a word. Characters that the vocabulary lacks become the tokens of their bytes, else the unknown
 * token, else nothing; only then are neighbours joined.
 *
 * Source: https://github.com/huggingface/tokenizers/blob/v0.23.1/tokenizers/src/models/bpe/model.rs
 *
 * @throws InputError, when encoding, if the unknown token that is needed is not in the vocabulary.
 */
export function createWordEncoder(model: BytePairModel, source: string): (word: string) => readonly number[] {
  const { vocabulary, unkToken, fuseUnk, byteFallback, ignoreMerges } = model;
  const join = createJoiner(model.merges);
  const unkId = unkToken === undefined ? undefined : vocabulary.get(unkToken);
  const bytesOf = (character: string): readonly number[] | undefined => {
    if (!byteFallback) return undefined;
    const ids = Array.from(utf8.encode(character), (byte) => vocabulary.get(byteToken(byte)));
    return ids.every((id) => id !== undefined) ? ids : undefined;
  };
  const encode = (word: string): readonly number[] => {
    const whole = ignoreMerges ? vocabulary.get(word) : undefined;
    if (whole !== undefined) return [whole];
    const ids: number[] = [];
    let known: number[] = [];
    let unknown = false;
    const endKnown = () => {
      for (const id of join(known)) ids.push(id);
      known = [];
    };
    const endUnknown = () => {
      if (unknown) ids.push(unkId!);
      unknown = false;
    };
    for (const character of word) {
      const id = vocabulary.get(character);
      if (id !== undefined) {
        endUnknown();
        known.push(id);
        continue;
      }
      const bytes = bytesOf(character);
      if (bytes) {
        endKnown();
        ids.push(...bytes);
      } else if (unkToken !== undefined) {
        if (unkId === undefined) {
          throw new InputError(
            `${source} has no token for ${JSON.stringify(character)}, and its "unk_token" ${JSON.stringify(unkToken)} is not in its vocabulary.`,
          );
        }
        endKnown();
        if (!fuseUnk) endUnknown();
        unknown = true;
      }
    }
    endKnown();
    endUnknown();
    return ids;
  };

  const kept = new Map<string, readonly number[]>();
  return (word) => {
    const found = kept.get(word);
    if (found) return found;
    const ids = encode(word);
    if (kept.size === keptWords) kept.clear();
    if (word.length <= keptLength) kept.set(word, ids);
    return ids;
  };
}

/** The function that joins neighbours, by the earliest merge and of its places the leftmost, until there is none. */
function createJoiner(merges: Merges): (ids: readonly number[]) => Iterable<number> {
  const { left, right, joined } = merges;
  const find = createSearch(merges);
  return (ids) => {
    const size = ids.length;
    if (size < 2) return ids;
    const tokens = Int32Array.from(ids);
    const next = Int32Array.from(ids, (_, place) => place + 1);
    const previous = Int32Array.from(ids, (_, place) => place - 1);
    // Merges and their places, each as one number that orders them.
    const queue: number[] = [];
    const add = (place: number) => {
      if (place < 0 || next[place]! >= size) return;
      const merge = find(tokens[place]!, tokens[next[place]!]!);
      if (merge >= 0) pushSorted(queue, merge * size + place);
    };
    for (let place = 0; place < size; place++) add(place);
    while (queue.length > 0) {
      const first = popSmallest(queue);
      const place = first % size;
      const merge = (first - place) / size;
      const follower = next[place]!;
      // Since it was queued, either may have become a part of another token.
      if (tokens[place] !== left[merge] || tokens[follower] !== right[merge]) continue;
      tokens[place] = joined[merge]!;
      tokens[follower] = -1;
      next[place] = next[follower]!;
      if (next[place]! < size) previous[next[place]!] = place;
      add(previous[place]!);
      add(place);
    }
    return tokens.filter((token) => token >= 0);
  };
}

/** The function that finds the number of the merge of two tokens, or -1; of equal ones the last, as in Hugging Face's tokenizers. */
function createSearch({ left, right }: Merges): (first: number, second: number) => number {
  const order = sortBy(
    left,
    sortBy(
      right,
      left.map((_, merge) => merge),
    ),
  );
  const seconds = order.map((merge) => right[merge]!);
  // Where in that order the merges of each left token begin.
  const starts = countBelow(left);
  return (first, second) => {
    let low = starts[first] ?? 0;
    let high = starts[first + 1] ?? low;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (seconds[middle]! <= second) low = middle + 1;
      else high = middle;
    }
    return low > (starts[first] ?? 0) && seconds[low - 1] === second ? order[low - 1]! : -1;
  };
}

/** How many of the keys are below 0, 1, and so on, up to all. */
function countBelow(keys: Int32Array): Int32Array {
  let largest = -1;
  for (const key of keys) largest = Math.max(largest, key);
  const counts = new Int32Array(largest + 2);
  for (const key of keys) counts[key + 1]!++;
  for (let key = 0; key <= largest; key++) counts[key + 1]! += counts[key]!;
  return counts;
}

/** The numbers sorted by their keys; equal ones stay in their order. */
function sortBy(keys: Int32Array, numbers: Int32Array): Int32Array {
  const places = countBelow(keys);
  const sorted = new Int32Array(numbers.length);
  for (const number of numbers) sorted[places[keys[number]!]!++] = number;
  return sorted;
}

/** Adds a number to a heap. */
function pushSorted(heap: number[], added: number): void {
  let at = heap.length;
  while (at > 0) {
    const parent = (at - 1) >>> 1;
    if (heap[parent]! <= added) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = added;
}

/** Takes the smallest number out of a heap that is not empty. */
function popSmallest(heap: number[]): number {
  const smallest = heap[0]!;
  const moved = heap.pop()!;
  let at = 0;
  while (heap.length > 2 * at + 1) {
    let child = 2 * at + 1;
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= moved) break;
    heap[at] = heap[child]!;
    at = child;
  }
  if (heap.length > 0) heap[at] = moved;
  return smallest;
}

/** The token of a byte in vocabularies that fall back to them. */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}
