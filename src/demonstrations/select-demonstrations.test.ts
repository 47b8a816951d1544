import { expect, test } from "vitest";
import { selectForAll } from "../evaluation/demonstration-selector.ts";
import { randomSelector } from "./random.ts";
import { selectDemonstrations } from "./select-demonstrations.ts";

const pool = [
  { text: "Tom has 3 pens and buys 4. How many has he?", solution: "3 + 4 = 7\n#### 7" },
  { text: "A train goes 160 miles in 2 hours. How fast is it?", solution: "#### 80", source: "trains" },
  { text: "Ann eats 2 of 5 plums. How many plums are left?", solution: "5 - 2 = 3\n#### 3" },
];
const query = { text: "How fast is a train that goes 90 miles in an hour?" };

test("demonstrations come as they are in the pool, the best first", async () => {
  const [first, ...others] = await selectDemonstrations(pool, query, { by: "bm25", k: 3 });
  expect(first).toBe(pool[1]);
  expect(others).toHaveLength(2);
  expect(await selectDemonstrations(pool, query, { by: "complexity", k: 2 })).toEqual([pool[0], pool[2]]);
});

test("a random draw depends on the seed and the query alone", async () => {
  const queries = Array.from({ length: 200 }, (_, i) => ({ text: `question ${i}` }));
  const drawn = await selectForAll(pool, queries, randomSelector(), 2);
  expect(await selectForAll(pool, queries.slice(7, 8), randomSelector(), 2)).toEqual([drawn[7]]);
  expect(await selectForAll(pool, queries, randomSelector(1), 2)).not.toEqual(drawn);
  for (const chosen of drawn) expect(new Set(chosen).size).toBe(2);
  // Of 200 draws a third begins with each: 67, with a standard deviation of 6.7.
  for (const place of pool.keys()) {
    const times = drawn.filter(([first]) => first === place).length;
    expect(Math.abs(times - 200 / 3)).toBeLessThan(4 * 6.7);
  }
});

test("the question itself is never its own demonstration", async () => {
  for (const by of ["random", "bm25", "complexity"] as const) {
    const chosen = await selectDemonstrations(pool, { text: pool[0]!.text }, { by, k: 2 });
    expect(chosen, by).toHaveLength(2);
    expect(chosen, by).not.toContain(pool[0]);
  }
});

test("what cannot be chosen is refused in a sentence", async () => {
  const select = (from: typeof pool, k: number, text = query.text) =>
    selectDemonstrations(from, { text }, { by: "bm25", k });
  await expect(select(pool.slice(0, 1), 1)).rejects.toThrow(
    "The pool has one demonstration, of which none can be chosen; give it at least two.",
  );
  await expect(select([], 1)).rejects.toThrow("The pool has no demonstrations");
  await expect(select(pool, 4)).rejects.toThrow(
    /4 demonstrations are to be chosen from 3, of which 3 are not/,
  );
  await expect(select([pool[0]!, pool[0]!], 1, pool[0]!.text)).rejects.toThrow(
    'For the question "Tom has 3 pens and buys 4. How many has he?" 1 demonstration is to be chosen from 2, all of which are that question itself; take fewer, or a larger pool.',
  );
  await expect(select(pool, 0.5)).rejects.toThrow("0.5 demonstrations cannot be chosen");
  await expect(selectDemonstrations(pool, query, { by: "best" as "bm25" })).rejects.toThrow(
    'There is no way "best" to choose demonstrations; take one of random, bm25, complexity, knn, mmr, dpp, lms3, likelihood.',
  );
  await expect(selectDemonstrations(pool, query, { by: "lms3" })).rejects.toThrow(
    "lms3 reads texts with the weights of a model, which a server does not give; choose by a model on this machine",
  );
});
