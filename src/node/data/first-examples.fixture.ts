/** @file For tests: as many examples of the miniature as a short run needs. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes the first examples of a set, such as "math". @returns the file */
export function writeFirstExamples(folder: string, set: string, count = 24): string {
  const name = `${set}-train.jsonl`;
  const lines = readFileSync(join("fixtures/miniature", name), "utf8").split("\n");
  writeFileSync(
    join(folder, name),
    lines
      .slice(0, count)
      .map((line) => `${line}\n`)
      .join(""),
  );
  return join(folder, name);
}
