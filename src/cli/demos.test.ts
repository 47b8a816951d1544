import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import type { ChosenForItem, DemonstrationArm } from "../demonstrations/results.ts";
import { captureOutput, clearErr, clearOut, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-demos-"));
beforeEach(() => void vi.stubEnv("XDG_CACHE_HOME", join(scratch, "cache")));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true });
});
captureOutput();

const write = (name: string, rows: readonly object[]) => {
  const path = join(scratch, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
};
const trained: { question: string; answer: string }[] = readFileSync(
  "fixtures/miniature/math-train.jsonl",
  "utf8",
)
  .split("\n", 60)
  .map((line) => JSON.parse(line));
const asked: { question: string; answer: string }[] = readFileSync(
  "fixtures/miniature/benchmarks/math.jsonl",
  "utf8",
)
  .split("\n", 3)
  .map((line) => JSON.parse(line));
// The third item stands in the pool.
const pool = write("pool.jsonl", [...trained, asked[2]!]);

const run = (...words: string[]) =>
  main([
    ...["node", "slimtune", "demos", "--model", "fixtures/embedded-model", "--pool", pool],
    ...["--task-file", "fixtures/miniature/benchmarks", "--tasks", "miniature_math", "--limit", "3"],
    ...words,
  ]);
const readLines = (folder: string): ChosenForItem[] =>
  readFileSync(join(folder, "choices.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("ways to choose demonstrations are compared, and a study that was killed goes on", async () => {
  const folder = join(scratch, "study");
  const words = ["--select", "random,bm25,lms3", "--k", "1,2", "--seeds", "2", "--out", folder];
  expect(await run(...words)).toBe(0);
  expect(err).toContain("54 requests");
  expect(out).toMatch(/^miniature_math: 1 of 3 items stand in the pool$/m);
  expect(out).toMatch(/^ {2}bm25:2 +\d\.\d{3} [.+-]{2} +\d+\.\d % [.+-]{2} +0 % +\d+ +\d+$/m);
  const items = readLines(folder);
  expect(items.map(({ question }) => question)).toEqual(asked.map(({ question }) => question));
  for (const { demonstrations, scores } of items) {
    expect(Object.keys(demonstrations)).toEqual([
      ...["zero-shot", "random:1#0", "random:1#1", "random:2#0", "random:2#1"],
      ...["bm25:1", "bm25:2", "lms3:1", "lms3:2"],
    ]);
    expect(demonstrations["zero-shot"]).toEqual([]);
    expect(demonstrations["bm25:2"]).toHaveLength(2);
    expect(demonstrations["bm25:2"]![0]).toBe(demonstrations["bm25:1"]![0]);
    expect(scores["bm25:2"]).toEqual({ bits: expect.any(Number), answers: expect.any(Number) });
  }
  // It is not its own demonstration.
  for (const places of Object.values(items[2]!.demonstrations)) expect(places).not.toContain(60);

  const report = readFileSync(join(folder, "report.md"), "utf8");
  for (const part of [
    "## Selections on miniature\\_math",
    "against random, as many",
    "## Items of miniature",
    "| 2 | 60 |",
  ])
    expect(report).toContain(part);
  expect(readFileSync(join(folder, "report.html"), "utf8")).toContain("<svg");

  const log = join(folder, "answers.jsonl");
  const answers = readFileSync(log, "utf8").split("\n");
  writeFileSync(log, `${answers.slice(0, 20).join("\n")}\n${answers[20]!.slice(0, 30)}`);
  rmSync(join(folder, "choices.jsonl"));
  clearOut();
  expect(await run(...words, "--json")).toBe(0);
  expect(readFileSync(log, "utf8").split("\n")).toHaveLength(answers.length);
  for (const [i, { demonstrations, scores }] of readLines(folder).entries()) {
    expect(demonstrations).toEqual(items[i]!.demonstrations);
    // Texts that are computed beside others differ by rounding.
    for (const [arm, { bits, answers }] of Object.entries(scores)) {
      expect(bits).toBeCloseTo(items[i]!.scores[arm]!.bits!, 3);
      expect(answers).toBe(items[i]!.scores[arm]!.answers);
    }
  }
  const { tasks } = JSON.parse(out);
  expect(tasks[0].contaminated).toEqual([
    { docId: 2, demonstration: 60, ngram: expect.stringContaining(" ") },
  ]);
  const arms: readonly DemonstrationArm[] = tasks[0].arms;
  const bm25 = arms.find(({ selection, k }) => selection === "bm25" && k === 2)!;
  expect(bm25.scores.map(({ score }) => score)).toEqual(["bits", "answers"]);
  expect(bm25.scores[0]!.comparisons.map(({ against }) => against)).toEqual(["zero-shot", "random:2"]);
  // The mean over the items that the file has, by the bytes of the answers.
  const bits = items.reduce((sum, { scores }) => sum + scores["bm25:2"]!.bits!, 0);
  const bytes = asked.reduce((sum, { answer }) => sum + Buffer.byteLength(` ${answer}`), 0);
  expect(bm25.scores[0]!.estimate.value).toBeCloseTo(bits / bytes, 9);
  expect(bm25.tokens!.own).toBeLessThanOrEqual(bm25.tokens!.read);
});

test("one model chooses, and a server is asked", async () => {
  const prompts: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => {
      body += part;
    });
    request.on("end", () => {
      prompts.push(JSON.parse(body).prompt);
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ choices: [{ text: "3 + 4 = 7\n#### 7" }] }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const model = `openai:http://127.0.0.1:${(server.address() as AddressInfo).port}/v1#m`;
  const to = (name: string) => ["--model", model, "--out", join(scratch, name)];
  const chooser = ["--choose-by-model", "fixtures/embedded-model"];
  expect(await run(...to("served"), ...chooser, "--select", "knn,lms3")).toBe(0);
  expect(out).toMatch(/^ {2}lms3:1 +\d+\.\d % [.+-] +\d+ % +– +–$/m);
  const chosen = readLines(join(scratch, "served"));
  expect(chosen[0]!.scores["knn:1"]).toEqual({ answers: expect.any(Number) });
  const [place] = chosen[0]!.demonstrations["knn:1"]!;
  const { question, answer } = trained[place!]!;
  expect(prompts).toContain(`${question} ${answer}\n\n${asked[0]!.question}`);

  clearErr();
  expect(await run(...to("weightless"), "--select", "lms3")).toBe(1);
  expect(err).toContain("lms3 reads texts with the weights of a model, which a server does not give");
  expect(await run(...to("bits"), "--select", "bm25", "--score", "bits")).toBe(1);
  expect(err).toContain("does not say how likely given answers are, so that it cannot be scored by bits");
  expect(await run(...to("bound"), "--select", "likelihood")).toBe(1);
  expect(err).toContain("likelihood needs a model that says how likely answers are");
  server.close().closeAllConnections();
});

test.each([
  [["--select", "best"], 'There is no way "best" to choose demonstrations; take one of random, bm25'],
  [["--select", "bm25,bm25"], "The selection bm25 is named twice"],
  [["--select", "bm25", "--k", "2,2"], "A number of demonstrations is given twice"],
  [["--select", "bm25", "--k", "62"], "62 demonstrations are to be chosen from 61, of which 61 are not"],
  [["--select", "bm25", "--k", "61"], /61 demonstrations are to be chosen from 61, of which 60 are not that/],
  [
    ["--select", "bm25", "--k", "30"],
    /Item 0 of miniature_math with the demonstrations of bm25:30 has a prompt of \d+ tokens, which leaves no room .* take fewer demonstrations, or a pool of shorter ones\./,
  ],
  [["--select", "bm25", "--score", "luck"], '"luck" is neither answers nor bits'],
  [["--select", "lms3", "--lms3-lambda", "0"], "0 of the pool cannot count as similar"],
  [["--select", "bm25", "--pool", "nowhere.jsonl"], "nowhere.jsonl"],
])("%j is told in a sentence", async (words, sentence) => {
  expect(await run(...words, "--out", join(scratch, "none"))).toBe(1);
  const lines = err.split("\n").filter((line) => line.startsWith("slimtune: ") || line.startsWith("error: "));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(sentence);
  expect(err).not.toContain("--verbose");
});

test("pools that leave nothing to choose, and folders with something else, are refused", async () => {
  const to = ["--select", "bm25", "--out", join(scratch, "none")];
  expect(await run(...to, "--pool", write("one.jsonl", trained.slice(0, 1)))).toBe(1);
  expect(err).toContain("The pool has one demonstration, of which none can be chosen; give it at least two.");
  expect(await run(...to, "--pool", write("same.jsonl", [asked[0]!, asked[0]!]))).toBe(1);
  expect(err).toContain("1 demonstration is to be chosen from 2, all of which are that question itself");
  expect(await run(...to, "--pool", write("fields.jsonl", [{ text: "a" }, { text: "b" }]))).toBe(1);
  expect(err).toMatch(/fields\.jsonl, line 1: /);
  expect(await run("--select", "bm25", "--out", scratch)).toBe(1);
  expect(err).toContain("is not empty and holds no study of demonstrations; choose another folder.");
});

test("an evaluation chooses the examples of each item", async () => {
  const evaluateBy = (name: string, ...more: string[]) =>
    main([
      ...["node", "slimtune", "evaluate", "--model", "fixtures/embedded-model", "--show", "2", "--json"],
      ...["--task-file", "fixtures/miniature/benchmarks", "--tasks", "miniature_math", "--limit", "2"],
      ...["--fewshot-by", name, "--out", join(scratch, `evaluated-${name}`), ...more],
    ]);
  expect(await evaluateBy("knn", "--num-fewshot", "1")).toBe(0);
  const { samples, slimtune } = JSON.parse(out);
  expect(slimtune).toMatchObject({ fewshot_by: "knn", num_fewshot: 1 });
  for (const { arguments: given, doc } of samples.miniature_math) {
    const { arg_0: prompt } = given.gen_args_0;
    expect(prompt.endsWith(`\n\n${doc.question}`)).toBe(true);
    expect(prompt.split("####")).toHaveLength(2);
  }
  expect(await evaluateBy("bm25")).toBe(1);
  expect(err).toContain("No examples stand before the items of miniature_math, so that none can be chosen");
  // None where it rejects.
  expect(await evaluateBy("lms3", "--num-fewshot", "1")).toBe(0);
});
