/** @file Whether an interpreter in its sandbox withstands the probes, on this machine. */

import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { createSocket } from "node:dgram";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { InputError } from "../core/errors.ts";
import { cachePath } from "../node/cache-folder.ts";
import { linkFile, makeFolder, remove, writeWhole } from "../node/files/write.ts";
import { chooseIsolation, type Isolation } from "./confinement.ts";
import { createInterpreterProcess, type InterpreterProcess } from "./interpreter-process.ts";
import { type Bait, type Probe, type ProbeKind, probes } from "./probes.ts";
import { findTiers, type InterpreterName, type Tier } from "./tiers.ts";

/** What became of a probe. */
export interface ProbeVerdict {
  readonly name: string;
  readonly kind: ProbeKind;
  /** What it got or did that it should not; null if it was blocked. */
  readonly breach: string | null;
}

/** How an interpreter stood the probes, and how fast it is. */
export interface SandboxVerdict {
  readonly runner: InterpreterName;
  readonly version: string;
  readonly isolation: Isolation;
  /** Whether programs may import SymPy. */
  readonly hasSymPy: boolean;
  readonly probes: readonly ProbeVerdict[];
  /** Milliseconds until the first program is done, and of one after it. */
  readonly startMs: number;
  readonly runMs: number;
}

export interface SandboxCheckOptions {
  /** Default: each that is installed. */
  readonly runner?: InterpreterName;
  /** Default: `bubblewrap` where it works, and `process` elsewhere. */
  readonly isolation?: Isolation;
  /** Told before each probe. */
  readonly onProbe?: (runner: InterpreterName, probe: string) => void;
}

/**
 * Tries the ways out of the sandbox that are known to this package, on interpreters for models' programs in processes of their own.
 *
 * @throws InputError if there is no interpreter, it does not start, or the isolation does not work here
 *
 * @example
 * for (const { runner, probes } of await checkSandbox())
 *   console.log(runner, probes.every(({ breach }) => breach === null));
 */
export async function checkSandbox(options: SandboxCheckOptions = {}): Promise<SandboxVerdict[]> {
  const isolation = chooseIsolation(options.isolation);
  const verdicts: SandboxVerdict[] = [];
  for (const tier of findTiers(options.runner ? [options.runner] : ["monty", "pyodide"]))
    verdicts.push(await checkTier(tier, isolation, ({ name }) => options.onProbe?.(tier.name, name)));
  return verdicts;
}

/** The probes that an interpreter did not block. */
export const breachesOf = ({ probes }: SandboxVerdict): readonly ProbeVerdict[] =>
  probes.filter(({ breach }) => breach !== null);

/** What the programs of probes may take. */
const limits = { timeoutMs: 250, memoryBytes: 64 * 2 ** 20, outputLimit: 1000 };
/** Beyond the limits: the time of a machine that does much else, and memory that is not collected yet. */
const slack = { milliseconds: 60_000, bytes: 320 * 2 ** 20 };

/**
 * Runs the probes on an interpreter, in a process of its own.
 *
 * @param onProbe told before each one
 * @throws InputError if the interpreter does not start
 */
export async function checkTier(
  tier: Tier,
  isolation: Isolation,
  onProbe: (probe: Probe) => void = () => {},
): Promise<SandboxVerdict> {
  const bait = await layBait();
  const interpreter = createInterpreterProcess(tier, isolation);
  try {
    const run = (code: string) => interpreter.run({ ...limits, timeoutMs: 5000, code });
    const started = performance.now();
    await run("print(1)");
    const startMs = performance.now() - started;
    const times: number[] = [];
    for (let i = 0; i < 20; i++) {
      const begun = performance.now();
      await run(`print(${i} + 1)`);
      times.push(performance.now() - begun);
    }
    const verdicts: ProbeVerdict[] = [];
    for (const probe of probes) {
      onProbe(probe);
      const breach = (await runProbe(probe, bait, interpreter)) ?? null;
      verdicts.push({ name: probe.name, kind: probe.kind, breach });
    }
    const runMs = times.sort((a, b) => a - b)[times.length / 2]!;
    const { name, version, hasSymPy } = tier;
    return { runner: name, version, isolation, hasSymPy, probes: verdicts, startMs, runMs };
  } finally {
    interpreter.close();
    bait.clear();
  }
}

