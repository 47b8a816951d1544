import { appendFileSync, existsSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { withLock } from "../node/files/lock.ts";
import { writePlan } from "../node/training/plan-file.ts";
import type { Curves, RunDetail, RunSummary } from "./api.ts";
import { idOf } from "./ids.ts";
import {
  evaluationLine,
  makeScratch,
  openTestStudio,
  stepLine,
  type TestStudio,
  writeRun,
} from "./studio.fixture.ts";

const scratch = makeScratch("runs");
const studios: TestStudio[] = [];
afterAll(async () => {
  await Promise.all(studios.map((studio) => studio.close()));
  scratch.remove();
});

async function openIn(name: string) {
  const folder = join(scratch.path, name);
  const studio = await openTestStudio([folder]);
  studios.push(studio);
  const list = () => studio.get<RunSummary[]>("/api/runs");
  return { folder, studio, list };
}

test("a run's row says what its folder does, wherever it lies", async () => {
  writeRun(join(scratch.path, "rows", "a study", "cells", "math"), { isFinished: true });
  const { folder, list } = await openIn("rows");
  writeRun(join(folder, "long"), { steps: 100 });
  const path = join(folder, "a study", "cells", "math");
  const runs = await list();
  expect(runs.map(({ name, state, step }) => [name, state, step])).toEqual([
    ["long", "interrupted", 100],
    ["a study/cells/math", "finished", 3],
  ]);
  expect(runs[1]).toEqual({
    id: idOf(path),
    path,
    name: "a study/cells/math",
    state: "finished",
    model: resolve("fixtures/embedded-model"),
    data: "faq.csv",
    method: "lora",
    objective: "sft",
    step: 3,
    loss: 1,
    peakBytes: 1e8 + 3,
    firstEvalLoss: 3,
    bestEvalLoss: 0.75,
    tokensPerSecond: 400,
    startedAt: expect.any(Number),
    changedAt: expect.any(Number),
    note: "",
  });
});

test("a run that is computed says how far it is to go, from its plan", async () => {
  const { folder, list } = await openIn("plan");
  const path = join(folder, "math");
  writeRun(path, { steps: 4 });
  writePlan(join(path, "plan.json"), {
    ...{ total_steps: 10, steps_per_epoch: 10, eval_steps: 5, save_steps: 10, evaluations: 3 },
    ...{ examples: 80, held_out: 4, tokens: 2000, held_out_tokens: 100 },
    ...{ segment_size: 1, trainable_parameters: 10, parameters: 100 },
  });
  await withLock(path, "run", async () => {
    const [run] = await list();
    // Six steps of 0.5 s and two evaluations of 0.2 s.
    expect(run).toMatchObject({ state: "running", totalSteps: 10, secondsLeft: 3.4 });
  });
  expect((await list())[0]).toMatchObject({ state: "interrupted", totalSteps: 10 });
  expect((await list())[0]).not.toHaveProperty("secondsLeft");
});

test("what looks like a run but is none, is a link, or is damaged keeps no other from being listed", async () => {
  const { folder, list } = await openIn("strange");
  writeRun(join(folder, "good"));
  writeRun(join(folder, "no options"));
  writeFileSync(join(folder, "no options", "config.yaml"), "learning_rate: 1\n");
  writeRun(join(folder, "no yaml"));
  writeFileSync(join(folder, "no yaml", "config.yaml"), "model: [\ndata: x\n");
  writeRun(join(folder, "no metrics"));
  writeFileSync(join(folder, "no metrics", "metrics.jsonl"), 'x\n[]\n{"step":"1"}\n{"step":1,"loss":nul');
  writeRun(join(folder, "damaged plan"));
  writeFileSync(join(folder, "damaged plan", "plan.json"), "{");
  writeRun(join(folder, ".hidden"));
  symlinkSync(join(scratch.path, "rows", "long"), join(folder, "link"));
  expect((await list()).map(({ name }) => name).sort()).toEqual(["damaged plan", "good", "no metrics"]);
});

test("long options are read as the command line writes them", async () => {
  const { folder, list } = await openIn("long");
  writeRun(join(folder, "math"));
  writeFileSync(
    join(folder, "math", "config.yaml"),
    `chat_template: |-\n  data: in a template\n  model: too\nmodel: >-\n  a folder with a name that is so long that it is folded over\n  two lines\nlora:\n  data: 3\ndata: "b: c.csv"\n`,
  );
  expect(await list()).toMatchObject([
    {
      model: "a folder with a name that is so long that it is folded over two lines",
      data: "b: c.csv",
      method: "lora",
    },
  ]);
});

test("a run tells all of itself, with its samples", async () => {
  const { folder, studio } = await openIn("detail");
  const path = join(folder, "math");
  writeRun(path, { isFinished: true, options: "keep: 0.5\n" });
  writeFileSync(
    join(path, "samples.jsonl"),
    '{"step":0,"prompt":"2 + 3?","answer":"7"}\n{"step":3,"prompt":"2 + 3?","answer":"5"}\n{"step":4,"pro',
  );
  const detail = await studio.get<RunDetail>(`/api/runs/${idOf(path)}`);
  expect(detail).toMatchObject({
    name: "math",
    result: join(path, "adapter"),
    command: `slimtune tune --config ${path}/config.yaml --out ${path}-2`,
    config: { model: "fixtures/embedded-model", lora: { r: 16, target_modules: "all-linear" }, keep: 0.5 },
    samples: [
      { step: 0, prompt: "2 + 3?", answer: "7" },
      { step: 3, prompt: "2 + 3?", answer: "5" },
    ],
  });
  expect(await studio.refusal("/api/runs/0123456789abcdef")).toBe(
    "404 There is no such run any more; its folder was moved or removed.",
  );
});

test("curves give what was added since, and all of a file that was replaced", async () => {
  const { folder, studio, list } = await openIn("curves");
  const path = join(folder, "math");
  writeRun(path, { steps: 2 });
  await list();
  const curves = (after = "") => studio.get<Curves>(`/api/runs/${idOf(path)}/curves?after=${after}`);
  const first = await curves();
  expect(first).toEqual({
    position: expect.any(String),
    isWhole: true,
    step: [1, 2],
    loss: [3, 1.5],
    learningRate: [0.001, 0.001],
    tokensPerSecond: [400, 400],
    peakBytes: [1e8 + 1, 1e8 + 2],
    evalStep: [0, 2],
    evalLoss: [3, 1],
  });
  const nothing = { isWhole: false, step: [], loss: [], evalStep: [], evalLoss: [] };
  expect(await curves(first.position)).toMatchObject(nothing);

  const half = stepLine(4).slice(0, 20);
  appendFileSync(join(path, "metrics.jsonl"), stepLine(3).replace("1.0000", "null") + half);
  const second = await curves(first.position);
  expect(second).toMatchObject({ isWhole: false, step: [3], loss: [null], evalStep: [] });
  appendFileSync(join(path, "metrics.jsonl"), stepLine(4).slice(20));
  expect(await curves(second.position)).toMatchObject({ isWhole: false, step: [4], loss: [0.75] });

  // A run that goes on from a checkpoint writes its file anew.
  writeFileSync(join(path, "new"), evaluationLine(0) + stepLine(1));
  renameSync(join(path, "new"), join(path, "metrics.jsonl"));
  expect(await curves(second.position)).toMatchObject({ isWhole: true, step: [1], evalStep: [0] });
  expect((await list())[0]).toMatchObject({ step: 1, loss: 3 });
  for (const after of ["x", "..", "a.b.c", "-1.-1.-1"])
    expect(await curves(after)).toMatchObject({ isWhole: true, step: [1] });
});

test("a curve of 100,000 steps is given in seconds, and what is added to it at once", async () => {
  const { folder, studio, list } = await openIn("steps");
  const path = join(folder, "math");
  writeRun(path, { steps: 100_000 });
  await list();
  const begin = performance.now();
  const all = await studio.get<Curves>(`/api/runs/${idOf(path)}/curves`);
  const whole = performance.now() - begin;
  expect(all.step).toHaveLength(100_000);
  appendFileSync(join(path, "metrics.jsonl"), stepLine(100_001));
  const again = performance.now();
  const more = await studio.get<Curves>(`/api/runs/${idOf(path)}/curves?after=${all.position}`);
  const added = performance.now() - again;
  expect(more.step).toEqual([100_001]);
  console.info(`100,000 steps in ${whole.toFixed(0)} ms, one more in ${added.toFixed(1)} ms`);
  expect(whole).toBeLessThan(5000);
  expect(added).toBeLessThan(whole / 4);
});

test("1,000 runs are listed in less than 300 ms", async () => {
  const folder = join(scratch.path, "thousand");
  for (let run = 0; run < 1000; run++)
    writeRun(join(folder, `study ${run % 10}`, `run ${run}`), { steps: 50, isFinished: run % 2 === 0 });
  const begin = performance.now();
  const { list } = await openIn("thousand");
  const opened = performance.now() - begin;
  const times: number[] = [];
  for (let look = 0; look < 5; look++) {
    const start = performance.now();
    expect(await list()).toHaveLength(1000);
    times.push(performance.now() - start);
  }
  console.info(
    `1,000 runs: ${opened.toFixed(0)} ms at first, then ${times.map((time) => time.toFixed(0))} ms`,
  );
  expect(Math.min(...times)).toBeLessThan(300);
});

test("what happens to runs is told while a page is open: they appear, grow and go by themselves", async () => {
  const { folder, studio, list } = await openIn("live");
  studio.start();
  await list();
  const response = await studio.ask("/api/events");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const until = async (pattern: RegExp) => {
    while (!pattern.test(text)) text += (await reader.read()).value;
  };
  const path = join(folder, "math");
  const id = idOf(path);
  writeRun(path, { steps: 1 });
  await until(new RegExp(`event: run\ndata: .*"id":"${id}".*"step":1`));
  appendFileSync(join(path, "metrics.jsonl"), stepLine(2));
  await until(/"step":2/);
  await until(new RegExp(`event: metrics\ndata: {"kind":"metrics","run":"${id}"}`));
  writeFileSync(join(path, "samples.jsonl"), '{"step":0,"prompt":"a","answer":"b"}\n');
  await until(/event: sample\ndata: .*"sample":{"step":0,"prompt":"a","answer":"b"}/);
  rmSync(path, { recursive: true });
  await until(new RegExp(`event: run-removed\ndata: {"kind":"run-removed","id":"${id}"}`));
  await reader.cancel();
});

test("a note is kept, beside the run and not in it", async () => {
  const { folder, studio } = await openIn("notes");
  const path = join(folder, "math");
  writeRun(path);
  const put = (note: string) => studio.ask(`/api/runs/${idOf(path)}/note`, { method: "PUT", body: { note } });
  await studio.get("/api/runs");
  expect(await (await put("try a smaller rank\n<b>")).json()).toMatchObject({
    id: idOf(path),
    note: "try a smaller rank\n<b>",
  });
  const again = await openTestStudio([folder]);
  studios.push(again);
  expect(await again.get<RunSummary[]>("/api/runs")).toMatchObject([{ note: "try a smaller rank\n<b>" }]);
  expect(existsSync(join(folder, ".studio", "notes.json"))).toBe(true);
  expect(
    (await studio.ask("/api/runs/0123456789abcdef/note", { method: "PUT", body: { note: "a" } })).status,
  ).toBe(404);
});

test("a run is removed with all its files, by its name, and not while something is at it", async () => {
  const { folder, studio, list } = await openIn("removal");
  const path = join(folder, "math");
  writeRun(path, { isFinished: true });
  writeRun(join(folder, "other"));
  await list();
  const remove = (name: unknown) => ({ method: "DELETE", body: { name } });
  const route = `/api/runs/${idOf(path)}`;
  expect(await studio.refusal(route, remove("other"))).toBe(
    "400 The run is called math; give that name to remove it.",
  );
  expect(await studio.refusal(route, remove(undefined))).toMatch(/^400 .*name: it is missing/);
  await withLock(path, "run", async () => {
    expect(await studio.refusal(route, remove("math"))).toBe(
      "400 Something is at work in the run math; stop it first.",
    );
  });
  expect(existsSync(path)).toBe(true);
  expect((await studio.ask(route, remove("math"))).status).toBe(204);
  expect(existsSync(path)).toBe(false);
  expect((await list()).map(({ name }) => name)).toEqual(["other"]);
  expect((await studio.ask(route, remove("math"))).status).toBe(404);
  await setTimeout(0);
});
