import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { openStudyFolder, withDate } from "./begin-study.ts";
import { parseStudyConfig } from "./study-config.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-study-folder-"));
afterAll(() => rmSync(scratch, { recursive: true }));

test("a study's date is that of its start, unless another one is given", () => {
  const options = { kind: "slimming", model: "m", data: { a: "a" }, methods: ["lora"], tasks: ["gsm8k"] };
  const config = parseStudyConfig(options, "test");
  const path = join(scratch, "study");
  vi.useFakeTimers({ toFake: ["Date"], now: new Date("2025-01-31T12:00") });
  const begun = withDate(config, path);
  expect(begun.date).toBe("2025-01-31");
  openStudyFolder(path, begun);
  vi.setSystemTime(new Date("2025-02-01T12:00"));
  expect(withDate(config, path)).toEqual(begun);
  expect(withDate(config, join(scratch, "other")).date).toBe("2025-02-01");
  const later = withDate({ ...config, date: "2025-02-01" }, path);
  expect(() => openStudyFolder(path, later)).toThrow('holds a study with another "date"');
  vi.useRealTimers();
});

test("a study's folder is not opened with options more or fewer than its own", () => {
  const options = { kind: "slimming", model: "m", data: { a: "a" }, methods: ["lora"], tasks: ["gsm8k"] };
  const [all, limited] = [options, { ...options, limit: 3 }].map((given) => parseStudyConfig(given, "test"));
  for (const [name, begun, other] of [
    ["all", all, limited],
    ["limited", limited, all],
  ] as const) {
    const path = join(scratch, name);
    openStudyFolder(path, begun!);
    expect(openStudyFolder(path, begun!).path).toBe(path);
    expect(() => openStudyFolder(path, other!)).toThrow('holds a study with another "limit"');
  }
});
