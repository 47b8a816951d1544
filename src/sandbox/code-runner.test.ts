import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ProgramOptions } from "./code-runner.ts";
import type { Tier } from "./tiers.ts";

// Interpreters run built files (npm test builds them first).
const module = new URL("../../dist/sandbox/code-runner.js", import.meta.url).href;
const { createCodeRunner }: typeof import("./code-runner.ts") = await import(module);

const { requireBlocked }: typeof import("./check.ts") = await import(new URL("check.js", module).href);

const scratch = mkdtempSync(join(tmpdir(), "slimtune-sandbox-"));
// The probes are run by check.test.ts.
const monty = await createCodeRunner({ runner: "unsafe", isolation: "process", workers: 2 });
afterAll(() => {
  monty.close();
  rmSync(scratch, { recursive: true });
});

test.each<[code: string, outcome: object, options?: ProgramOptions]>([
  ["print(48 / 2)", { stdout: "24.0\n", reason: "ok" }],
  ["print('a', end='')", { stdout: "a", reason: "ok" }],
  ["1 / 0", { stdout: "", reason: "error", error: "ZeroDivisionError: division by zero" }],
  ["print(1)\nraise ValueError('two\\nlines')", { stdout: "1\n", reason: "error", error: "lines" }],
  ["while True: pass", { stdout: "", reason: "timeout" }, { timeoutMs: 100 }],
  ["print('a' * 10**9)", { stdout: "", reason: "memory" }],
  ["print('a' * 1000)", { stdout: "aa...a\n", reason: "ok" }, { outputLimit: 4 }],
  ["x = '\0'", { stdout: "", reason: "refused" }],
  ["#".repeat(1_000_001), { stdout: "", reason: "refused" }],
])("Monty runs %j", async (code, outcome, options) => {
  expect(await monty.run(code, options)).toMatchObject({ ...outcome, runner: "monty" });
});

test("what Monty lacks, Pyodide runs, from a fresh state and with Python's errors", async () => {
  const outcomes = [];
  for (const code of [
    "class Box:\n    size = 3\nprint(Box().size, end='')",
    "import fractions\nfractions.Fraction = None\nleft = 1",
    "from fractions import Fraction\nprint(Fraction(1, 3), 'left' in globals())",
    "print('{}'.format(7))\nimport sys\nsys.exit()",
    "undefined",
    "import os\nos.system('id')",
    "import sympy",
  ])
    outcomes.push(await monty.run(code));
  expect(outcomes).toEqual([
    { runner: "pyodide", reason: "ok", stdout: "3" },
    { runner: "pyodide", reason: "ok", stdout: "" },
    { runner: "pyodide", reason: "ok", stdout: "1/3 False\n" },
    { runner: "pyodide", reason: "ok", stdout: "7\n" },
    { runner: "pyodide", reason: "error", stdout: "", error: "NameError: name 'undefined' is not defined" },
    {
      runner: "pyodide",
      reason: "refused",
      stdout: "",
      error: "PermissionError: programs may not use _emscripten_system",
    },
    {
      runner: "pyodide",
      reason: "error",
      stdout: "",
      error: "ModuleNotFoundError: No module named 'sympy'",
    },
  ]);
});

test.each([
  ["monty", ""],
  ["pyodide", "class Box: pass\n"],
])(
  "a program that prints 1 GB in %s ends with bounded output, and its successor runs",
  async (runner, gap) => {
    const code = `${gap}for _ in range(1000):\n    print("a" * 10**6)`;
    const { stdout, ...outcome } = await monty.run(code, { timeoutMs: 400, outputLimit: 1000 });
    expect(outcome).toMatchObject({ runner, reason: expect.stringMatching(/^(timeout|memory)$/) });
    expect(stdout.length).toBeLessThanOrEqual(1003);
    expect(await monty.run(`${gap}print(1)`)).toEqual({ runner, reason: "ok", stdout: "1\n" });
  },
);

test("programs that come together run two at a time, each with its own answer", async () => {
  const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => monty.run(`print(${i} ** 2)`)));
  expect(outcomes.map(({ stdout }) => Number(stdout))).toEqual(Array.from({ length: 20 }, (_, i) => i ** 2));
});

