import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { writeFirstExamples } from "../node/data/first-examples.fixture.ts";
import { isHeld } from "../node/files/claim.ts";
import { withFullDisk } from "../node/files/disk.fixture.ts";
import { writeNeutralText } from "../retention/neutral-text.ts";
import type { SlimmingResults, Tradeoff } from "../studies/slimming/results.ts";
import { studyFolder } from "../studies/study-folder.ts";
import { captureOutput, clearErr, clearOut, err, out as printed } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

// Parts are computed in this process, but for those of the built command (npm test builds it first), each of which has its own.
vi.mock("../studies/run-part.ts", () => import("../studies/in-process.fixture.ts"));
// How fast this machine is takes long to measure, and nothing here depends on it.
vi.mock("../core/engine/product-rate.ts", () => ({ measureProductRate: async () => 1e10 }));

const scratch = mkdtempSync(join(tmpdir(), "slimtune-study-"));
afterAll(() => rmSync(scratch, { recursive: true }));
vi.stubEnv("XDG_CACHE_HOME", join(scratch, "cache"));
captureOutput();

const data = {
  math: writeFirstExamples(scratch, "math"),
  computing: writeFirstExamples(scratch, "computing"),
};
const neutralText = join(scratch, "neutral.txt");
writeFileSync(neutralText, writeNeutralText(8));

const options = join(scratch, "options.yaml");
writeFileSync(
  options,
  stringify({
    model: "fixtures/embedded-model",
    data,
    aligned: { math: ["miniature_math"], computing: ["miniature_computing"] },
    methods: ["lora"],
    tasks: ["miniature_math", "miniature_computing"],
    task_files: ["fixtures/miniature/benchmarks"],
    apply_chat_template: true,
    limit: 4,
    alignment_samples: 4,
    neutral_text: neutralText,
    run: { max_steps: 3, batch_size: 4, save_steps: 1, validation: 4, learning_rate: 5e-3 },
  }),
);

const command = "bin/slimtune.js";
const words = (out: string, ...more: string[]) => [
  ...["study", "slimming", "--config", options, "--out", out],
  ...more,
];
/** Runs the built command. */
const spawned = (...args: string[]) => spawnSync(process.execPath, args, { encoding: "utf8" });
/** Runs the command here. */
async function run(...args: string[]) {
  clearOut();
  clearErr();
  const status = await main(["node", "slimtune", ...args]);
  return { status, stdout: printed, stderr: err };
}
const readStudy = (out: string): SlimmingResults => JSON.parse(readFileSync(join(out, "study.json"), "utf8"));

/** What a study found, without what tells of time and place. */
function lasting({ cells, command: _, date: __, ...rest }: SlimmingResults) {
  return {
    ...rest,
    cells: cells.map(({ run, ...cell }) => {
      if (!run) return cell;
      const { efficiency: ___, ...others } = run;
      return { ...cell, run: others };
    }),
  };
}

type Quantities = Readonly<Record<"gain" | "forgotten" | "divergence", number>>;

const whole = join(scratch, "whole");

test("a study of the embedded model: scores, costs, alignment and a report, and its parts are ordinary folders", async () => {
  const { status, stdout, stderr } = await run(...words(whole));
  expect(stderr).toContain("2 models in 8 parts");
  expect(stdout).toContain(`Its report is ${join(whole, "report.html")}`);
  expect(status).toBe(0);
  const study = readStudy(whole);
  expect(study.cells.map(({ id, error }) => [id, error])).toEqual([
    ["lora-math", undefined],
    ["lora-computing", undefined],
  ]);
  expect(
    study.tasks.map(({ name, metric, items, alignedData }) => [name, metric, items, alignedData]),
  ).toEqual([
    ["miniature_math", "exact_match", 4, ["math"]],
    ["miniature_computing", "acc_norm", 4, ["computing"]],
  ]);
  expect(study.tasks[0]!.chance).toBeNull();
  expect(study.tasks[1]!.chance).toBeGreaterThan(0.2);
  for (const { run, changes, divergence } of study.cells) {
    expect(run!.loss).toHaveLength(3);
    expect(run!.efficiency.tokensPerSecond).toBeGreaterThan(0);
    expect(Object.keys(changes!)).toEqual(["miniature_math", "miniature_computing"]);
    for (const { family } of Object.values(changes!)) expect(family.size).toBe(4);
    expect(divergence!.value).toBeGreaterThan(0);
  }
  expect(study.alignment).toHaveLength(4);
  expect(study.data.map(({ name, examples }) => [name, examples])).toEqual([
    ["math", 24],
    ["computing", 24],
  ]);
  expect(readFileSync(join(whole, "report.html"), "utf8")).toContain("miniature_math");

  const compared = await run(
    "compare",
    join(whole, "evaluations/base"),
    join(whole, "evaluations/lora-math"),
  );
  expect(compared.status).toBe(0);
});

