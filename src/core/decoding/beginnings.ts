/** @file What texts begin with, kept as keys and values: a tree of segments, in which what several share is held once. */

import type { ModelConfig } from "../architectures/architecture.ts";
import {
  bytesPerToken,
  commonLength,
  copyTokens,
  createKeyValues,
  type KeyValues,
} from "../engine/key-values.ts";

/**
 * Texts whose keys and values are kept for others that begin alike, each perhaps with a value of its own, within a number of bytes: what
 * was used last longest ago goes first, but for the text that was kept last. A tree of segments, as in SGLang's RadixAttention (Zheng et
 * al. 2024, arXiv 2312.07104, section 3).
 */
export interface Beginnings<Value> {
  /** What the keys and values take that are held, in bytes. */
  readonly bytes: number;
  /** The longest beginning of a text that is held. */
  find(ids: readonly number[]): Beginning<Value>;
  /**
   * Keeps a text, of which what is held already is not copied again.
   *
   * @param source where its keys and values are: from the start of a row on, those of its tokens from the number `from` (default 0) on. If
   *   what stands before them is not held, the text is not kept.
   */
  keep(ids: readonly number[], source: TextSource, value?: Value): void;
}

export interface TextSource {
  readonly keyValues: KeyValues;
  readonly row: number;
  readonly from?: number;
}

export interface Beginning<Value> {
  readonly length: number;
  /** What was kept with just the text that was looked for; undefined if nothing was. */
  readonly value: Value | undefined;
  /** Copies the keys and values of the first `count` tokens to the start of a row. */
  copyTo(target: KeyValues, row: number, count: number): void;
}

/** Tokens that follow those of the parent. */
interface Segment<Value> {
  parent: Segment<Value> | undefined;
  ids: readonly number[];
  /** One row. */
  keyValues: KeyValues;
  /** Of the text that ends with it. */
  value: Value | undefined;
  /** By their first token. */
  readonly children: Map<number, Segment<Value>>;
}

/** @param mostBytes with 0 nothing is kept */
export function createBeginnings<Value>(config: ModelConfig, mostBytes: number): Beginnings<Value> {
  type Node = Segment<Value>;
  const tokenBytes = bytesPerToken(config);
  const roots = new Map<number, Node>();
  /** In the order of their last use, each before those that it follows; so the first is a leaf. */
  const used = new Set<Node>();
  let tokens = 0;

  /** The segments on a text's way, and how many of its tokens they hold; of the last segment perhaps only some. */
  const walk = (ids: readonly number[]) => {
    const path: Node[] = [];
    let length = 0;
    let inLast = 0;
    for (let children = roots; length < ids.length; ) {
      const next = children.get(ids[length]!);
      if (!next) break;
      inLast = commonLength(next.ids, ids.slice(length, length + next.ids.length));
      path.push(next);
      length += inLast;
      if (inLast < next.ids.length) break;
      children = next.children;
    }
    return { path, length, isWhole: inLast === (path.at(-1)?.ids.length ?? 0) };
  };
  const touch = (path: readonly Node[]) => {
    for (const segment of path.toReversed()) {
      used.delete(segment);
      used.add(segment);
    }
  };
  const siblingsOf = ({ parent }: Pick<Node, "parent">) => parent?.children ?? roots;
  const place = (segment: Omit<Node, "children">): Node => {
    const placed: Node = { ...segment, children: new Map() };
    siblingsOf(placed).set(placed.ids[0]!, placed);
    return placed;
  };
  const slice = (source: KeyValues, row: number, start: number, count: number): KeyValues => {
    const part = createKeyValues(config, 1, count);
    copyTokens(config, source, { row, start }, part, { row: 0, start: 0 }, count);
    return part;
  };
  /** Divides a segment. @returns the first part, of so many tokens */
  const split = (segment: Node, count: number): Node => {
    const { parent, ids, keyValues } = segment;
    const first = place({
      ...{ parent, ids: ids.slice(0, count), value: undefined },
      keyValues: slice(keyValues, 0, 0, count),
    });
    segment.parent = first;
    segment.ids = ids.slice(count);
    segment.keyValues = slice(keyValues, 0, count, segment.ids.length);
    first.children.set(segment.ids[0]!, segment);
    return first;
  };
  /** Makes room, but not in the segments that were used last. */
  const evict = (spared: number) => {
    for (const leaf of used) {
      if (tokens * tokenBytes <= mostBytes || used.size <= spared) break;
      siblingsOf(leaf).delete(leaf.ids[0]!);
      used.delete(leaf);
      tokens -= leaf.ids.length;
    }
  };

  return {
    get bytes() {
      return tokens * tokenBytes;
    },
    find(ids) {
      const { path, length, isWhole } = walk(ids);
      touch(path);
      return {
        length,
        value: isWhole && length === ids.length ? path.at(-1)?.value : undefined,
        copyTo(target, row, count) {
          let start = 0;
          for (const { ids, keyValues } of path) {
            const part = Math.min(ids.length, count - start);
            copyTokens(config, keyValues, { row: 0, start: 0 }, target, { row, start }, part);
            start += part;
          }
        },
      };
    },
    keep(ids, { keyValues: source, row, from = 0 }, value) {
      const { path, length, isWhole } = walk(ids);
      if (mostBytes === 0 || length < from) return;
      const rest = ids.slice(length);
      if (!isWhole && (rest.length > 0 || value !== undefined)) {
        const last = path.pop()!;
        const before = path.reduce((sum, segment) => sum + segment.ids.length, 0);
        path.push(split(last, length - before));
      }
      if (rest.length > 0) {
        const keyValues = slice(source, row, length - from, rest.length);
        path.push(place({ parent: path.at(-1), ids: rest, keyValues, value: undefined }));
        tokens += rest.length;
      }
      if (value !== undefined) path.at(-1)!.value = value;
      touch(path);
      evict(path.length);
    },
  };
}
