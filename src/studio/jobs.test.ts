import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Job } from "./api.ts";
import { embeddedModel } from "./given-options.ts";
import { idOf } from "./ids.ts";
import { type Asking, makeScratch, openTestStudio, type TestStudio, writeRun } from "./studio.fixture.ts";

// The line to the studio is watched by a built file (npm test builds it first).
const scratch = makeScratch("jobs");
const program = join(scratch.path, "program.mjs");
const control = join(scratch.path, "control");
const studios: TestStudio[] = [];
/** Milliseconds that processes have to start or end. */
const patience = 40_000;

beforeAll(() => {
  mkdirSync(control);
  // In place of slimtune: says what it was told, and ends with the exit code in a file of the run's name once that is there.
  writeFileSync(
    program,
    `import { appendFileSync, existsSync, readFileSync } from "node:fs";
    import { basename } from "node:path";
    const [, , ...words] = process.argv;
    const file = words.indexOf("--config");
    const out = file < 0 ? words[1] : /^out: (.*)$/m.exec(readFileSync(words[file + 1], "utf8"))[1];
    const name = basename(out);
    console.log("told " + words.join(" ") + "\\ncolours: " + process.env.FORCE_COLOR);
    process.on("SIGINT", () => {
      if (name.startsWith("stubborn")) return;
      appendFileSync(${JSON.stringify(control)} + "/checkpoints", name + "\\n");
      console.log("Stopped after its step.");
      process.exit(130);
    });
    setInterval(() => {
      const path = ${JSON.stringify(control)} + "/" + name;
      if (!existsSync(path)) return;
      const code = readFileSync(path, "utf8");
      if (code === "kill") process.kill(process.pid, "SIGKILL");
      if (code === "much") for (let line = 0; line < 40; line++) console.log(line + "<script>" + "x".repeat(400));
      process.exit(Number(code) || 0);
    }, 10);`,
  );
});
afterAll(async () => {
  await Promise.all(studios.map((studio) => studio.close()));
  scratch.remove();
});

async function openIn(name: string, jobs = 1) {
  const folder = join(scratch.path, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "faq.csv"), "prompt,completion\na,b\n");
  const studio = await openTestStudio([folder], { program, jobs });
  studios.push(studio);
  studio.start();
  const list = () => studio.get<Job[]>("/api/jobs");
  const job = async (id: string) => (await list()).find((job) => job.id === id)!;
  const states = async () =>
    Object.fromEntries((await list()).reverse().map((job) => [/[^/ ]*$/.exec(job.command)![0], job.state]));
  return {
    folder,
    studio,
    list,
    states,
    tune: (run: string) => post(studio, tuning(folder, run)),
    job,
    /** Until the process has said what it was told, and listens to signals. */
    untilBegun: ({ id }: Job) =>
      vi.waitFor(async () => expect((await job(id)).output).toHaveLength(2), patience),
    until: (expected: object) =>
      vi.waitFor(async () => expect(await states()).toMatchObject(expected), patience),
  };
}

const tuning = (folder: string, name: string, options: object = {}): object => ({
  kind: "tune",
  name,
  options: { model: embeddedModel, data: join(folder, "faq.csv"), ...options },
});

async function post(studio: TestStudio, body: object): Promise<Job> {
  const response = await studio.ask("/api/jobs", { method: "POST", body });
  expect(response.status).toBe(201);
  return (await response.json()) as Job;
}

const end = (name: string, code: string | number) => writeFileSync(join(control, name), String(code));
const posting = (body: object): Asking => ({ method: "POST", body });
const stop = (studio: TestStudio, { id }: Job) => studio.ask(`/api/jobs/${id}/stop`, { method: "POST" });

