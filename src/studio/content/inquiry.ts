/**
 * @file What a page asks that takes time and memory to answer: in a process of its own for each question, for which the studio does
 * not wait, and which is ended when it takes too much.
 */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { InputError } from "../../core/errors.ts";
import { type Failure, toError } from "../../core/failure.ts";
import type { AnswerTo, Given, Question } from "./questions.ts";

/** A message to the process, its only one. */
export interface Inquiry<Q extends Question = Question> {
  readonly question: Q;
  readonly given: Given<Q>;
}

export interface Answered<Q extends Question> {
  readonly answer: AnswerTo<Q>;
  /** Of what was read. */
  readonly warnings: readonly string[];
}

/** Messages from the process. */
export type FromInquiry =
  /** A better one may follow. */
  ({ readonly type: "answer" } & Answered<Question>) | ({ readonly type: "failed" } & Failure);

/** What an answer may take. */
export interface InquiryLimits {
  /** Milliseconds until there is a first answer, and from each until a better one. */
  readonly first: number;
  readonly better: number;
  /** Of the process's own heap. */
  readonly megabytes: number;
}

const defaultLimits: InquiryLimits = { first: 60_000, better: 10_000, megabytes: 2048 };

export interface Inquirer {
  /**
   * Answers a question when those before it are answered.
   *
   * @param signal aborted when nobody waits for the answer any more
   * @returns the best answer that there is in time
   * @throws InputError as the question does, or if there is no answer in time; an AbortError if nobody waits for it.
   */
  ask<Q extends Question>(question: Q, given: Given<Q>, signal: AbortSignal): Promise<Answered<Q>>;
  close(): void;
}

export function createInquirer(limits = defaultLimits): Inquirer {
  const closing = new AbortController();
  let last: Promise<unknown> = Promise.resolve();
  return {
    ask(question, given, client) {
      const signal = AbortSignal.any([client, closing.signal]);
      const answered = last.then(() => answerIn(limits, { question, given }, signal));
      last = answered.catch(() => {});
      return answered;
    },
    close: () => closing.abort(),
  };
}

async function answerIn<Q extends Question>(
  { megabytes, ...limits }: InquiryLimits,
  inquiry: Inquiry<Q>,
  signal: AbortSignal,
): Promise<Answered<Q>> {
  signal.throwIfAborted();
  const child = fork(fileURLToPath(new URL("./inquiry-process.js", import.meta.url)), {
    execArgv: [`--max-old-space-size=${megabytes}`],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  try {
    return (await hear(child, inquiry, limits, signal)) as Answered<Q>;
  } finally {
    child.kill("SIGKILL");
  }
}

function hear(
  child: ChildProcess,
  inquiry: Inquiry,
  { first, better }: Omit<InquiryLimits, "megabytes">,
  signal: AbortSignal,
): Promise<Answered<Question>> {
  return new Promise((resolve, reject) => {
    let best: Answered<Question> | undefined;
    const settle = (reason: string) =>
      best ? resolve(best) : reject(new InputError(`This ${reason}; do it by the command line.`));
    const onTime = () => settle(`takes more than ${first / 1000} s to read`);
    let deadline = setTimeout(onTime, first);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    child.on("message", (message: FromInquiry) => {
      clearTimeout(deadline);
      if (message.type === "failed") return reject(toError(message));
      best = message;
      deadline = setTimeout(onTime, better);
    });
    child.once("error", reject);
    child.once("exit", () => {
      clearTimeout(deadline);
      signal.removeEventListener("abort", onAbort);
      settle("needs more memory than it may take");
    });
    child.send(inquiry);
  });
}
