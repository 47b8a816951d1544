import { mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compare } from "../../evaluation/compare.ts";
import { toPlain } from "../../evaluation/comparison-report.ts";
import { runEvaluation } from "../../evaluation/run-evaluation.ts";
import { makeFolder, remove } from "../../node/files/write.ts";
import { fineTune } from "../../node/training/fine-tune.ts";
import type { Comparison, EvaluationSummary, RunSummary, Talk, TaskInfo } from "../api.ts";
import { type BuiltStudio, openBuiltStudio } from "./built-studio.fixture.ts";

const model = realpathSync("fixtures/embedded-model");
const scratch = realpathSync(mkdtempSync(join(tmpdir(), "slimtune-results-")));
const evaluations = ["base", "tuned"].map((name) => join(scratch, "evaluations", name)) as [string, string];
let studio: BuiltStudio;
beforeAll(async () => {
  const data = "fixtures/miniature/math-train.jsonl";
  const out = join(scratch, "math");
  // So large a rate that answers change.
  const options = { model, data, out, max_steps: 2, learning_rate: 0.05, validation: 0 };
  const { output } = await fineTune(options);
  for (const [i, folder] of evaluations.entries())
    await runEvaluation({
      model,
      tasks: ["miniature_commonsense"],
      taskFiles: ["fixtures/miniature/benchmarks"],
      limit: 12,
      out: folder,
      cache: false,
      ...(i > 0 && { adapter: output! }),
    });
  studio = await openBuiltStudio([scratch]);
});
afterAll(async () => {
  await studio.close();
  remove(scratch);
});

const listEvaluations = () => studio.get<EvaluationSummary[]>("/evaluations");

test("evaluations are listed with their scores and intervals, and what is none is left out", async () => {
  makeFolder(join(scratch, "other"));
  writeFileSync(join(scratch, "other", "results.json"), '{"results": "<b>none</b>"}');
  const listed = await listEvaluations();
  expect(listed.map(({ name }) => name).sort()).toEqual(["evaluations/base", "evaluations/tuned"]);
  const tuned = listed.find(({ name }) => name.endsWith("tuned"))!;
  expect(tuned).toMatchObject({ model, adapter: join(scratch, "math", "adapter"), path: evaluations[1] });
  const { scores } = await compare(...evaluations);
  for (const [i, score] of tuned.scores.entries()) {
    const { value, low, high } = scores[i]!.after;
    expect(score).toMatchObject({ task: "miniature_commonsense", items: 12, value });
    if (score.metric.startsWith("acc"))
      expect([score.low, score.high]).toEqual([expect.closeTo(low, 10), expect.closeTo(high, 10)]);
  }
});

test("a comparison is that of `slimtune compare --json`, with the items that changed", async () => {
  const listed = await listEvaluations();
  const [before, after] = evaluations.map((path) => listed.find((one) => one.path === path)!.id);
  const found = await studio.get<Comparison>(`/comparison?before=${before}&after=${after}`);
  const plain = toPlain(await compare(...evaluations), 50) as {
    scores: (Omit<Comparison["scores"][number], "before" | "after" | "difference"> &
      Record<"before" | "after" | "difference", { value: number; low: number; high: number }> & {
        flips: { change: string; docId: number; target: string; before: string; after: string }[];
      })[];
    notes: string[];
    agreements: { same: number }[];
  };
  expect(found.scores).toEqual(
    plain.scores.map(({ task, items, p, adjustedP, inPoints, verdict, sentence, ...score }) => ({
      ...{
        task,
        metric: expect.stringContaining(score.metric),
        items,
        p,
        adjustedP,
        inPoints,
        verdict,
        sentence,
      },
      ...{ before: score.before.value, after: score.after.value, difference: score.difference.value },
      ...{ low: score.difference.low, high: score.difference.high },
    })),
  );
  expect(found.notes).toEqual(plain.notes);
  expect(found.agreements[0]).toContain(`${plain.agreements[0]!.same} of`);
  expect(found.methods.join(" ")).toContain("McNemar");
  const flips = plain.scores.flatMap((score) => score.flips);
  expect(flips.length).toBeGreaterThan(0);
  expect(found.changed).toMatchObject(
    flips.map(({ change, docId, target, before, after }) => ({
      ...{ isFixed: change === "fixed", id: String(docId), gold: target, before, after },
    })),
  );
  for (const { question } of found.changed) expect(question.length).toBeLessThan(700);
});

