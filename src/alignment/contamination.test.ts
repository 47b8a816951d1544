import fc from "fast-check";
import { expect, test } from "vitest";
import { indexItems } from "./contamination.ts";
import { wordsOf } from "./words.ts";

function findIn(rows: readonly string[], items: readonly string[]) {
  const search = indexItems(items).createSearch();
  for (const [i, row] of rows.entries()) search.visit(row, i + 1);
  return search.overlaps();
}

const thirteen = "one two three four five six seven eight nine ten eleven twelve thirteen";

test("words have neither case nor punctuation", () => {
  expect(wordsOf("It's 3 + 4.\n\t»Gut«, Ärger—ÉTÉ!")).toEqual(["its", "3", "4", "gut", "ärgerété"]);
  expect(wordsOf(" … \n")).toEqual([]);
});

test("13 words in a row are found, whatever their case, punctuation and line breaks", () => {
  const item = `Question: ${thirteen}?`;
  const row =
    "Now: ONE, two;\nthree four\r\nfive – six (seven) 'eight' nine...  ten\televen\n\n\"twelve\" Thirteen! And on.";
  expect(findIn(["something else", row, row], [item])).toEqual([{ item: 0, ngram: thirteen, line: 2 }]);
});

test("12 of the words are not enough, nor 13 with another between them, nor across rows", () => {
  const items = [`${thirteen} fourteen`];
  const words = thirteen.split(" ");
  expect(findIn([words.slice(1).join(" ")], items)).toEqual([]);
  expect(findIn([words.toSpliced(6, 0, "and").join(" ")], items)).toEqual([]);
  expect(findIn([words.toSpliced(6, 1, "SEVENTH").join(" ")], items)).toEqual([]);
  expect(findIn([words.slice(0, 6).join(" "), words.slice(6).join(" ")], items)).toEqual([]);
});

test("any 13 of a longer item are found, and every item that has them", () => {
  const items = [
    `a b c ${thirteen}`,
    `${thirteen} x y z`,
    "none of this stands there at all in any of the rows of data",
  ];
  expect(findIn([`before ${thirteen} after`], items)).toEqual([
    { item: 0, ngram: thirteen, line: 1 },
    { item: 1, ngram: thirteen, line: 1 },
  ]);
});

test("a run that stands in more than ten rows is a form of words, and another of the item still counts", () => {
  const form = "answer with the name of the colour that the program prints at its very end";
  const rows = Array.from({ length: 11 }, (_, i) => `${form} number ${i}`);
  expect(findIn(rows.slice(1), [`q ${form}`])).toHaveLength(1);
  expect(findIn([...rows.slice(1), `${form} ${form}`], [`q ${form}`])).toEqual([]);
  expect(findIn(Array(20).fill(form), [`q ${form}`])).toHaveLength(1);
  const own = `${thirteen} ${form}`;
  expect(findIn([...rows, own], [own])).toMatchObject([{ line: 12, ngram: thirteen }]);
});

test("an item of 8 to 12 words is found as a whole, and a shorter one is not looked for", () => {
  const eight = "How many legs has a horse? It's four.";
  const seven = "How many legs has a horse? Four.";
  expect(indexItems([eight, seven, thirteen]).isChecked).toEqual([true, false, true]);
  const rows = [`Tell me: how many legs has a horse - its four`, seven];
  expect(findIn(rows, [eight, seven])).toEqual([
    { item: 0, ngram: "how many legs has a horse its four", line: 1 },
  ]);
  expect(findIn([seven], [eight])).toEqual([]);
});

test("the same is found as by comparing all runs of words", () => {
  // Few words, so that many runs are alike.
  const text = (least: number) =>
    fc.array(fc.constantFrom("a", "b"), { minLength: least, maxLength: 24 }).map((words) => words.join(" "));
  const texts = fc.array(text(0), { maxLength: 5 });
  fc.assert(
    fc.property(texts, texts, (items, rows) => {
      const runs = (words: readonly string[], length: number) =>
        words.slice(length - 1).map((_, i) => words.slice(i, i + length).join(" "));
      const expected = items.flatMap((item) => {
        const words = wordsOf(item);
        const length = Math.min(13, words.length);
        if (length < 8) return [];
        const own = new Set(runs(words, length));
        return rows.some((row) => runs(wordsOf(row), length).some((run) => own.has(run))) ? [item] : [];
      });
      expect(findIn(rows, items).map(({ item }) => items[item])).toEqual(expected);
    }),
  );
});
