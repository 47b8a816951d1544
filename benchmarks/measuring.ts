/** @file What the benchmarks have in common: programs that print JSON, medians, the machine, and files of results. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { describeProcessor } from "../src/node/devices/processor.ts";

export const note = (text: string) => void process.stderr.write(`${text}\n`);

/** The compiled form of a script of this folder. */
export const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** What a program prints in its last line. @throws Error with what it said if it fails */
export function runJson<T>(program: string, args: readonly string[], env = process.env): T {
  const { status, signal, stdout, stderr } = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env,
  });
  if (status !== 0) throw new Error(`${stderr.trim().split("\n").at(-1) || (signal ?? `status ${status}`)}`);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as T;
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Tokens per second, with a decimal where they are few. */
export function formatSpeed(tokensPerSecond: number): string {
  return tokensPerSecond.toFixed(tokensPerSecond < 20 ? 1 : 0);
}

export const machine = `${describeProcessor()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}`;
export const date = new Date().toISOString().slice(0, 10);

const resultsPath = (name: string) => `benchmarks/results/${name}.json`;

/** Writes benchmarks/results/<name>.json. */
export function writeResults(name: string, results: object): void {
  mkdirSync("benchmarks/results", { recursive: true });
  writeFileSync(resultsPath(name), `${JSON.stringify({ date, machine, ...results }, undefined, 2)}\n`);
}

/** What benchmarks/results/<name>.json lists under "results", if it was measured on this machine. */
export function readResults<T>(name: string): readonly T[] {
  if (!existsSync(resultsPath(name))) return [];
  const file = JSON.parse(readFileSync(resultsPath(name), "utf8")) as { machine: string; results: T[] };
  return file.machine === machine ? file.results : [];
}

/** Prints a table in Markdown. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  console.log([line(headings), line(headings.map(() => "---")), ...rows.map(line)].join("\n"));
}
