import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("the page of what is held names tests that are there", () => {
  const page = readFileSync("docs/robustness.md", "utf8");
  const named = [...page.matchAll(/`(src\/[\w./-]+\.(?:test|real)\.ts)`((?:,? "[^"]+")*)/g)];
  expect(named.length).toBeGreaterThan(50);
  for (const [, file, names] of named as unknown as [string, string, string][]) {
    expect(existsSync(file), file).toBe(true);
    const text = readFileSync(file, "utf8");
    for (const [, name] of names.matchAll(/"([^"]+)"/g)) expect(text, `${file}: ${name}`).toContain(name);
  }
});