test("one run is tuned at a time, in the order in which they were asked for, beside one other job", async () => {
  const { folder, studio, tune, states, until, job } = await openIn("queue");
  writeRun(join(folder, "done"), { isFinished: true });
  await studio.get("/api/runs");
  const first = await tune("q1");
  expect(first).toMatchObject({ kind: "tune", state: "running", run: idOf(join(folder, "q1")) });
  await tune("q2");
  await tune("q3");
  const merging = await post(studio, { kind: "merge", run: idOf(join(folder, "done")), name: "q4" });
  await post(studio, { kind: "merge", run: idOf(join(folder, "done")), name: "q5" });
  expect(merging.run).toBe(idOf(join(folder, "done")));
  expect(await states()).toEqual({
    q1: "running",
    q2: "waiting",
    q3: "waiting",
    q4: "running",
    q5: "waiting",
  });
  end("q1", 0);
  await until({ q1: "done", q2: "running", q3: "waiting" });
  end("q2", 1);
  await until({ q2: "failed", q3: "running" });
  const { output, startedAt, endedAt, createdAt } = await job(first.id);
  expect(output).toEqual([
    `told tune --config ${join(folder, ".studio", "jobs", `${first.id}.yaml`)}`,
    "colours: undefined",
  ]);
  expect(createdAt).toBeLessThanOrEqual(startedAt!);
  expect(startedAt).toBeLessThan(endedAt!);
});

test("more at a time, where that was asked for", async () => {
  const { tune, states } = await openIn("two", 2);
  for (const name of ["t1", "t2", "t3"]) await tune(name);
  expect(await states()).toEqual({ t1: "running", t2: "running", t3: "waiting" });
});

test("a run that is stopped keeps a checkpoint; one that does not end is ended at the second time", async () => {
  const { studio, tune, until, untilBegun, job } = await openIn("stopping");
  const first = await tune("s1");
  const second = await tune("stubborn");
  const third = await tune("s3");
  await untilBegun(first);
  expect((await stop(studio, third)).status).toBe(200);
  expect((await stop(studio, first)).status).toBe(200);
  await until({ s1: "stopped", stubborn: "running", s3: "stopped" });
  expect((await job(first.id)).output.at(-1)).toBe("Stopped after its step.");
  expect(readFileSync(join(control, "checkpoints"), "utf8")).toContain("s1\n");
  await untilBegun(second);
  await stop(studio, second);
  await stop(studio, second);
  await until({ stubborn: "stopped" });
  expect(await studio.refusal(`/api/jobs/${first.id}/stop`, { method: "POST" })).toBe(
    "400 The job has ended already.",
  );
  expect(await studio.refusal("/api/jobs/0123456789abcdef/stop", { method: "POST" })).toBe(
    "404 There is no such job any more.",
  );
});

test("a process that is killed has failed, and says so; what it prints is kept in its last lines", async () => {
  const { tune, until, job } = await openIn("failing", 2);
  const killed = await tune("k1");
  const much = await tune("k2");
  end("k1", "kill");
  end("k2", "much");
  await until({ k1: "failed", k2: "done" });
  expect((await job(killed.id)).output.at(-1)).toBe("The process was ended by SIGKILL.");
  const { output } = await job(much.id);
  expect(output).toHaveLength(30);
  expect(output.at(-1)).toBe(`39<script>${"x".repeat(290)}`);
});

test("after a restart what was waiting goes on, and what was running was interrupted and can be resumed", async () => {
  const { folder, studio, tune, states, untilBegun } = await openIn("restart");
  const first = await tune("r1");
  const second = await tune("r2");
  await untilBegun(first);
  writeRun(join(folder, "r1"));
  expect(await states()).toEqual({ r1: "running", r2: "waiting" });
  await studio.close();
  expect(readFileSync(join(control, "checkpoints"), "utf8")).toContain("r1\n");

  const again = await openIn("restart");
  expect(await again.states()).toEqual({ r1: "interrupted", r2: "running" });
  expect((await again.list()).map(({ id }) => id)).toEqual([second.id, first.id]);
  const resumed = await post(again.studio, { kind: "resume", run: first.run });
  expect(resumed).toMatchObject({
    kind: "resume",
    run: first.run,
    state: "waiting",
    command: `slimtune resume ${join(folder, "r1")}`,
  });
  end("r2", 0);
  end("r1", 0);
  await again.until({ r2: "done", r1: "done" });
});

