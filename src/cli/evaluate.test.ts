import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { captureOutput, clearOut, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-evaluate-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const model = ["--model", "fixtures/embedded-model"];

captureOutput();
beforeEach(() => {
  vi.stubEnv("XDG_CACHE_HOME", join(scratch, "cache"));
});

const run = (...words: string[]) => main(["node", "slimtune", ...words]);

const choiceTask = join(scratch, "which.yaml");
const sumTask = join(scratch, "sums.yaml");
const taskFiles = ["--task-file", choiceTask, sumTask];

beforeAll(() => {
  const write = (name: string, rows: object[]) => {
    writeFileSync(join(scratch, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    return join(scratch, name);
  };
  const which = write(
    "which.jsonl",
    Array.from({ length: 12 }, (_, i) => ({
      question: `Which is ${i} + 1?`,
      choices: [`${i + 1}`, `${i + 2}`, "a dog"],
      answer: i % 2,
    })),
  );
  const sums = write(
    "sums.jsonl",
    Array.from({ length: 40 }, (_, i) => ({ question: `${i} + 2`, answer: `#### ${i + 2}` })),
  );
  writeFileSync(
    choiceTask,
    stringify({
      task: "which",
      dataset_path: "json",
      dataset_kwargs: { data_files: { test: which } },
      test_split: "test",
      output_type: "multiple_choice",
      doc_to_text: "{{question}}",
      doc_to_choice: "choices",
      doc_to_target: "answer",
      metric_list: [{ metric: "acc" }, { metric: "acc_norm" }],
      metadata: { version: 1 },
    }),
  );
  writeFileSync(
    sumTask,
    stringify({
      task: "sums",
      dataset_path: "json",
      dataset_kwargs: { data_files: { test: sums } },
      test_split: "test",
      fewshot_config: { sampler: "first_n", samples: [{ question: "1 + 1", answer: "#### 2" }] },
      num_fewshot: 1,
      doc_to_text: "{{question}} =",
      doc_to_target: "{{answer}}",
      generation_kwargs: { until: ["\n"], max_gen_toks: 60 },
      filter_list: [
        { name: "strict", filter: [{ function: "regex", regex_pattern: "#### (\\d+)" }] },
        { name: "any", filter: [{ function: "regex", regex_pattern: "(\\d+)", group_select: -1 }] },
      ],
      metric_list: [{ metric: "exact_match", regexes_to_ignore: ["#### "] }],
      metadata: { version: 2 },
    }),
  );
});

const readSamples = (folder: string, task: string) =>
  readFileSync(join(folder, `samples_${task}.jsonl`), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** The results without what tells of the moment. */
function lastingResults(folder: string) {
  const {
    date: _,
    total_evaluation_time_seconds: __,
    slimtune,
    ...rest
  } = JSON.parse(readFileSync(join(folder, "results.json"), "utf8"), roundLikelihoods);
  const {
    requests: ___,
    tokens: ____,
    seconds: _____,
    efficiency: ______,
    tokens_per_second,
    items_per_second,
    ...lasting
  } = slimtune;
  return { ...rest, lasting };
}

/** Requests that are left stand in other batches, which changes the last digits. */
function roundLikelihoods(key: string, value: unknown): unknown {
  return key.startsWith("bits_per_byte_gold") && typeof value === "number"
    ? Number(value.toPrecision(5))
    : value;
}

test("the embedded model's scores on two tasks, as a table, as JSON and in files", async () => {
  const folder = join(scratch, "whole");
  const words = [
    "evaluate",
    ...model,
    ...taskFiles,
    "--tasks",
    "which,sums",
    "--limit",
    "10",
    "--out",
    folder,
  ];
  expect(await run(...words, "--show", "2")).toBe(0);
  expect(err).toContain("which: 10 of 12 items, 0-shot");
  const which = readSamples(folder, "which");
  const accuracy = which.filter(({ acc }) => acc === 1).length / 10;
  expect(out).toMatch(new RegExp(`\\|which\\|1 .*\\|acc +\\|↑\\|${accuracy.toFixed(4)}\\|±\\|`));
  expect(out).toMatch(/\|strict\|/);
  expect(out).toContain("── which, item 1 ──\nWhich is 1 + 1?\n");
  expect(out).not.toContain("── which, item 2 ──");
  expect(out).toContain("1 + 1 = #### 2\n\n0 + 2 =\n── answer ──\n");
  expect(out).toContain("Only the first items were asked (10 of 12 of which, 10 of 40 of sums), so");
  expect(out).toContain("The results are in");
  expect(out).toMatch(/Next:\n {2}to compare it with a tuned model's {2}slimtune compare \S+ TUNED\n$/);
  expect(readdirSync(folder).sort()).toEqual([
    "answers.jsonl",
    "evaluation.json",
    "results.json",
    "samples_sums.jsonl",
    "samples_which.jsonl",
  ]);
  expect(which).toHaveLength(10);
  expect(readSamples(folder, "sums")).toHaveLength(20);

  const before = lastingResults(folder);
  clearOut();
  expect(await run(...words, "--json", "--show", "1")).toBe(0);
  const printed = JSON.parse(out);
  expect(printed.slimtune.requests).toEqual({ asked: 0, found: 50 });
  expect(printed.results.which["acc,none"]).toBe(accuracy);
  expect(printed.samples.which).toEqual(which.slice(0, 1));
  expect(lastingResults(folder)).toEqual(before);
});

test("prompts that the model does not see whole are counted, when they are found again as well", async () => {
  writeFileSync(
    join(scratch, "long.jsonl"),
    `${JSON.stringify({ q: "Tom has 3 pens. ".repeat(200), a: "4" })}\n`,
  );
  const task = join(scratch, "long.yaml");
  const fields = { task: "long", dataset_path: "long.jsonl", doc_to_text: "{{q}}", doc_to_target: "{{a}}" };
  writeFileSync(task, stringify({ ...fields, generation_kwargs: { until: ["\n"], max_gen_toks: 4 } }));
  const words = ["evaluate", ...model, "--task-file", task, "--tasks", "long", "--out"];
  for (const folder of ["long-1", "long-2"]) {
    expect(await run(...words, join(scratch, folder))).toBe(0);
    expect(out).toContain("longer than the model's context and lost their beginnings: 1 of 1 of long.");
    clearOut();
  }
});

test("answers are found again by other evaluations of the model, unless the cache is not wanted", async () => {
  const words = (folder: string) => [
    ...["evaluate", ...model, ...taskFiles, "--tasks", "which", "--json", "--out", join(scratch, folder)],
  ];
  const requests = async (...args: string[]) => {
    clearOut();
    expect(await run(...args)).toBe(0);
    return JSON.parse(out).slimtune.requests;
  };
  expect(await requests(...words("uncached"), "--no-cache")).toEqual({ asked: 36, found: 0 });
  await requests(...words("one"));
  expect(await requests(...words("two"), "--limit", "5")).toEqual({ asked: 0, found: 15 });
  expect(await requests(...words("nf4"), "--storage", "nf4")).toEqual({ asked: 36, found: 0 });
  expect(await requests(...words("int8"), "--arithmetic", "int8")).toEqual({ asked: 36, found: 0 });
  clearOut();
  expect(await run("compare", join(scratch, "one"), join(scratch, "int8"))).toBe(0);
  expect(out).toMatch(/\nwhich: the same answer to 1[12] of 12 items/);
});

describe("bad input ends with one sentence and exit code 1", () => {
  const cases: Record<string, [words: string[], sentence: string]> = {
    "an unknown task": [["--tasks", "hellaswga"], "hellaswag"],
    "a limit beyond the set": [["--tasks", "which", "--limit", "13"], "The limit 13 is larger than which"],
    "turns of a chat without a chat template": [
      ["--tasks", "which", "--fewshot-as-multiturn"],
      "only if the chat template is applied",
    ],
    "a folder with something else": [
      ["--tasks", "which", "--out", scratch],
      "is not empty and holds no evaluation",
    ],
    "workers that are none": [["--tasks", "which", "--workers", "many"], "--workers many names no workers"],
    "integers with other weights": [
      ["--tasks", "which", "--arithmetic", "int8", "--storage", "float16"],
      "kept in int8 or nf4, not in float16",
    ],
    "no such adapter": [
      ["--tasks", "which", "--adapter", "nowhere"],
      "There is no nowhere/adapter_config.json",
    ],
  };
  for (const [name, [words, sentence]] of Object.entries(cases)) {
    test(name, async () => {
      expect(await run("evaluate", ...model, ...taskFiles, ...words)).toBe(1);
      expect(err).toContain(sentence);
      expect(err.trim().split("\n").at(-1)).toMatch(/^slimtune: .*\.$/);
    });
  }

  test("a folder that holds an evaluation with other options, and a damaged log", async () => {
    const folder = join(scratch, "taken");
    const words = ["evaluate", ...model, ...taskFiles, "--tasks", "which", "--out", folder];
    expect(await run(...words, "--limit", "2")).toBe(0);
    expect(await run(...words, "--limit", "3")).toBe(1);
    expect(err).toContain("holds an evaluation with another set of options (limit 2, not 3)");
    const log = join(folder, "answers.jsonl");
    writeFileSync(log, `damaged\n${readFileSync(log, "utf8")}`);
    expect(await run(...words, "--limit", "2")).toBe(1);
    expect(err).toContain(`${log}, line 1, is damaged`);
  });
});

test("without the network, the folder of the data is named as a way", async () => {
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  vi.stubEnv("HF_HUB_CACHE", join(scratch, "empty"));
  expect(await run("evaluate", ...model, "--tasks", "gsm8k")).toBe(1);
  vi.unstubAllEnvs();
  expect(err).toContain("or name a folder that holds gsm8k/test.jsonl with --data-dir.\n");
});

test("tasks are listed with their metrics and licences", async () => {
  expect(await run("tasks", ...taskFiles)).toBe(0);
  expect(out).toMatch(/^hellaswag +1\.0 +10042 +0 +acc, acc_norm +MIT/m);
  expect(out).toMatch(/^sums +2 +\? +1 +exact_match/m);
  clearOut();
  expect(await run("tasks", "--json")).toBe(0);
  const { tasks, groups } = JSON.parse(out);
  expect(tasks.find(({ name }: { name: string }) => name === "gsm8k")).toMatchObject({
    num_fewshot: 5,
    items: 1319,
  });
  expect(groups.length).toBeGreaterThan(0);
});

describe("the built command, interrupted", () => {
  const words = (folder: string) => [
    ...["bin/slimtune.js", "evaluate", ...model, ...taskFiles],
    ...["--tasks", "which,sums", "--batch-size", "1", "--no-cache", "--out", folder],
  ];
  const answers = (folder: string) => join(folder, "answers.jsonl");

  const size = (folder: string) => (existsSync(answers(folder)) ? statSync(answers(folder)).size : 0);

  /** Starts the command and sends it a signal as soon as it has logged an answer. */
  async function interrupt(folder: string, signal: NodeJS.Signals) {
    const before = size(folder);
    const child = spawn(process.execPath, words(folder), { stdio: ["ignore", "ignore", "pipe"] });
    let printed = "";
    child.stderr.on("data", (chunk) => {
      printed += chunk;
    });
    const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
      child.on("close", (code, signal) => resolve({ code, signal })),
    );
    while (child.exitCode === null && size(folder) <= before) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    child.kill(signal);
    return { ...(await ended), printed };
  }

  test("by kill -9 or Ctrl-C, goes on and gives what one without interruption gives", async () => {
    const whole = join(scratch, "built-whole");
    expect(spawnSync(process.execPath, words(whole), { stdio: "ignore" }).status).toBe(0);

    const killed = join(scratch, "built-killed");
    expect(await interrupt(killed, "SIGKILL")).toMatchObject({ signal: "SIGKILL" });
    const first = readFileSync(answers(killed), "utf8");
    // As if the write had been cut off, too.
    writeFileSync(answers(killed), first.slice(0, -20));
    const stopped = await interrupt(killed, "SIGINT");
    expect(stopped.code).toBe(130);
    expect(stopped.printed).toContain(
      `the answers so far are in ${killed}; give the same command again to go on.`,
    );
    expect(existsSync(join(killed, "results.json"))).toBe(false);
    expect(size(killed)).toBeLessThan(size(whole));

    const last = spawnSync(process.execPath, [...words(killed), "--json"]);
    expect(last.status).toBe(0);
    const { requests } = JSON.parse(last.stdout.toString()).slimtune;
    expect(requests.found).toBeGreaterThan(first.split("\n").length - 3);
    expect(requests.asked + requests.found).toBe(36 + 2 * 40);
    expect(lastingResults(killed)).toEqual(lastingResults(whole));
    const scores = (folder: string, task: string) =>
      readSamples(folder, task).map(({ acc, exact_match }) => acc ?? exact_match);
    for (const task of ["which", "sums"]) expect(scores(killed, task)).toEqual(scores(whole, task));
  });
});
