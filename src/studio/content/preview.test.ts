import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { inspectData, renderReport } from "../../node/data/inspect.ts";
import { remove } from "../../node/files/write.ts";
import { estimate } from "../../node/training/estimate-run.ts";
import type { Estimate, Preview } from "../api.ts";
import { openBuiltStudio } from "./built-studio.fixture.ts";

const model = realpathSync("fixtures/embedded-model");
const scratch = realpathSync(mkdtempSync(join(tmpdir(), "slimtune-preview-")));
const folder = join(scratch, "data");
mkdirSync(folder);
const write = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const studio = await openBuiltStudio([folder]);
afterAll(async () => {
  await studio.close();
  remove(scratch);
});

const rows = Array.from({ length: 30 }, (_, i) => ({
  prompt: `What is ${i} + 1? <script>alert(${i})</script>`,
  completion: `It is ${i + 1} — ☃`,
  note: "unused",
}));
const data = write("faq.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"));

test("the preview's tokens, mask and report are those of `slimtune inspect`, and HTML in data stays text", async () => {
  const preview = await studio.get<Preview>("/preview", { model, data, fields: {} });
  const { examples, report, tokenizer } = await inspectData({ model, data });
  expect(preview).toMatchObject({
    report: renderReport(report).split("\n"),
    isWhole: true,
    tokens: report.tokens,
    trainedTokens: report.trainedTokens,
    warnings: [],
  });
  expect(preview.examples).toHaveLength(20);
  for (const [i, shown] of preview.examples.entries()) {
    const { ids, trained } = examples[i]!.texts[0]!;
    const { tokens, hidden } = shown.texts[0]!;
    expect(tokens.map(({ text }) => text).join("")).toBe(tokenizer.decode([...ids]));
    const trainedText = tokens.flatMap(({ text, isTrained }) => (isTrained ? [text] : [])).join("");
    expect(trainedText).toBe(tokenizer.decode([...ids].filter((_, at) => trained[at] === 1)));
    expect([hidden, shown.about]).toEqual([0, `${ids.length} tokens`]);
  }
  expect(preview.examples[3]!.texts[0]!.tokens.map(({ text }) => text).join("")).toContain(
    "<script>alert(3)",
  );
});

test("of pairs both answers are shown, and of a long text its first tokens", async () => {
  const pair = { prompt: "Why?", chosen: "one ".repeat(1500), rejected: "No." };
  const pairs = write("pairs.jsonl", JSON.stringify(pair));
  const given = { model, data: pairs, objective: "dpo", overlong: "truncate" };
  const { examples, report } = await studio.get<Preview>("/preview", given);
  const [chosen, rejected] = examples[0]!.texts;
  expect(chosen!.tokens.length + chosen!.hidden).toBeGreaterThan(rejected!.tokens.length);
  expect(
    rejected!.tokens
      .filter(({ isTrained }) => isTrained)
      .map(({ text }) => text)
      .join(""),
  ).toContain("No.");
  expect(report[0]).toContain("(pairs)");
});

test("bad data and options are refused in a sentence, and paths outside the folders", async () => {
  const bad = write("bad.jsonl", '{"prompt": "a", "completion": "b"}\n{"prompt": ');
  const prompts = write("prompts.jsonl", '{"prompt": "a"}');
  const outside = join(scratch, "secret.jsonl");
  writeFileSync(outside, "{}");
  const cases: [object, number, string][] = [
    [{ model, data: bad }, 400, "line 2"],
    [{ model, data, rank: 3 }, 400, 'no option "rank"'],
    [{ model, data, reward: ["./own.js"] }, 400, "program"],
    [{ model, data: prompts, objective: "distill", teacher: model }, 400, "the run's teacher writes first"],
    [{ model, data: outside }, 403, "not in a folder"],
    [{ model, data: "/etc/passwd" }, 403, "not in a folder"],
  ];
  for (const [given, status, sentence] of cases) {
    const response = await studio.ask("/preview", given);
    const { error } = (await response.json()) as { error: string };
    expect([response.status, error]).toEqual([status, expect.stringContaining(sentence)]);
  }
});

test("the estimate is that of `slimtune estimate`, with the command that does the same", async () => {
  const given = { model, data, method: "qlora", lora: { r: 8 }, max_steps: 3 };
  const { command, availableBytes, seconds, tokensPerSecond, ...found } = await studio.get<Estimate>(
    "/estimate",
    given,
  );
  const { chosen, steps } = await estimate({ ...given, method: "qlora" });
  expect(found).toMatchObject({
    memoryBytes: chosen.peakBytes,
    steps: steps!.total,
    trainableParameters: chosen.trainableParameters,
    fits: true,
    advice: expect.stringContaining("It fits into"),
    warnings: [],
  });
  expect(Math.min(availableBytes, seconds, tokensPerSecond)).toBeGreaterThan(0);
  expect(command).toBe(
    `slimtune estimate --model fixtures/embedded-model --data ${data} --method qlora --r 8 --max-steps 3`,
  );
});
