/** @file What is asked of a run before it starts, answered in a process of its own: to read data takes time and memory, and the studio must not wait. */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { InputError } from "../../core/errors.ts";
import { type Failure, toError } from "../../core/failure.ts";
import type { RunOptions } from "../../node/training/run-config.ts";
import type { Estimate, Preview } from "../api.ts";

/** By kind, what its answer is. */
export interface Inquiries {
  readonly preview: Preview;
  readonly estimate: Omit<Estimate, "command">;
}

type Kind = keyof Inquiries;

/** A message to the process, its only one. */
export interface Inquiry {
  readonly kind: Kind;
  readonly options: Partial<RunOptions>;
}

/** Messages from the process. */
export type FromInquiry =
  /** A better one may follow. */
  { readonly type: "answer"; readonly answer: Inquiries[Kind] } | ({ readonly type: "failed" } & Failure);

/** What an answer may take. */
export interface InquiryLimits {
  /** Milliseconds until there is a first answer, and from then until the last. */
  readonly first: number;
  readonly better: number;
  /** Of the process's own heap. */
  readonly megabytes: number;
}

const defaultLimits: InquiryLimits = { first: 60_000, better: 10_000, megabytes: 2048 };

export interface Inquirer {
  /**
   * Answers when those before it are answered.
   *
   * @param signal aborted when nobody waits for it any more
   * @returns the best answer that there is in time
   * @throws InputError if the options, the model or the data are bad, or there is no answer in time; an AbortError if nobody waits for it.
   */
  ask<K extends Kind>(kind: K, options: Partial<RunOptions>, signal: AbortSignal): Promise<Inquiries[K]>;
  close(): void;
}

export function createInquirer(limits = defaultLimits): Inquirer {
  const closing = new AbortController();
  let last: Promise<unknown> = Promise.resolve();
  return {
    ask<K extends Kind>(kind: K, options: Partial<RunOptions>, client: AbortSignal) {
      const signal = AbortSignal.any([client, closing.signal]);
      const answer = last.then(() => answerIn(limits, { kind, options }, signal));
      last = answer.catch(() => {});
      return answer as Promise<Inquiries[K]>;
    },
    close: () => closing.abort(),
  };
}

async function answerIn(
  { first, better, megabytes }: InquiryLimits,
  inquiry: Inquiry,
  signal: AbortSignal,
): Promise<Inquiries[Kind]> {
  signal.throwIfAborted();
  const child = fork(fileURLToPath(new URL("./inquiry-process.js", import.meta.url)), {
    execArgv: [`--max-old-space-size=${megabytes}`],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  try {
    return await hear(child, inquiry, { first, better }, signal);
  } finally {
    child.kill("SIGKILL");
  }
}

function hear(
  child: ChildProcess,
  inquiry: Inquiry,
  { first, better }: Omit<InquiryLimits, "megabytes">,
  signal: AbortSignal,
): Promise<Inquiries[Kind]> {
  return new Promise((resolve, reject) => {
    let found: Inquiries[Kind] | undefined;
    const giveUp = (reason: string) =>
      found
        ? resolve(found)
        : reject(new InputError(`${reason}; take a part of the data, or start without looking at it.`));
    let deadline = setTimeout(() => giveUp(`Model and data take more than ${first / 1000} s to read`), first);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    child.on("message", (message: FromInquiry) => {
      clearTimeout(deadline);
      if (message.type === "failed") return reject(toError(message));
      found = message.answer;
      deadline = setTimeout(() => resolve(message.answer), better);
    });
    child.once("error", reject);
    child.once("exit", () => {
      clearTimeout(deadline);
      signal.removeEventListener("abort", onAbort);
      giveUp("Model and data need more memory than there is to look at them");
    });
    child.send(inquiry);
  });
}
