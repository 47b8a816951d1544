import { rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type LaidBait, layBait, runProbe } from "./check.ts";
import type { InterpreterProcess, ProgramOutcome } from "./interpreter-process.ts";
import { type Probe, probes } from "./probes.ts";

// Interpreters run built files (npm test builds them first).
const { createInterpreterProcess }: typeof import("./interpreter-process.ts") = await import(
  new URL("../../dist/sandbox/interpreter-process.js", import.meta.url).href
);
const { findTiers }: typeof import("./tiers.ts") = await import(
  new URL("../../dist/sandbox/tiers.js", import.meta.url).href
);

let bait: LaidBait;
beforeEach(async () => {
  bait = await layBait();
});
let interpreter: Pick<InterpreterProcess, "run" | "peakBytes" | "close"> | undefined;
afterEach(() => {
  interpreter?.close();
  bait.clear();
});

test("there are enough probes, each with a name of its own", () => {
  expect(new Set(probes.map(({ name }) => name)).size).toBe(probes.length);
  expect(probes.length).toBeGreaterThanOrEqual(60);
});

test("Pyodide blocks the probes, with nothing around its process but Node's permissions", async () => {
  interpreter = createInterpreterProcess(findTiers(["pyodide"])[0], "process");
  // The others take the time that they are given; test:real and `sandbox check` run them.
  const quick = new Set(["recurses", "nests a list", "fills memory piece by piece", "prints without end"]);
  const breaches: string[] = [];
  for (const probe of probes.filter(({ kind, name }) => kind !== "limits" || quick.has(name))) {
    const breach = await runProbe(probe, bait, interpreter as InterpreterProcess);
    if (breach) breaches.push(`a program that ${probe.name}: ${breach}`);
  }
  expect(breaches).toEqual([]);
});

/** What an interpreter does that lets a probe through, and how that is told. */
const leaks: [name: string, leak: () => Partial<ProgramOutcome> | undefined, found: string][] = [
  ["prints what it saw", () => ({ stdout: bait.token }), "saw"],
  ["tells it in an error", () => ({ error: `KeyError: '${bait.token}'` }), "saw"],
  [
    "writes a file",
    () => void writeFileSync(join(bait.folder, "new"), ""),
    "changed files (link new secret.txt)",
  ],
  ["changes a file", () => void writeFileSync(join(bait.folder, "secret.txt"), ""), "changed a file"],
  ["removes the folder", () => void rmSync(bait.folder, { recursive: true }), "removed a folder"],
  ["connects", () => void connect(bait.port, "127.0.0.1").on("error", () => {}), "reached a server"],
  ["ends a process", () => void process.kill(bait.victim, "SIGKILL"), "ended a process"],
  ["prints more than its limit", () => ({ stdout: "a".repeat(10_000) }), "not bounded"],
];

test.each(leaks)("an interpreter that %s is found out", async (_name, leak, found) => {
  const probe: Probe = { name: "does it", kind: "files", programs: () => ["leak"] };
  const leaky = {
    async run({ code }: { readonly code: string }): Promise<ProgramOutcome> {
      if (code !== "leak") {
        // So that the server and the system take note.
        await vi.waitFor(() => expect(bait.findTrace()).toBeDefined(), 20_000);
        return { stdout: "42\n", reason: "ok" };
      }
      return { stdout: "", reason: "ok", ...leak() };
    },
    peakBytes: () => 0,
  };
  expect(await runProbe(probe, bait, leaky)).toContain(found);
});

test("an interpreter that takes too much memory, or breaks, is found out, and one that does nothing passes", async () => {
  const probe: Probe = { name: "does it", kind: "limits", programs: () => ["print(1)"] };
  const answering = (stdout: string, bytes: number) => ({
    run: async (): Promise<ProgramOutcome> => ({ stdout, reason: "ok" }),
    peakBytes: () => bytes,
  });
  let bytes = 100;
  const growing = { ...answering("42\n", 0), peakBytes: () => (bytes *= 1e4) };
  expect(await runProbe(probe, bait, growing)).toContain("MB");
  expect(await runProbe(probe, bait, answering("", 100))).toContain("the program after it failed");
  expect(await runProbe(probe, bait, answering("42\n", 100))).toBeUndefined();
});
