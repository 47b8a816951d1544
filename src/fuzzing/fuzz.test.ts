import { expect, test } from "vitest";
import { fuzz } from "./fuzz.fixture.ts";
import { readers } from "./readers.fixture.ts";

/** Of each reader's good files: 2,000 files in all. */
const mutations = Math.ceil(2000 / readers.length);

test.each(readers)("$name: changed files are read or refused in one sentence", async (reader) => {
  const { read, refused } = await fuzz(reader, mutations);
  // Both happen, or the mutations are too gentle or too rough to find anything.
  expect(read).toBeGreaterThan(0);
  expect(refused).toBeGreaterThan(mutations / 10);
});
