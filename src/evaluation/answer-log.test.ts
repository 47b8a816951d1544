import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { openAnswerLog } from "./answer-log.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-answers-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const line = (key: string, answer: unknown) => `${JSON.stringify({ key, answer })}\n`;

test("answers are found again, to the last bit", () => {
  const path = join(scratch, "folder", "answers.jsonl");
  const log = openAnswerLog(path);
  log.append("a", { logLikelihood: -0.1 - 0.2, isGreedy: true });
  log.append("b", -1e-300);
  expect(log.find("b", z.any())).toBe(-1e-300);
  log.close();

  const again = openAnswerLog(path);
  expect(again.find("a", z.any())).toEqual({ logLikelihood: -0.1 - 0.2, isGreedy: true });
  expect(again.find("b", z.any())).toBe(-1e-300);
  expect(again.find("c", z.any())).toBeUndefined();
  again.close();
});

test("of a last line, wherever it was cut off, nothing remains and the log goes on", () => {
  const last = line("b", { text: "größe\n", tokens: 3 });
  const bytes = Buffer.from(last);
  for (let length = 0; length < bytes.length; length++) {
    const path = join(scratch, "cut.jsonl");
    writeFileSync(path, Buffer.concat([Buffer.from(line("a", 1)), bytes.subarray(0, length)]));
    const log = openAnswerLog(path);
    expect(log.find("a", z.any())).toBe(1);
    expect(log.find("b", z.any())).toBeUndefined();
    log.append("c", 2);
    log.close();
    expect(readFileSync(path, "utf8")).toBe(line("a", 1) + line("c", 2));
  }
});

test("a damaged line is dropped at the end, and named elsewhere", () => {
  const path = join(scratch, "damaged.jsonl");
  writeFileSync(path, `${line("a", 1)}{"key":"b","ans\n`);
  openAnswerLog(path).close();
  expect(readFileSync(path, "utf8")).toBe(line("a", 1));

  appendFileSync(path, `{"key":"b"}\n${line("c", 3)}`);
  expect(() => openAnswerLog(path)).toThrow(
    new InputError(`${path}, line 2, is damaged; delete that line and go on.`),
  );
});

test("a line with something else than an answer is named", () => {
  const path = join(scratch, "other.jsonl");
  writeFileSync(path, line("a", { text: 1 }));
  const log = openAnswerLog(path);
  expect(() => log.find("a", z.object({ text: z.string() }))).toThrow(
    new InputError(
      `${path}: the line with the key a holds no answer to its request; delete that line and go on.`,
    ),
  );
  log.close();
});
