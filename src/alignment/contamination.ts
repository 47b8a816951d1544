/** @file Which of a benchmark's items stand in tuning data, by long runs of words that both have. */

import { wordsOf } from "./words.ts";

/** A run of words that an item and a row of the data have in common. */
export interface Overlap {
  /** Number of the item among those that were given, from 0. */
  readonly item: number;
  /** The words, without case and punctuation. */
  readonly ngram: string;
  /** The first row of the data that has them, as rows are counted in errors. */
  readonly line: number;
}

export interface ContaminationIndex {
  /** Which of the items are long enough to be looked for. */
  readonly isChecked: readonly boolean[];
  /** Begins with a set of data. */
  createSearch(): {
    /** Looks for the items in one row's text. */
    visit(text: string, line: number): void;
    /** What has been found, at most one overlap an item, by the items' numbers. */
    overlaps(): Overlap[];
  };
}

/** Words in a row that an item and a row of the data do not have in common by chance. */
const longest = 13;
/** Shorter items are looked for as a whole, down to this many words: fewer would be found where they mean nothing. */
const shortest = 8;
/** A run that more rows of the data have is a form of words, and says nothing of an item. */
const mostRows = 10;

/**
 * Prepares the search for items in tuning data: an item counts as contaminated if 13 words in a row of it stand in one
 * row of the data, or all of it if it has 8 to 12 (Brown et al. 2020, appendix C, where 13 and 8 are the largest and least
 * N). Runs that stand in more than 10 different rows are ignored, as there. Items of fewer words are not looked for. What was
 * reworded or translated is not found, and a quotation that both have from elsewhere is.
 */
export function indexItems(items: readonly string[]): ContaminationIndex {
  const idOfWord = new Map<string, number>();
  const wordsOfItems = items.map(wordsOf);
  const isChecked = wordsOfItems.map(({ length }) => length >= shortest);

  // All items' words one after another. Runs with the same hash are a chain from `heads` along `next`.
  const total = wordsOfItems.reduce((sum, { length }) => sum + length, 0);
  const ids = new Int32Array(total);
  const itemAt = new Int32Array(total);
  const next = new Int32Array(total);
  const headsByLength = new Map<number, Map<number, number>>();
  let end = 0;
  for (const [item, words] of wordsOfItems.entries()) {
    const start = end;
    for (const word of words) {
      const id = idOfWord.get(word) ?? idOfWord.size;
      idOfWord.set(word, id);
      ids[end] = id;
      itemAt[end++] = item;
    }
    if (!isChecked[item]) continue;
    const length = Math.min(longest, words.length);
    const heads = headsByLength.get(length) ?? new Map<number, number>();
    headsByLength.set(length, heads);
    for (let place = start; place + length <= end; place++) {
      const hash = hashRun(ids, place, length);
      next[place] = heads.get(hash) ?? -1;
      heads.set(hash, place);
    }
  }

  return {
    isChecked,
    createSearch() {
      /** By the run's place among the items' words, in the order in which runs were found. */
      const found = new Map<number, { readonly overlap: Overlap; rows: number; lastLine: number }>();
      const seen = new Set<string>();
      return {
        visit(text, line) {
          // A row that is repeated makes no form of words of what it says.
          if (seen.has(text)) return;
          seen.add(text);
          const words = wordsOf(text);
          const row = Int32Array.from(words, (word) => idOfWord.get(word) ?? -1);
          for (const [length, heads] of headsByLength) {
            let known = 0;
            for (let last = 0; last < row.length; last++) {
              known = row[last]! < 0 ? 0 : known + 1;
              if (known < length) continue;
              const start = last + 1 - length;
              let place = heads.get(hashRun(row, start, length)) ?? -1;
              for (; place >= 0; place = next[place]!) {
                if (!isSameRun(ids, place, row, start, length)) continue;
                const known = found.get(place);
                if (known) {
                  if (known.lastLine !== line) known.rows++;
                  known.lastLine = line;
                  continue;
                }
                const ngram = words.slice(start, last + 1).join(" ");
                found.set(place, { overlap: { item: itemAt[place]!, ngram, line }, rows: 1, lastLine: line });
              }
            }
          }
        },
        overlaps() {
          const telling = [...found.values()].filter(({ rows }) => rows <= mostRows).reverse();
          // Of an item's runs the first that was found remains.
          const byItem = new Map(telling.map(({ overlap }) => [overlap.item, overlap]));
          return [...byItem.values()].sort((a, b) => a.item - b.item);
        },
      };
    },
  };
}

/** FNV-1a over whole words. */
function hashRun(ids: Int32Array, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ ids[i]!, 0x01000193);
  return hash;
}

function isSameRun(a: Int32Array, startA: number, b: Int32Array, startB: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[startA + i] !== b[startB + i]) return false;
  return true;
}
