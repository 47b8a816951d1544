import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, test } from "vitest";
import { layBait, runProbe } from "./check.ts";
import type { FromChild } from "./child.ts";
import type { ProgramOutcome } from "./interpreter-process.ts";
import { probes } from "./probes.ts";
import type { InterpreterName, Tier } from "./tiers.ts";

// Interpreters run built files.
const built = new URL("../../dist/sandbox/", import.meta.url).href;
const { findTiers }: typeof import("./tiers.ts") = await import(`${built}tiers.js`);
const { checkTier, breachesOf }: typeof import("./check.ts") = await import(`${built}check.js`);
const { hasBubblewrap, startConfined }: typeof import("./confinement.ts") = await import(
  `${built}confinement.js`
);

const data = process.env.SLIMTUNE_DATA;
if (!data) console.warn("SLIMTUNE_DATA is not set: recorded programs are not run.");

/** A program, and whether an output is the one that was recorded of it. */
interface Recorded {
  readonly code: string;
  readonly isReproduced: (outcome: ProgramOutcome) => boolean;
}

const readRows = (...path: string[]) =>
  readFileSync(join(data!, "math", ...path), "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line));

const isClose = (a: number, b: number) => Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a), Math.abs(b));

/** Program of Thoughts: the variable `ans` of programs that Codex wrote; null where they failed. SVAMP's records have no signs. */
function programsOfThoughts(file: string): Recorded[] {
  return readRows("pot", file)
    .filter((row) => "generated" in row)
    .map(({ generated, executed }) => ({
      code: `${generated[0]}\nprint(ans)`,
      isReproduced: ({ reason, stdout }) =>
        executed === null
          ? reason !== "ok"
          : reason === "ok" && isClose(Math.abs(toNumber(stdout)), Math.abs(toNumber(String(executed)))),
    }));
}

const toNumber = (text: string) => Number(text.trim().replace("True", "1").replace("False", "0"));

/** ToRA: the first program of each answer, with the output that follows it. */
function programsOfTora(): Recorded[] {
  return readRows("tora", "gsm8k-test-tora70b-outputs.jsonl").flatMap(({ code: [answer] }) => {
    const found = /```python\n([\s\S]*?)```\s*```output\n([\s\S]*?)```/.exec(answer);
    if (!found) return [];
    const [, code, output] = found;
    const recorded = output!.trim();
    return [
      {
        code: code!,
        isReproduced({ reason, stdout, error = "" }) {
          const given = stdout.trim();
          if (given === recorded) return true;
          if (reason === "timeout") return /time/i.test(recorded);
          if (reason !== "ok") return recorded.includes(error.split(":")[0]!);
          return recorded !== "" && given !== "" && isClose(toNumber(given), toNumber(recorded));
        },
      },
    ];
  });
}

interface Run {
  readonly outcomes: readonly Extract<FromChild, { type: "done" }>[];
  /** Milliseconds of a processor that the interpreter's process has taken until its first program was done, and for each one after it. */
  readonly startMs: number;
  readonly programMs: readonly number[];
}

/** Runs programs in one process, one after the other. */
async function runAll(tier: Tier, programs: readonly string[]): Promise<Run> {
  const child = startConfined(tier.program, "process");
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const run = async (code: string) => {
    const limits = { timeoutMs: 5000, memoryBytes: 2 ** 28, outputLimit: 65_536 };
    child.stdin!.write(`${JSON.stringify({ code, ...limits })}\n`);
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`the interpreter ended at the program\n${code}`);
      const message = JSON.parse(value) as FromChild;
      if (message.type === "done") return message;
    }
  };
  await run("print(1)");
  const startMs = processorMs(child.pid!);
  const outcomes: Run["outcomes"][number][] = [];
  const programMs: number[] = [];
  let before = startMs;
  for (const code of programs) {
    outcomes.push(await run(code));
    const after = processorMs(child.pid!);
    programMs.push(after - before);
    before = after;
  }
  child.kill("SIGKILL");
  return { outcomes, startMs, programMs };
}

/** What all threads of a process have taken of a processor, in milliseconds. */
function processorMs(pid: number): number {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]),
  );
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e6;
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

describe.each<InterpreterName>(["monty", "pyodide"])("%s", (name) => {
  const [tier] = findTiers([name], name === "pyodide" ? process.env.SLIMTUNE_WHEELS : undefined);

  test.skipIf(!data).each([
    ["SVAMP, Program of Thoughts", () => programsOfThoughts("svamp-codex-programs.jsonl")],
    ["GSM8K, Program of Thoughts", () => programsOfThoughts("gsm8k-test-codex-programs.jsonl")],
    ["GSM8K, ToRA", programsOfTora],
  ])("reproduces recorded programs of %s", async (set, load) => {
    const programs = load();
    expect(programs.length).toBeGreaterThan(900);
    const codes = programs.map(({ code }) => code);
    const { outcomes, startMs, programMs } = await runAll(tier, codes);
    const others = outcomes.filter((outcome, i) => !programs[i]!.isReproduced(outcome));
    const reproduced = programs.length - others.length;
    const endless = outcomes.filter(({ reason }) => reason === "timeout").length;
    console.log(
      `${name}, ${set}: ${reproduced} of ${programs.length}, ${endless} out of time; start ${(startMs / 1000).toFixed(2)} s of a processor, a program ${median(programMs).toFixed(2)} ms (median); others:`,
      others.map(({ error, stdout }) => error ?? stdout),
    );
    expect(reproduced / programs.length).toBeGreaterThan(0.98);
  });

  test.skipIf(!data)("runs 10,000 programs in flat memory", async () => {
    const codes = programsOfThoughts("gsm8k-test-codex-programs.jsonl").map(({ code }) => code);
    const { outcomes } = await runAll(
      tier,
      Array.from({ length: 10_000 }, (_, i) => codes[i % codes.length]!),
    );
    const sizes = outcomes.filter((_, i) => i % 1000 === 999).map(({ residentBytes }) => residentBytes / 1e6);
    console.log(`${name}: MB after each 1,000 programs: ${sizes.map(Math.round).join(" ")}`);
    expect(Math.max(...sizes) / Math.min(...sizes)).toBeLessThan(1.1);
  });

  test.each(["bubblewrap", "process"] as const)("blocks all probes in %s", async (isolation) => {
    if (isolation === "bubblewrap" && !hasBubblewrap()) {
      console.warn("bubblewrap does not work here: its isolation is not probed.");
      return;
    }
    expect(breachesOf(await checkTier(tier, isolation))).toEqual([]);
  });
});

test("Python without a sandbox lets most probes of files, environment, processes and network through", async () => {
  const python = {
    async run({ code }: { readonly code: string }): Promise<ProgramOutcome> {
      const { stdout, stderr, status } = spawnSync("python3", ["-c", code], { timeout: 10_000 });
      // So that the server takes note.
      await new Promise((resolve) => setTimeout(resolve, 50));
      return { stdout: String(stdout), error: String(stderr), reason: status === 0 ? "ok" : "error" };
    },
    peakBytes: () => 0,
  };
  const outside = new Set(["files", "environment", "processes", "network"]);
  const through: string[] = [];
  const blocked: string[] = [];
  for (const probe of probes.filter(({ kind }) => outside.has(kind))) {
    const bait = await layBait();
    const breach = await runProbe(probe, bait, python);
    (breach ? through : blocked).push(probe.name);
    bait.clear();
  }
  console.log(`let through: ${through.length}; blocked: ${blocked.join(", ")}`);
  expect(through.length).toBeGreaterThan(2 * blocked.length);
});
