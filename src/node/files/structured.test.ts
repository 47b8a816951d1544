import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { openForReading, readText, readWhole } from "./read.ts";
import { parseYaml, readJson, readYaml } from "./structured.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-structured-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const path = join(scratch, "progress.json");
const write = (content: string | Uint8Array) => writeFileSync(path, content);
const schema = z.strictObject({ step: z.int(), usage: z.record(z.string(), z.unknown()).optional() });

test("JSON is read and checked", () => {
  write('\ufeff{"step": 3, "usage": {"a": [1]}}\n');
  expect(readJson(path, schema)).toEqual({ step: 3, usage: { a: [1] } });
});

const nested = (depth: number) => `{"step": 1, "usage": {"a": ${"[".repeat(depth)}${"]".repeat(depth)}}}`;

test.each([
  ["nothing", "", "is not valid JSON; run it again."],
  ["half a file", '{"step"', "is not valid JSON; run it again."],
  ["zeros, as a power cut leaves them", "\0".repeat(40), "is not valid JSON; run it again."],
  ["bytes that are no text", Uint8Array.of(0x22, 0xff, 0x22), "the text is not in UTF-8; convert the file."],
  ["another kind of value", "[]", "it is a list"],
  ["a missing field", "{}", "step: it is missing."],
  ["a field of another type", '{"step": "3"}', "step: "],
  ["an unknown field", '{"step": 3, "stop": 4}', "the field stop is not supported"],
  ["a hundred thousand brackets", nested(100_000), "nests more than 100 levels deep"],
])("%s is refused in a sentence that names the file", (_, content, sentence) => {
  write(content);
  expect(() => readJson(path, schema, "run it again")).toThrow(InputError);
  expect(() => readJson(path, schema, "run it again")).toThrow(path);
  expect(() => readJson(path, schema, "run it again")).toThrow(sentence);
});

test("what nests as deep as files do is read", () => {
  write(nested(90));
  expect(readJson(path, schema).step).toBe(1);
  expect(parseYaml(`${"[".repeat(90)}${"]".repeat(90)}`, "config.yaml")).toHaveLength(1);
  expect(parseYaml("- ".repeat(90), "config.yaml")).toHaveLength(1);
});

/** Each level holds the one below it nine times. */
const bomb = Array.from({ length: 12 }, (_, level) =>
  level === 0
    ? "a0: &a0 [x]"
    : `a${level}: &a${level} [${Array(9)
        .fill(`*a${level - 1}`)
        .join(", ")}]`,
).join("\n");

test.each([
  ["aliases that would fill the memory", bomb, /config\.yaml is not valid YAML: Excessive alias count.+\.$/],
  ["an alias of itself", "a: &a [*a]", "config.yaml nests more than 100 levels deep"],
  ["an alias of nothing", "a: *b", /is not valid YAML: Unresolved alias.+\.$/],
  ["a hundred thousand brackets", "[".repeat(100_000), "config.yaml nests more than 100 levels deep"],
  ["a hundred thousand lists", "- ".repeat(100_000), "config.yaml nests more than 100 levels deep"],
  ["a hundred thousand keys", "? ".repeat(100_000), "config.yaml nests more than 100 levels deep"],
  ["a hundred thousand tables", "{a: ".repeat(100_000), "config.yaml nests more than 100 levels deep"],
  ["a key twice", "a: 1\na: 2", /is not valid YAML: Map keys must be unique.+\.$/],
  ["two documents", "a: 1\n---\nb: 2", /is not valid YAML: .+\.$/],
  ["a tab", "a:\n\t- b", /is not valid YAML: .+\.$/],
])("YAML with %s is refused in a sentence", (_, text, sentence) => {
  expect(() => parseYaml(text, "config.yaml")).toThrow(InputError);
  expect(() => parseYaml(text, "config.yaml")).toThrow(sentence);
});

test("what is no file is refused, and nobody waits for it", () => {
  const pipe = join(scratch, "pipe");
  const reads = [readText, readWhole, openForReading, readYaml, (place: string) => readJson(place, schema)];
  for (const read of reads) {
    expect(() => read(scratch)).toThrow(`${scratch} cannot be opened for reading; check that it exists.`);
    expect(() => read(join(scratch, "none"))).toThrow("cannot be opened for reading; check that it exists.");
    expect(() => read(join(path, "below"))).toThrow("leads through a file as if that were a folder");
  }
  if (spawnSync("mkfifo", [pipe]).status !== 0) return;
  for (const read of reads) {
    for (const place of [pipe, "/dev/zero"])
      expect(() => read(place)).toThrow(`${place} is a pipe or a device, which cannot be read like a file`);
  }
});