test("a job that was running when the machine stopped was interrupted", async () => {
  const { folder, studio, tune } = await openIn("crash");
  const { id } = await tune("c1");
  const record = readFileSync(join(folder, ".studio", "jobs", `${id}.json`), "utf8");
  await studio.close();
  writeFileSync(join(folder, ".studio", "jobs", `${id}.json`), record);
  expect(JSON.parse(record).state).toBe("running");
  const again = await openIn("crash");
  expect(await again.states()).toEqual({ c1: "interrupted" });
  expect((await again.list())[0]!.endedAt).toBeGreaterThan(0);
});

test("a job that can no longer be done fails with the reason when its turn comes", async () => {
  const { folder, tune, until, job } = await openIn("late");
  await tune("l1");
  const second = await tune("l2");
  writeRun(join(folder, "l2"));
  end("l1", 0);
  await until({ l1: "done", l2: "failed" });
  expect((await job(second.id)).output).toEqual([
    `The output folder ${join(folder, "l2")} is not empty; go on with it by \`slimtune resume ${join(folder, "l2")}\`, or choose another one.`,
  ]);
});

test("jobs that have ended are forgotten on demand, others are not", async () => {
  const { folder, studio, tune, until } = await openIn("removal");
  const { id } = await tune("f1");
  const remove: Asking = { method: "DELETE" };
  expect(await studio.refusal(`/api/jobs/${id}`, remove)).toBe("400 The job has not ended; stop it first.");
  end("f1", 0);
  await until({ f1: "done" });
  expect(readdirSync(join(folder, ".studio", "jobs")).sort()).toEqual([`${id}.json`, `${id}.yaml`]);
  expect((await studio.ask(`/api/jobs/${id}`, remove)).status).toBe(204);
  expect(await studio.get<Job[]>("/api/jobs")).toEqual([]);
  expect(readdirSync(join(folder, ".studio", "jobs"))).toEqual([]);
  expect((await studio.ask("/api/jobs/..%2f..%2ffaq", remove)).status).toBe(404);
  expect(existsSync(join(folder, "faq.csv"))).toBe(true);
});

test("two jobs are not at one run, and no run is removed under one", async () => {
  const { folder, studio, tune } = await openIn("same");
  const { run } = await tune("m1");
  expect(await studio.refusal("/api/jobs", posting(tuning(folder, "m1")))).toBe(
    "400 Another job is at this run, or waits for it; choose another name, or stop that job.",
  );
  writeRun(join(folder, "m1"));
  await studio.get("/api/runs");
  expect(await studio.refusal("/api/jobs", posting({ kind: "resume", run }))).toMatch(/^400 Another job/);
  expect(await studio.refusal(`/api/runs/${run}`, { method: "DELETE", body: { name: "m1" } })).toBe(
    "400 Something is at work in the run m1; stop it first.",
  );
});

test("no more than 50 jobs wait", async () => {
  const { folder, studio, tune } = await openIn("many");
  for (let job = 0; job <= 50; job++) await tune(`n${job}`);
  expect(await studio.refusal("/api/jobs", posting(tuning(folder, "n51")))).toBe(
    "429 50 jobs are waiting; stop some of them first.",
  );
});

