import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layBait, runProbe } from "./check.ts";
import type { InterpreterProcess, ProgramOutcome } from "./interpreter-process.ts";
import { probes } from "./probes.ts";
import { defaultWheels, type TierName } from "./tiers.ts";

// Interpreters run built files.
const built = new URL("../../dist/sandbox/", import.meta.url).href;
const { createInterpreterProcess }: typeof import("./interpreter-process.ts") = await import(
  `${built}interpreter-process.js`
);
const { findTier }: typeof import("./tiers.ts") = await import(`${built}tiers.js`);
const { checkTier, breachesOf }: typeof import("./check.ts") = await import(`${built}check.js`);
const { hasBubblewrap }: typeof import("./confinement.ts") = await import(`${built}confinement.js`);

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

/** Seconds of a processor that this process' child has taken. */
function childSeconds(): number {
  const pid = execFileSync("pgrep", ["-P", String(process.pid), "-f", "-child.js"])
    .toString()
    .trim();
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const limits = { timeoutMs: 5000, memoryBytes: 2 ** 28, outputLimit: 65_536 };

describe.each<TierName>(["monty", "pyodide"])("%s", (name) => {
  const tier = findTier(name, process.env.SLIMTUNE_WHEELS ?? defaultWheels)!;
  let interpreter: InterpreterProcess;
  beforeAll(() => {
    interpreter = createInterpreterProcess(tier, "process");
  });
  afterAll(() => interpreter.close());

  test.skipIf(!data)("reproduces recorded programs", async () => {
    await interpreter.run({ ...limits, code: "print(1)" });
    console.log(`${name}: ${childSeconds().toFixed(1)} s of a processor until the first program is done`);
    const sets = {
      "SVAMP, Program of Thoughts": programsOfThoughts("svamp-codex-programs.jsonl"),
      "GSM8K, Program of Thoughts": programsOfThoughts("gsm8k-test-codex-programs.jsonl"),
      "GSM8K, ToRA": programsOfTora(),
    };
    if (tier.hasSymPy) {
      const before = childSeconds();
      await interpreter.run({ ...limits, code: "import sympy" });
      console.log(`${name}: ${(childSeconds() - before).toFixed(1)} s more with SymPy`);
    }
    for (const [set, programs] of Object.entries(sets)) {
      expect(programs.length).toBeGreaterThan(900);
      const before = childSeconds();
      let reproduced = 0;
      const others: string[] = [];
      for (const { code, isReproduced } of programs) {
        const outcome = await interpreter.run({ ...limits, code });
        if (isReproduced(outcome)) reproduced++;
        else others.push(outcome.error ?? outcome.stdout);
      }
      const milliseconds = (1000 * (childSeconds() - before)) / programs.length;
      console.log(
        `${name}, ${set}: ${reproduced} of ${programs.length}, ${milliseconds.toFixed(2)} ms of a processor each; others:`,
        others,
      );
      expect(reproduced / programs.length).toBeGreaterThan(0.98);
    }
  });

  test.skipIf(!data)("runs 10,000 programs in flat memory", async () => {
    const programs = programsOfThoughts("gsm8k-test-codex-programs.jsonl");
    const sizes: number[] = [];
    for (let i = 0; i < 10_000; i++) {
      await interpreter.run({ ...limits, code: programs[i % programs.length]!.code });
      if (i % 1000 === 999) sizes.push(interpreter.residentBytes()!);
    }
    console.log(
      `${name}: MB after each 1,000 programs:`,
      sizes.map((bytes) => Math.round(bytes / 1e6)).join(" "),
    );
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