test("the same command computes nothing again; the report is rebuilt from the folders", async () => {
  const before = readStudy(whole);
  const again = await run(...words(whole));
  expect(again.stderr).toContain("of which 8 are done");
  expect(lasting(readStudy(whole))).toEqual(lasting(before));
  rmSync(join(whole, "report.html"));
  rmSync(join(whole, "study.json"));
  expect((await run("report", whole)).status).toBe(0);
  expect(readStudy(whole)).toEqual(before);
});

test("the report names the machine that computed the study, wherever it is rebuilt", async () => {
  const before = readStudy(whole);
  const machines = join(whole, "machines.json");
  const elsewhere = { ...before.machine, cpu: "Z80" };
  writeFileSync(machines, JSON.stringify([elsewhere, before.machine]));
  expect((await run("report", whole)).status).toBe(0);
  const { machine, notes } = readStudy(whole);
  expect(machine).toEqual(elsewhere);
  expect(notes.join(" ")).toContain(`Parts were computed on another machine (${before.machine.cpu}`);
  writeFileSync(machines, JSON.stringify([before.machine]));
  expect((await run("report", whole)).status).toBe(0);
});

test("a study that is killed in the middle of a run, and resumed, finds the same", async () => {
  // All but one model's parts are done.
  const out = join(scratch, "killed");
  cpSync(whole, out, { recursive: true });
  const { run: runFolder, evaluation } = studyFolder(out);
  for (const part of [runFolder("lora-math"), evaluation("lora-math"), join(out, "study.json")])
    rmSync(part, { recursive: true });
  rmSync(join(out, "report.html"));
  const child = spawn(process.execPath, [command, ...words(out)], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  const checkpoint = join(out, "runs", "lora-math", "checkpoint");
  while (child.exitCode === null && !existsSync(checkpoint))
    await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill("SIGKILL");
  await ended;
  expect(existsSync(join(out, "report.html"))).toBe(false);
  // The run's own process ends when its parent is gone.
  const lock = join(out, "runs", "lora-math", "lock");
  for (let waited = 0; isLocked(lock) && waited < 5000; waited += 20)
    await new Promise((resolve) => setTimeout(resolve, 20));
  const resumed = spawned(command, "study", "resume", out);
  expect(resumed.status, resumed.stderr).toBe(0);
  expect(lasting(readStudy(out))).toEqual(lasting(readStudy(whole)));
});

function isLocked(lock: string): boolean {
  return existsSync(lock) && isHeld(readFileSync(lock, "utf8")) === true;
}

test("a full disk ends a study, which goes on when there is room", async () => {
  const { evaluation } = studyFolder(whole);
  rmSync(join(evaluation("lora-math"), "results.json"));
  const full = spawned(...withFullDisk("results.json"), command, "study", "resume", whole);
  expect(full.stderr).toContain(
    `The disk is full; free some space and go on with \`slimtune study resume ${whole}\`.`,
  );
  expect(full.status).toBe(1);
  expect((await run("study", "resume", whole)).status).toBe(0);
});

test("Ctrl-C ends a study with exit code 130 and says how to go on", async () => {
  const out = join(scratch, "interrupted");
  const child = spawn(process.execPath, [command, ...words(out)], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  while (!existsSync(join(out, "evaluations", "base")))
    await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill("SIGINT");
  expect(await ended).toBe(130);
  expect(said).toContain(`go on with \`slimtune study resume ${out}\``);
});

test("a cell that fails is reported, and the others go on", async () => {
  const out = join(scratch, "failing");
  const broken = join(scratch, "broken.jsonl");
  writeFileSync(broken, `${JSON.stringify({ question: "1?", answer: "1" })}\n{"question": 2}\n`);
  const { status, stdout, stderr } = await run(
    ...words(out, "--data", `broken=${broken}`, "--aligned", "broken=miniature_math", "--limit", "1"),
  );
  expect(status, stderr).toBe(1);
  expect(stderr).toContain("broken.jsonl, line 2");
  expect(stdout).toBe("");

  const diverging = join(scratch, "diverging");
  const result = await run(
    ...words(diverging),
    ...["--data", `math=${data.math}`, "--aligned", "math=miniature_math"],
    ...["--variant", "plain", "--variant", "slow:learning_rate=1e-3"],
    ...["--variant", "wild:learning_rate=1e30", "--variant", "wild:max_grad_norm=1e30"],
  );
  expect(result.status, result.stderr).toBe(0);
  expect(result.stdout).toContain("1 of 3 cells failed");
  const { cells, tradeoffs } = readStudy(diverging);
  expect(cells.map(({ id, variant, error }) => [id, variant, error?.includes("not finite")])).toEqual([
    ["lora-math-plain", "plain", undefined],
    ["lora-math-slow", "slow", undefined],
    ["lora-math-wild", "wild", true],
  ]);
  // What is told of the two others is the difference of what is told of each.
  const [plain, slow] = cells.map(({ bits, divergence }) => ({
    gain: -(bits?.miniature_math?.difference.value ?? 0),
    forgotten: bits?.miniature_computing?.difference.value ?? 0,
    divergence: divergence?.value ?? 0,
  })) as [Quantities, Quantities];
  const [{ variants, comparisons, ...tradeoff }, ...none] = tradeoffs! as [Tradeoff];
  expect(none).toEqual([]);
  expect(tradeoff).toEqual({
    ...{ method: "lora", data: "math", plain: "plain", seeds: [42], rivalries: [] },
    ...{ gainTasks: ["miniature_math"], keptTasks: ["miniature_computing"] },
  });
  for (const name of ["gain", "forgotten", "divergence"] as const) {
    expect(variants[0]![name]!.value).toBeCloseTo(plain[name], 10);
    expect(variants[1]![name]!.value).toBeCloseTo(slow[name], 10);
    expect(comparisons[0]![name]!.value).toBeCloseTo(slow[name] - plain[name], 10);
  }
  expect(plain.gain).toBeGreaterThan(slow.gain);
  expect(comparisons[0]!.divergence.high).toBeLessThan(0);
  expect(readFileSync(join(diverging, "report.html"), "utf8")).toContain("Gain against forgetting");
});

describe("bad input ends with one sentence and exit code 1, and nothing is computed", () => {
  const alignedWithA = ["--aligned", "a=miniature_math"];
  const cases: Record<string, [more: string[], sentence: string]> = {
    "two sets of one name": [["--data", "a=x", "--data", "a=y"], '"a" is given twice'],
    "no such file": [
      ["--data", "a=nowhere.jsonl", ...alignedWithA],
      'The data "a" is nowhere.jsonl, but there is no such file',
    ],
    "an unknown task": [["--tasks", "miniature_maths"], "miniature_math"],
    "an unknown method": [["--methods", "lorra"], 'the option "methods.0" is the text "lorra"; give "lora"'],
    "the split that is evaluated": [["--data", "a=gsm8k:test", ...alignedWithA], "must not be tuned on"],
    "an option that the study decides": [["--run", "seed=3"], 'sets "seed", which the study decides'],
    "an option that runs do not have": [["--run", "learningrate=3"], 'no option "learningrate"'],
    "a score that a task lacks": [["--metric", "miniature_math=acc"], "has no score acc"],
    "aligned data that are not there": [
      ["--aligned", "poems=miniature_math"],
      "poems, which is no set of data",
    ],
  };
  for (const [name, [more, sentence]] of Object.entries(cases)) {
    test(name, async () => {
      const { status, stderr } = await run(...words(join(scratch, `bad ${name}`), ...more));
      expect(stderr).toContain(sentence);
      expect(status).toBe(1);
      expect(existsSync(join(scratch, `bad ${name}`, "runs"))).toBe(false);
    });
  }

  test("a folder with another study", async () => {
    const { status, stderr } = await run(...words(whole, "--limit", "9"));
    expect(stderr).toContain('holds a study with another "limit"');
    expect(status).toBe(1);
  });
});
