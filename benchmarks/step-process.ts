/** @file Programs that compute a case's steps one at a time, when told to, so that several can take turns step by step. */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { measureProductRate } from "../src/core/engine/product-rate.ts";
import { openDevice } from "../src/node/runtime/onnx-runtime.ts";
import { median, script } from "./measuring.ts";
import type { OurPreparedStep, PreparedStep, StepCase } from "./step-cases.ts";

/** A process that has loaded a model and computed the steps that are not timed. */
export interface StepProcess<Prepared extends PreparedStep> {
  readonly prepared: Prepared;
  /** Computes a step. @returns its seconds */
  step(): Promise<number>;
  /** Ends the process. @returns its highest resident memory in bytes */
  finish(): Promise<number>;
}

interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly limitSeconds?: number;
}

/**
 * Starts a program that prints a {@link PreparedStep} in a line, then for each line that it reads computes a step and prints
 * its seconds, and after the last prints its highest resident memory in bytes.
 *
 * @throws Error with the last line of what it said, if it ends early, or is not ready after `limitSeconds`
 */
export async function startStepProcess<Prepared extends PreparedStep>(
  program: string,
  args: readonly string[],
  { env = process.env, limitSeconds = 3600 }: StartOptions = {},
): Promise<StepProcess<Prepared>> {
  const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (part: Buffer) => {
    errors += part.toString();
  });
  child.stdin.on("error", () => {});
  const timer = setTimeout(() => {
    errors += `it was not ready after ${limitSeconds} seconds`;
    child.kill("SIGKILL");
  }, limitSeconds * 1000);
  const closed = new Promise<string>((resolve) => {
    child.on("error", ({ message }) => resolve(message));
    child.on("close", (status, signal) =>
      resolve(errors.trim().split("\n").at(-1) || (signal ?? `status ${status}`)),
    );
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async <T>(): Promise<T> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(await closed);
    return JSON.parse(value) as T;
  };
  const prepared = await next<Prepared>().finally(() => clearTimeout(timer));
  return {
    prepared,
    step() {
      child.stdin.write("\n");
      return next();
    },
    async finish() {
      child.stdin.end();
      const bytes = await next<number>();
      await closed;
      return bytes;
    },
  };
}

export function startOurs(each: StepCase): Promise<StepProcess<OurPreparedStep>> {
  return startStepProcess(process.execPath, [script("measure-step.js"), JSON.stringify(each)]);
}

export interface Turns {
  /** Of each process, in the order of the rounds. */
  readonly seconds: readonly (readonly number[])[];
  /** Operations per second of float32 products, measured before each round; see {@link measureProductRate}. */
  readonly productRates: readonly number[];
}

const device = openDevice("cpu");

/** Rounds in which each process computes a step, so that a slow minute of the machine falls on all of them. */
export async function takeTurns(
  processes: readonly StepProcess<PreparedStep>[],
  rounds: number,
): Promise<Turns> {
  const seconds = processes.map((): number[] => []);
  const productRates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    productRates.push(await measureProductRate(device, 3));
    for (const [index, process] of processes.entries()) seconds[index]!.push(await process.step());
  }
  return { seconds, productRates };
}

/** Speed of a process of ours over the rounds, also as a share of what products with the weights alone would take. */
export function summarizeOurs(
  { rows, length }: StepCase,
  { flopsPerToken, ...prepared }: OurPreparedStep,
  seconds: readonly number[],
  productRates: readonly number[],
  peakBytes: number,
) {
  const tokens = rows * length;
  return {
    tokensPerSecond: tokens / median(seconds),
    productGflops: median(productRates) / 1e9,
    shareOfBound: median(
      seconds.map((each, round) => (tokens * flopsPerToken) / each / productRates[round]!),
    ),
    peakRssMB: peakBytes / 1e6,
    estimatedMB: prepared.estimatedBytes / 1e6,
    loadSeconds: prepared.loadSeconds,
    firstLoss: prepared.firstLoss,
    seconds,
  };
}
