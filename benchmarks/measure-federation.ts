/** @file The server of a case of federation.ts as a program of its own, so that its memory can be told: its one argument is the case. */

import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { openFedLlmServer } from "../src/federation/fedllm/server-part.ts";
import { fedLlmTask } from "../src/federation/fedllm/task.ts";
import { type RoundDocument, roundOptions } from "../src/federation/rounds/documents.ts";
import { createFederationServer } from "../src/federation/rounds/server.ts";
import { openNatsTransport } from "../src/transport/nats-transport.ts";

export interface FederationCase {
  readonly url: string;
  readonly model: string;
  readonly run: string;
  readonly clients: readonly string[];
  readonly aggregation: "fedavg" | "product";
}

export interface FederationMeasurement {
  /** From when all were there until each update was fetched and checked, which waits for the clients too. */
  readonly collectSeconds: number;
  /** The updates fetched again, aggregated, the error measured, and the next adapter stored. */
  readonly aggregateSeconds: number;
  /** The process's part of that, which other programs of the machine change less. */
  readonly aggregateCpuSeconds: number;
  /** What the process had before the round, and the most in it. */
  readonly loadedBytes: number;
  readonly peakBytes: number;
  readonly error: number;
}

const { url, model, run, clients, aggregation } = JSON.parse(process.argv[2]!) as FederationCase;
const rounds = roundOptions.parse({ run, clients, rounds: 1 });
const tuning = { lora: { r: 8, target_modules: "all-linear" }, max_steps: 1 };
const task = fedLlmTask.parse({ framework: "fedllm", aggregation, tuning });
const part = await openFedLlmServer({ task, own: { model }, rounds, secret: randomBytes(32) });
const transport = await openNatsTransport({ url });
const reached = new Map<string, { readonly at: number; readonly cpu: number }>();
let last: RoundDocument | undefined;
const server = createFederationServer({
  ...{ transport, rounds, part },
  onRound(document) {
    last = document;
    const { user, system } = process.cpuUsage();
    reached.set(document.state, { at: performance.now() / 1000, cpu: (user + system) / 1e6 });
  },
});

const status = (name: string) =>
  1024 * Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))![1]);
// What opening the model has left behind would hide what the round needs.
globalThis.gc!();
await setTimeout(1000);
const loadedBytes = status("VmRSS");
// Has the kernel forget the peak so far, that of opening the model (proc(5)).
writeFileSync("/proc/self/clear_refs", "5");
for (;;) {
  const state = await server.advance();
  if (state === "done") break;
  if (state === "waits") await setTimeout(100);
}
const between = (from: string, to: string, what: "at" | "cpu") =>
  reached.get(to)![what] - reached.get(from)![what];
const measured: FederationMeasurement = {
  collectSeconds: between("collecting", "aggregating", "at"),
  aggregateSeconds: between("aggregating", "done", "at"),
  aggregateCpuSeconds: between("aggregating", "done", "cpu"),
  ...{ loadedBytes, peakBytes: status("VmHWM"), error: last!.figures.aggregation_error! },
};
await part.release();
await transport.close();
console.log(JSON.stringify(measured));
