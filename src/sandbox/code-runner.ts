/** @file Runs models' Python programs, in interpreters that have withstood the probes on this machine. */

import { InputError } from "../core/errors.ts";
import { warn } from "../core/warnings.ts";
import { requireBlocked } from "./check.ts";
import type { ProgramEnd } from "./child.ts";
import { chooseIsolation, type Isolation } from "./confinement.ts";
import { createInterpreterProcess, type InterpreterProcess } from "./interpreter-process.ts";
import { findTiers, type InterpreterName, type Tier } from "./tiers.ts";

export interface CodeRunnerOptions {
  /**
   * - `auto` (default): Monty; where Monty lacks what the program uses, Pyodide if it is installed
   * - `monty`, `pyodide`: that one alone
   * - `unsafe`: as `auto`, with interpreters that let probes through, or were not probed at all
   */
  readonly runner?: "auto" | InterpreterName | "unsafe";
  /** Default: `bubblewrap` where it works, and `process` elsewhere. */
  readonly isolation?: Isolation;
  /** Folder with the wheels of SymPy and mpmath, for Pyodide. Default: `slimtune/sandbox/wheels` in the user's folder of caches. */
  readonly wheels?: string;
  /** Programs that run at the same time, each in a process of its own. Default 1. */
  readonly workers?: number;
}

export interface ProgramOptions {
  /** Milliseconds. Default 5000. */
  readonly timeoutMs?: number;
  /** Bytes that the program's values may take, at most 2^30. Default 2^28. */
  readonly memoryBytes?: number;
  /**
   * Characters of the output, and of the error. Of more than that the first and the last half are kept, with "..." between them;
   * TATA has 400. Default 65,536.
   */
  readonly outputLimit?: number;
  /** Aborted to end the program. */
  readonly signal?: AbortSignal;
}

/** What a program printed, and how it ended. */
export interface ProgramResult extends ProgramEnd {
  readonly stdout: string;
  /** The interpreter that gave this. */
  readonly runner: InterpreterName;
}

/** Runs programs, each from a fresh state: no program sees what another one did. */
export interface CodeRunner {
  /**
   * Runs a program; those that come while as many as there are workers run wait for their turn.
   *
   * @throws InputError if an option is out of its range, or the interpreter does not start; the signal's reason if it is aborted
   */
  run(code: string, options?: ProgramOptions): Promise<ProgramResult>;
  /** Ends the interpreters, and what they run. */
  close(): void;
}

/** More than any model's program has. */
const longestProgram = 1_000_000;

/** Errors that Monty may give where Python would not, since it does not have all of Python. */
const gap =
  /^(NotImplementedError|ModuleNotFoundError|ImportError|SyntaxError|NameError|AttributeError|TypeError)\b/;

/**
 * Makes a runner of models' Python programs, which have no files, network, environment, processes or threads. An interpreter is used
 * only if it blocked all probes of `slimtune sandbox check` on this machine, which is looked up, or tried out: that takes some
 * seconds, once.
 *
 * @throws InputError if no interpreter is installed, or the first one lets a probe through
 *
 * @example
 * const runner = await createCodeRunner();
 * const { stdout, error, reason } = await runner.run("print(48 / 2)", { outputLimit: 400 });
 * console.log(reason === "ok" ? stdout : error); // 24.0
 * runner.close();
 */
export async function createCodeRunner(options: CodeRunnerOptions = {}): Promise<CodeRunner> {
  const { runner = "auto", wheels, workers = 1 } = options;
  const isolation = chooseIsolation(options.isolation);
  if (!Number.isInteger(workers) || workers < 1)
    throw new InputError(`${workers} workers cannot run programs; give a whole number from 1.`);
  const [first, second] = findTiers(
    runner === "monty" || runner === "pyodide" ? [runner] : ["monty", "pyodide"],
    wheels,
  );
  if (runner !== "unsafe") await requireBlocked(first, isolation);

  const pools = new Map<InterpreterName, Pool>();
  const poolOf = (tier: Tier) => {
    const pool = pools.get(tier.name) ?? createPool(tier, isolation, workers);
    pools.set(tier.name, pool);
    return pool;
  };
  /** Whether there is a second interpreter that may be used, which is found out when it is needed first. */
  let isSecondSafe: Promise<boolean> | undefined;
  const hasSecond = () => {
    isSecondSafe ??= !second
      ? Promise.resolve(false)
      : runner === "unsafe"
        ? Promise.resolve(true)
        : requireBlocked(second, isolation).then(
            () => true,
            (error: Error) => {
              warn(error.message);
              return false;
            },
          );
    return isSecondSafe;
  };

  return {
    async run(code, options = {}) {
      const { timeoutMs = 5000, memoryBytes = 2 ** 28, outputLimit = 65_536, signal } = options;
      checkRange("time limit", "milliseconds", timeoutMs, 1, 3_600_000);
      checkRange("memory limit", "bytes", memoryBytes, 2 ** 20, 2 ** 30);
      checkRange("output limit", "characters", outputLimit, 2, 100_000);
      const refusal = refuse(code);
      if (refusal) return { stdout: "", reason: "refused", error: refusal, runner: first.name };
      const request = { code, timeoutMs, memoryBytes, outputLimit };
      const outcome = await poolOf(first).run(request, signal);
      const isGap = first.name === "monty" && outcome.reason === "error" && gap.test(outcome.error!);
      if (!isGap || !(await hasSecond())) return { ...outcome, runner: first.name };
      return { ...(await poolOf(second!).run(request, signal)), runner: second!.name };
    },
    close() {
      for (const pool of pools.values()) pool.close();
    },
  };
}

function checkRange(what: string, unit: string, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return;
  throw new InputError(
    `The ${what} of a program cannot be ${value} ${unit}; give ${least.toLocaleString("en-US")} to ${most.toLocaleString("en-US")}.`,
  );
}

/** Why a program is not run at all. */
function refuse(code: string): string | undefined {
  if (code.length > longestProgram)
    return `MemoryError: the program has more than ${longestProgram.toLocaleString("en-US")} characters`;
  if (code.includes("\0")) return "SyntaxError: source code string cannot contain null bytes";
  return undefined;
}

interface Pool extends Pick<InterpreterProcess, "run" | "close"> {}

/** Some processes of an interpreter, of which each is started when it is first needed. */
function createPool(tier: Tier, isolation: Isolation, workers: number): Pool {
  const all = Array.from({ length: workers }, () => createInterpreterProcess(tier, isolation));
  const idle = [...all];
  const waiting: ((interpreter: InterpreterProcess) => void)[] = [];
  return {
    async run(request, signal) {
      const interpreter =
        idle.pop() ?? (await new Promise<InterpreterProcess>((resolve) => waiting.push(resolve)));
      try {
        return await interpreter.run(request, signal);
      } finally {
        const next = waiting.shift();
        if (next) next(interpreter);
        else idle.push(interpreter);
      }
    },
    close() {
      for (const interpreter of all) interpreter.close();
    },
  };
}
