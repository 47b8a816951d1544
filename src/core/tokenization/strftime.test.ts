import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { formatTime } from "./strftime.ts";

test("times are written as Python writes them", () => {
  const path = new URL("../../../fixtures/tokenization/strftime.json", import.meta.url);
  type Golden = [moment: [number, number, number, number, number, number], format: string, text: string];
  for (const [[year, month, ...rest], format, text] of JSON.parse(readFileSync(path, "utf8")) as Golden[]) {
    expect(formatTime(new Date(year, month - 1, ...rest), format)).toBe(text);
  }
});