test("a program is ended by its signal, and its successor runs", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const program = monty.run("while True: pass", { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 100);
  await expect(program).rejects.toBe(reason);
  await expect(monty.run("print(1)", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(await monty.run("print(1)")).toMatchObject({ stdout: "1\n" });
});

test("where something ends an interpreter its program is told, and another one takes its place", async () => {
  const endThem = () => execFileSync("pkill", ["-9", "-P", String(process.pid), "-f", "monty-child"]);
  await monty.run("print(1)");
  endThem();
  expect(await monty.run("print(2)")).toMatchObject({ stdout: "2\n" });
  const program = monty.run("while True: pass");
  await new Promise((resolve) => setTimeout(resolve, 300));
  endThem();
  expect(await program).toMatchObject({ reason: "error", error: expect.stringContaining("SystemError") });
  expect(await monty.run("print(1)")).toMatchObject({ stdout: "1\n" });
});

test("a runner that nobody closed does not keep a process from ending", () => {
  const script = `
    const { createCodeRunner } = await import(${JSON.stringify(module)});
    const runner = await createCodeRunner({ runner: "unsafe" });
    console.log((await runner.run("print(6 * 7)")).stdout);
  `;
  const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", script]);
  expect(stdout.toString().trim()).toBe("42");
  expect(status).toBe(0);
});

describe("before an interpreter is used", () => {
  const place = join(scratch, "interpreter.mjs");
  const cache = join(scratch, "slimtune", "sandbox");
  /** Answers as Python does where a probe looks whether it still works, and otherwise as is said here. */
  const write = (answer: string) =>
    writeFileSync(
      place,
      `import { readFileSync } from "node:fs";
       import { createInterface } from "node:readline";
       const tell = (message) => console.log(JSON.stringify(message));
       tell({ type: "ready" });
       createInterface({ input: process.stdin }).on("line", (line) => {
         const { code } = JSON.parse(line);
         const stdout = code === "print(6 * 7)" ? "42\\n" : ${answer};
         tell({ type: "done", reason: "ok", stdout, residentBytes: 1, peakBytes: 1 });
       });`,
    );
  /** It may read the whole disk. */
  const tier: Tier = {
    name: "monty",
    version: "0",
    hasSymPy: false,
    program: { words: [place], readable: ["/"] },
  };
  beforeEach(() => vi.stubEnv("XDG_CACHE_HOME", scratch));
  afterEach(() => vi.unstubAllEnvs());

  test("an interpreter that lets a probe through is not used", async () => {
    write(`(/open\\("([^"]+)"\\).read/.exec(code)?.[1] ?? "").endsWith("secret.txt")
      ? readFileSync(/open\\("([^"]+)"/.exec(code)[1], "utf8") : ""`);
    await expect(requireBlocked(tier, "process")).rejects.toThrow(
      /monty 0 lets \d+ of its probes through on this machine \(first: a program that reads a file\)/,
    );
    expect(existsSync(cache)).toBe(false);
  });

  test("that it blocks them is found out once", async () => {
    write('""');
    await requireBlocked(tier, "process");
    expect(readdirSync(cache)).toHaveLength(1);
    rmSync(place);
    await requireBlocked(tier, "process");
    await expect(requireBlocked({ ...tier, version: "1" }, "process")).rejects.toThrow(
      /monty 1 does not start in its sandbox/,
    );
  });
});

test("options that cannot be used end with one sentence", async () => {
  await expect(monty.run("", { timeoutMs: 0 })).rejects.toThrow(/time limit of a program cannot be 0/);
  await expect(monty.run("", { memoryBytes: 2 ** 40 })).rejects.toThrow(/memory limit/);
  await expect(monty.run("", { outputLimit: 1 })).rejects.toThrow(/output limit/);
  await expect(createCodeRunner({ workers: 0 })).rejects.toThrow(/0 workers/);
  await expect(createCodeRunner({ wheels: scratch })).rejects.toThrow(/pip download --no-deps/);
});
