/** @file An interpreter in a process of its own, which can be ended at any time. */

import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import * as z from "zod";
import { InputError } from "../core/errors.ts";
import { type FromChild, outOfTime, type ProgramEnd, type ProgramRequest } from "./child.ts";
import { type Isolation, startConfined } from "./confinement.ts";
import type { Tier } from "./tiers.ts";

/** How a program ended, and what it printed. */
export interface ProgramOutcome extends ProgramEnd {
  readonly stdout: string;
}

export interface InterpreterProcess {
  /**
   * Runs a program; the process is started if there is none. One at a time.
   *
   * @param signal aborted to end the program, with its process
   * @throws InputError if the interpreter does not start; the signal's reason if it is aborted
   */
  run(request: ProgramRequest, signal?: AbortSignal): Promise<ProgramOutcome>;
  /** Resident memory of the process that ran the last program, in bytes: after it, and at most. Undefined before the first one. */
  residentBytes(): number | undefined;
  peakBytes(): number | undefined;
  close(): void;
}

/** Milliseconds within which an interpreter is loaded and prepared: a few seconds, where nothing else computes. */
const startingTime = 600_000;
/** Milliseconds that an interpreter has to stop a program itself, which takes no new process. */
const grace = 2000;
/** Bytes that a process may have kept beyond what it had after its first program and what a program may take. */
const keptBytes = 256 * 2 ** 20;

/** What is believed of a process whose interpreter a program may have taken over. */
const messageSchema: z.ZodType<FromChild> = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("started") }),
  z.object({
    type: z.literal("done"),
    stdout: z.string(),
    reason: z.enum(["ok", "error", "timeout", "memory", "refused"]),
    error: z.string().exactOptional(),
    residentBytes: z.number(),
    peakBytes: z.number(),
  }),
]);

/** One process, from its start to its end. */
interface Life {
  readonly child: ChildProcess;
  /** Messages, then undefined for ever when the process has ended. */
  next(): Promise<FromChild | undefined>;
  /** What it has said on standard error, lately. */
  complaint(): string;
  /** Resident memory after its first program. */
  firstBytes?: number;
}

export function createInterpreterProcess(tier: Tier, isolation: Isolation): InterpreterProcess {
  let life: Life | undefined;
  let memory: { readonly residentBytes: number; readonly peakBytes: number } | undefined;

  function end(): void {
    life?.child.kill("SIGKILL");
    life = undefined;
  }

  async function start(): Promise<Life> {
    const started = begin(tier, isolation);
    life = started;
    const message = await within(startingTime, started.next());
    if (message !== "late" && message?.type === "ready") return started;
    end();
    const reason = started.complaint() || "it does not answer";
    throw new InputError(
      `The interpreter ${tier.name} ${tier.version} does not start in its sandbox (${reason}); see what \`slimtune sandbox check\` says.`,
    );
  }

  async function answer(request: ProgramRequest): Promise<ProgramOutcome> {
    const isNew = life === undefined;
    const { child, next, complaint } = life ?? (await start());
    child.stdin!.write(`${JSON.stringify(request)}\n`);
    let message = await within(startingTime, next());
    if (message === undefined && !isNew && life !== undefined) {
      // The process had ended, by no doing of this one, before the program began.
      end();
      return answer(request);
    }
    if (message !== "late" && message?.type === "started")
      message = await within(request.timeoutMs + grace, next());
    if (message === "late") {
      end();
      return { stdout: "", ...outOfTime };
    }
    if (message?.type !== "done") {
      end();
      const isMemory = /memory|allocation/i.test(complaint());
      return isMemory
        ? { stdout: "", reason: "memory", error: "MemoryError" }
        : { stdout: "", reason: "error", error: "SystemError: the program ended the interpreter" };
    }
    const { type: _, residentBytes, peakBytes, ...outcome } = message;
    memory = { residentBytes, peakBytes };
    if (life) {
      life.firstBytes ??= residentBytes;
      if (residentBytes > life.firstBytes + request.memoryBytes + keptBytes) end();
    }
    return outcome;
  }

  return {
    async run(request, signal) {
      signal?.throwIfAborted();
      signal?.addEventListener("abort", end);
      hold(life?.child, true);
      try {
        return await answer(request).finally(() => signal?.throwIfAborted());
      } finally {
        signal?.removeEventListener("abort", end);
        hold(life?.child, false);
      }
    },
    residentBytes: () => memory?.residentBytes,
    peakBytes: () => memory?.peakBytes,
    close: end,
  };
}

/** Whether a process keeps this one from ending. */
function hold(child: ChildProcess | undefined, isHeld: boolean): void {
  for (const handle of [child, child?.stdin, child?.stdout, child?.stderr])
    (handle as { ref(): void; unref(): void } | undefined)?.[isHeld ? "ref" : "unref"]();
}

/** More than any answer has. */
const longestLine = 4 * 2 ** 20;

function begin(tier: Tier, isolation: Isolation): Life {
  const child = startConfined(tier.program, isolation);
  const messages: FromChild[] = [];
  let hasEnded = false;
  let wake = () => {};
  let complaint = "";
  child.stdin!.on("error", () => {});
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-2000);
  });
  let length = 0;
  child.stdout!.on("data", (bytes: Buffer) => {
    length = bytes.includes(10) ? bytes.length - bytes.lastIndexOf(10) : length + bytes.length;
    if (length > longestLine) child.kill("SIGKILL");
  });
  createInterface({ input: child.stdout! }).on("line", (line) => {
    try {
      messages.push(messageSchema.parse(JSON.parse(line)));
    } catch {
      child.kill("SIGKILL");
    }
    wake();
  });
  const onEnd = () => {
    hasEnded = true;
    wake();
  };
  child
    .on("error", (error) => {
      complaint = error.message;
      onEnd();
    })
    .on("close", onEnd);
  return {
    child,
    async next() {
      while (messages.length === 0 && !hasEnded) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return messages.shift();
    },
    complaint() {
      const lines = complaint.trim().split("\n");
      return lines.find((line) => /Error|memory/.test(line)) ?? lines.at(-1)!;
    },
  };
}

/** A value, or "late" if it takes more than some milliseconds. */
async function within<T>(milliseconds: number, value: Promise<T>): Promise<T | "late"> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    // An answer that has arrived, and waits like this timer for a process that was busy, goes first.
    timer = setTimeout(() => setImmediate(resolve, "late"), milliseconds);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}
