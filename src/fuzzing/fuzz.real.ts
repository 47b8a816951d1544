import { expect, test } from "vitest";
import { fuzz } from "./fuzz.fixture.ts";
import { readers } from "./readers.fixture.ts";

test("20,000 changed files are read or refused in one sentence, in little time and memory", async () => {
  const totals = { files: 0, read: 0, refused: 0 };
  for (const reader of readers) {
    const outcome = await fuzz(reader, Math.ceil(20_000 / readers.length));
    totals.files += outcome.files;
    totals.read += outcome.read;
    totals.refused += outcome.refused;
  }
  console.log(`${totals.files} files: ${totals.read} were read, ${totals.refused} refused in a sentence.`);
  expect(totals.files).toBeGreaterThanOrEqual(20_000);
});