/** @returns what a probe got or did that it should not, if anything */
export async function runProbe(
  probe: Probe,
  bait: LaidBait,
  interpreter: Pick<InterpreterProcess, "run" | "peakBytes">,
): Promise<string | undefined> {
  const before = interpreter.peakBytes() ?? 0;
  const programs = probe.programs(bait);
  for (const [index, code] of programs.entries()) {
    const begun = performance.now();
    const { stdout, error = "" } = await interpreter.run({ ...limits, code });
    const took = performance.now() - begun;
    if (took > limits.timeoutMs + slack.milliseconds) return `it ran for ${Math.round(took)} ms`;
    if (Math.max(stdout.length, error.length) > limits.outputLimit + 3) return "its output was not bounded";
    const isPreparation = programs.length > 1 && index === 0;
    if (!isPreparation && `${stdout}${error}`.includes(bait.token)) return "it saw what it should not";
  }
  const after = await interpreter.run({ ...limits, timeoutMs: 5000, code: "print(6 * 7)" });
  if (after.stdout !== "42\n") return `the program after it failed (${after.error ?? after.stdout})`;
  const peak = interpreter.peakBytes()!;
  if (peak > Math.max(before, baseBytes) + limits.memoryBytes + slack.bytes)
    return `it took ${Math.round(peak / 1e6)} MB`;
  return bait.findTrace();
}

/** What an interpreter may have before its first program. */
const baseBytes = 256 * 2 ** 20;

export interface LaidBait extends Bait {
  /** What a program has left outside since the last call; undefined if there is nothing. */
  findTrace(): string | undefined;
  clear(): void;
}

/** Lays out what {@link Bait} says: a folder, a variable of this process, a server and a sleeping process. */
export async function layBait(): Promise<LaidBait> {
  const token = `token-${randomUUID()}`;
  const folder = join(tmpdir(), `slimtune-bait-${randomUUID()}`);
  makeFolder(folder);
  writeWhole(join(folder, "secret.txt"), token);
  linkFile(join(folder, "link"), join(folder, "secret.txt"));
  process.env.SLIMTUNE_BAIT = token;
  const victim = spawn(process.execPath, ["-e", "setTimeout(() => {}, 3_600_000)"], {
    env: { SLIMTUNE_BAIT: token },
    stdio: "ignore",
  });
  victim.unref();
  let contacts = 0;
  const server = createServer((connection) => {
    contacts++;
    connection.on("error", () => {}).destroy();
  });
  const port = await listen(server);
  const datagrams = createSocket("udp4", () => {
    contacts++;
  });
  await new Promise<void>((resolve, reject) =>
    datagrams.once("error", reject).bind(port, "127.0.0.1", resolve),
  );
  datagrams.unref();

  return {
    folder,
    token,
    port,
    victim: victim.pid!,
    findTrace() {
      if (!existsSync(folder)) return "it removed a folder";
      const found = readdirSync(folder).sort().join(" ");
      if (found !== "link secret.txt") return `it changed files (${found})`;
      if (readFileSync(join(folder, "secret.txt"), "utf8") !== token) return "it changed a file";
      if (contacts > 0) return "it reached a server";
      if (!isAlive(victim)) return "it ended a process";
      return undefined;
    },
    clear() {
      delete process.env.SLIMTUNE_BAIT;
      victim.kill("SIGKILL");
      server.close();
      datagrams.close();
      remove(folder);
    },
  };
}

const isAlive = ({ exitCode, signalCode }: ChildProcess) => exitCode === null && signalCode === null;

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  server.unref();
  return (server.address() as { readonly port: number }).port;
}

/**
 * Makes sure that an interpreter blocks all probes. That it does is kept in the user's folder of caches, for the same interpreter, on
 * the same system, by the same version of this package.
 *
 * @throws InputError if a probe gets through, or the interpreter does not start
 */
export async function requireBlocked(tier: Tier, isolation: Isolation): Promise<void> {
  const path = cachePath("sandbox", `${keyOf(tier, isolation)}.json`);
  if (existsSync(path)) return;
  const verdict = await checkTier(tier, isolation);
  const breaches = breachesOf(verdict);
  if (breaches.length > 0)
    throw new InputError(
      `The sandbox of ${tier.name} ${tier.version} lets ${breaches.length} of its probes through on this machine (first: a program that ${breaches[0]!.name}), so no model's program is run in it; see \`slimtune sandbox check\`, and run them all the same with the runner "unsafe".`,
    );
  makeFolder(cachePath("sandbox"));
  writeWhole(path, JSON.stringify(verdict));
}

/** All that the verdict depends on: this folder's files too. */
function keyOf(tier: Tier, isolation: Isolation): string {
  const hash = createHash("sha256").update(JSON.stringify([tier, isolation, process.version, release()]));
  const folder = new URL(".", import.meta.url);
  for (const name of readdirSync(folder)
    .filter((name) => name.endsWith(".js"))
    .sort())
    hash.update(readFileSync(new URL(name, folder)));
  return hash.digest("hex").slice(0, 32);
}