test("each kind of job is the command line that does the same", async () => {
  const { folder, studio } = await openIn("kinds");
  const path = join(folder, "a run");
  writeRun(path, { isFinished: true });
  writeRun(join(folder, "half"));
  await studio.get("/api/runs");
  const run = idOf(path);
  const commandOf = async (body: object) => {
    const response = await studio.ask("/api/command", posting(body));
    return ((await response.json()) as { command: string; error?: string }).command;
  };
  const tuned = `--model fixtures/embedded-model --adapter '${path}/adapter'`;
  expect(
    await commandOf(tuning(folder, "new", { method: "qlora", lora: { r: 4 }, packing: false, max_steps: 5 })),
  ).toBe(
    `slimtune tune --model fixtures/embedded-model --data ${folder}/faq.csv --method qlora --r 4 --no-packing --max-steps 5 --out ${folder}/new`,
  );
  expect(await commandOf({ kind: "resume", run: idOf(join(folder, "half")) })).toBe(
    `slimtune resume ${folder}/half`,
  );
  expect(
    await commandOf({
      kind: "evaluate",
      run,
      tasks: ["miniature_math"],
      limit: 5,
      applyChatTemplate: true,
      name: "e",
    }),
  ).toBe(
    `slimtune evaluate ${tuned} --tasks miniature_math --task-file fixtures/miniature/benchmarks --limit 5 --apply-chat-template --out ${folder}/evaluations/e`,
  );
  expect(
    await commandOf({ kind: "evaluate", model: "user/model", tasks: ["gsm8k", "mmlu"], name: "e" }),
  ).toBe(`slimtune evaluate --model user/model --tasks gsm8k,mmlu --out ${folder}/evaluations/e`);
  expect(await commandOf({ kind: "export", run, format: "gguf", type: "q4_k_m", name: "small" })).toBe(
    `slimtune export '${path}' --format gguf --type q4_k_m --out ${folder}/exports/small.gguf`,
  );
  expect(await commandOf({ kind: "export", run, format: "adapter", gate: "scalar", name: "small" })).toBe(
    `slimtune export '${path}' --format adapter --gate scalar --out ${folder}/exports/small`,
  );
  expect(await commandOf({ kind: "merge", run, name: "whole" })).toBe(
    `slimtune merge '${path}' --out ${folder}/merged/whole`,
  );
  expect(await commandOf({ kind: "push", run, repository: "anna/math", isPrivate: true })).toBe(
    `slimtune push '${path}' --to anna/math`,
  );
  expect(await commandOf({ kind: "push", run, repository: "anna/math", isPrivate: false })).toBe(
    `slimtune push '${path}' --to anna/math --public`,
  );
  expect(readdirSync(join(folder, ".studio", "jobs"))).toEqual([]);
});

test("a request that is no job is refused in a sentence", async () => {
  const { folder, studio } = await openIn("refused");
  writeRun(join(folder, "half"), { options: "reward:\n  - ./evil.mjs\n" });
  writeRun(join(folder, "done"), { isFinished: true });
  mkdirSync(join(folder, "merged", "there"), { recursive: true });
  await studio.get("/api/runs");
  const [half, run] = [idOf(join(folder, "half")), idOf(join(folder, "done"))];
  for (const [body, sentence] of [
    [{ kind: "shell", command: "rm" }, "400 The request: "],
    [{ kind: "resume", run: "../x" }, "400 The request: run: it is no id."],
    [{ kind: "resume", run: "0123456789abcdef" }, "404 There is no such run any more"],
    [{ kind: "resume", run: half }, "400 The reward ./evil.mjs is a program"],
    [{ kind: "merge", run: half, name: "m" }, "400 The run half is not finished; resume it first."],
    [
      { kind: "merge", run, name: "there" },
      `400 ${folder}/merged/there is there already; choose another name.`,
    ],
    [
      { kind: "push", run, repository: "--public", isPrivate: true },
      "400 The request: repository: give an id",
    ],
    [
      { kind: "push", run, repository: "a/b", isPrivate: true, token: "hf_x" },
      "400 The request: the field token",
    ],
    [{ kind: "export", run, format: "exe", name: "e" }, "400 The request: format: "],
    [
      { kind: "evaluate", tasks: ["gsm8k"], name: "e" },
      "400 Give a run or a model to evaluate, and not both.",
    ],
    [
      { kind: "evaluate", run, tasks: ["--task-file"], name: "e" },
      "400 The request: tasks.0: it is no name of a task.",
    ],
    [{ kind: "evaluate", model: "openai:http://127.0.0.1", tasks: ["gsm8k"], name: "e" }, "403 openai:http"],
  ] as const)
    for (const route of ["/api/jobs", "/api/command"])
      expect(await studio.refusal(route, posting(body)), JSON.stringify(body)).toContain(sentence);
  expect(await studio.get<Job[]>("/api/jobs")).toEqual([]);
});