test("evaluations that there are not are refused in a sentence", async () => {
  const [{ id }] = (await listEvaluations()) as [EvaluationSummary];
  const response = await studio.ask(`/comparison?before=${id}&after=../../etc`);
  expect(response.status).toBe(404);
  expect(await response.json()).toEqual({ error: expect.stringContaining("There is no evaluation") });
});

test("the embedded model's tasks are at hand, and the others are named with what they ask", async () => {
  const tasks = await studio.get<TaskInfo[]>("/tasks");
  const names = tasks.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["miniature_math", "gsm8k", "mmlu", "hellaswag"]));
  expect(new Set(names).size).toBe(names.length);
  expect(tasks.find(({ name }) => name === "miniature_math")).toMatchObject({ isLocal: true });
  expect(tasks.find(({ name }) => name === "gsm8k")).toMatchObject({ isLocal: false });
});

const waitFor = async (asked: object): Promise<Talk> => {
  for (;;) {
    const talk = await studio.get<Talk>("/talk", asked);
    if (talk.isReady) return talk;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const completion = (of: string, more: object = {}) =>
  studio.ask("/talk/v1/chat/completions", {
    model: of,
    messages: [{ role: "user", content: "What is 2 + 3?" }],
    max_tokens: 8,
    temperature: 0,
    seed: 1,
    ...more,
  });

test("talk streams answers of the base and of an adapter, with log-probabilities, and another model replaces them", async () => {
  const nothing = await studio.ask("/talk/v1/models");
  expect([nothing.status, await nothing.json()]).toMatchObject([
    404,
    { error: { message: expect.stringContaining("No model is open") } },
  ]);
  const [run] = await studio.get<RunSummary[]>("/runs");
  const talk = await waitFor({ runs: [run!.id] });
  expect(talk.models).toEqual([
    { id: "embedded-model", label: "base" },
    { id: "math", label: "math", run: run!.id },
  ]);
  expect(talk.command).toMatch(/^slimtune serve --model .*embedded-model --adapter math=.*math\/adapter$/);

  const answers = await Promise.all(
    talk.models.map(async ({ id }) => {
      const response = await completion(id, { stream: true, logprobs: true, top_logprobs: 5 });
      expect(response.headers.get("content-type")).toContain("text/event-stream");
      const lines = (await response.text()).split("\n").filter((line) => line.startsWith("data: {"));
      const chunks = lines.map((line) => JSON.parse(line.slice("data: ".length)));
      const tokens = chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? []);
      if (id === "embedded-model")
        expect(tokens[0]).toMatchObject({ logprob: expect.any(Number), top_logprobs: { length: 5 } });
      return chunks.map(({ choices }) => choices[0]?.delta?.content ?? "").join("");
    }),
  );
  expect(answers[0]).not.toBe("");
  expect(answers[0]).not.toBe(answers[1]);

  const alone = await waitFor({ model, runs: [] });
  expect(alone.models).toHaveLength(1);
  expect((await completion("math")).status).toBe(404);
  const whole = await (await completion("embedded-model")).json();
  expect(whole).toMatchObject({ choices: [{ message: { content: answers[0] } }] });
});

test("what cannot be talked to is said in a sentence", async () => {
  const refused = async (asked: object, sentence: string | RegExp) =>
    expect(studio.get("/talk", asked)).rejects.toThrow(sentence);
  await refused({ runs: [] }, "Name a model");
  await refused({ runs: ["0".repeat(16)] }, "There is no such run");
  await refused({ model: "/etc", runs: [] }, "not in a folder");
  await refused({ runs: "all" }, "runs: it is the text");
  const bad = join(scratch, "other");
  await studio.get("/talk", { model: bad, runs: [] });
  await expect
    .poll(() => studio.ask("/talk", { model: bad, runs: [] }).then(({ status }) => status))
    .toBe(400);
});
