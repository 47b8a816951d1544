import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { captureOutput, clearErr, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-align-cli-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const task = join(scratch, "math.yaml");
writeFileSync(
  task,
  `task: sums
dataset_path: ${resolve("fixtures/miniature/math-held-out.jsonl")}
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{answer}}"
`,
);
const leak = join(scratch, "leak.jsonl");
const [item] = readFileSync("fixtures/miniature/math-held-out.jsonl", "utf8").split("\n");
const training = readFileSync("fixtures/miniature/computing-train.jsonl", "utf8").split("\n").slice(0, 30);
writeFileSync(leak, [...training, item].join("\n"));

captureOutput();

const model = ["--model", "fixtures/embedded-model"];
const data = ["--data", "fixtures/miniature/math-train.jsonl", "--data", `other=${leak}`];
const run = (...words: string[]) => main(["node", "slimtune", "align", ...words]);

test("a table, what it means, and the items that stand in the data are printed", async () => {
  const options = ["--tasks", "sums", "--task-file", task, "--samples", "8", "--limit", "50"];
  expect(await run(...model, ...data, ...options)).toBe(0);
  expect(out).toMatch(/^data +task +representation +gradient +lexical +contaminated\n/);
  expect(out).toMatch(/^math-train +sums +\d\.\d\d +\d\.\d\d +\d\.\d\d +0 of \d+$/m);
  expect(out).toMatch(/^other +sums +\d\.\d\d +-?\d\.\d\d +\d\.\d\d +1 of \d+$/m);
  expect(out).toContain('sums, item 0, stands in other, line 31: "');
  for (const score of ["representation: ", "gradient: ", "lexical: ", "contaminated: "])
    expect(out).toContain(`\n${score}`);
  expect(out).toContain("Samples: 8 of math-train, 8 of other, 8 of sums.");
  expect(out).toContain("Judged by the evaluated items themselves, since there are no other examples: sums.");
  expect(out).toMatch(/Measured in \d+ s\.\n$/);
});

test("--json prints one object", async () => {
  const options = ["--tasks", "sums", "--task-file", task, "--samples", "8", "--seed", "3", "--json"];
  expect(await run(...model, ...data, ...options)).toBe(0);
  const result = JSON.parse(out);
  expect(result).toMatchObject({ seed: 3, data: [{ name: "math-train", rows: 600 }, { rows: 31 }] });
  expect(result.alignments[1]).toMatchObject({
    data: "other",
    task: "sums",
    contaminated: [0],
    overlaps: [{ task: "sums", docId: 0, line: 31 }],
  });
  expect(result.alignments[0].gradient).toBeGreaterThan(result.alignments[1].gradient);
});

test("the help has an example", async () => {
  expect(await run("--help")).toBe(0);
  expect(out).toContain("Example:\n  slimtune align --model");
});

test("bad input ends with one sentence and exit code 1", async () => {
  const cases: [words: string[], sentence: string][] = [
    [[...model, ...data, "--tasks", "gsm9k"], "There is no task gsm9k; similar names are gsm8k"],
    [[...model, "--data", "nowhere.jsonl", "--tasks", "gsm8k"], "There is no file nowhere.jsonl."],
    [["--model", "nowhere", ...data, "--tasks", "gsm8k"], "There is no model at nowhere."],
    [
      [...model, ...data, "--tasks", "gsm8k", "--data-dir", "nowhere"],
      "There is no folder nowhere with datasets.",
    ],
    [
      [...model, ...data, ...data, "--tasks", "sums", "--task-file", task],
      "Two sets of data are named math-train; give one of them another name.",
    ],
    [[...model, ...data, "--tasks", "gsm8k", "--samples", "1"], "It is not a whole number of at least 2."],
    [[...model, "--tasks", "gsm8k"], "required option '--data <[name=]path or id>' not specified"],
  ];
  for (const [words, sentence] of cases) {
    clearErr();
    expect(await run(...words), sentence).toBe(1);
    expect(err).toContain(sentence);
    expect(err).not.toMatch(/^\s+at /m);
  }
});
