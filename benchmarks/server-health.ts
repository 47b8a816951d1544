/**
 * @file How soon a server says that it is well while it is sent bodies that are made to keep it busy, each from another process.
 * `node build/benchmarks/server-health.js [model] [command]`: the embedded model and this repository's command by default.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";
import { setTimeout } from "node:timers/promises";
import { median, note, printTable, script, writeResults } from "./measuring.ts";

/** A body is given up after so many milliseconds, and between two looks at the health so many pass. */
const [patience, interval] = [60_000, 20];

const [model = "fixtures/embedded-model", command = "bin/slimtune.js", url, sent] = process.argv.slice(2);
const name = basename(model, ".gguf");

const letters = (count: number) => Array.from({ length: count }, () => "a");
const completion = (fields: object) => ["completions", JSON.stringify({ model: name, ...fields })] as const;
const chat = (content: string) =>
  ["chat/completions", JSON.stringify({ model: name, messages: [{ role: "user", content }] })] as const;

const bodies: [what: string, body: readonly [path: string, text: string]][] = [
  ["a short one, for comparison", completion({ prompt: "a", max_tokens: 256 })],
  ["128 prompts × n: 128", completion({ prompt: letters(128), n: 128, max_tokens: 1 })],
  ["524,000 prompts of one letter", completion({ prompt: letters(524_000) })],
  ["524,000 stop strings of one letter", completion({ prompt: "a", stop: letters(524_000) })],
  ["2 MB of spaces", completion({ prompt: " ".repeat(2_000_000) })],
  ["2 MB of one letter, as a chat", chat("a".repeat(2_000_000))],
  [
    "70,000 messages",
    [
      "chat/completions",
      `{"model": "${name}", "messages": [${letters(70_000).map(() => '{"role":"user","content":""}')}]}`,
    ],
  ],
  [
    "900,000 nested lists",
    ["completions", `{"model": "${name}", "prompt": ${"[".repeat(900_000)}${"]".repeat(900_000)}}`],
  ],
];

async function start(): Promise<{ server: ChildProcess; url: string }> {
  const server = spawn(process.execPath, [command, "serve", "--port", "0", "--model", model], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  for await (const chunk of server.stdout) {
    said += chunk;
    const url = /at (http:\S+)\/v1;/.exec(said)?.[1];
    if (url !== undefined) return { server, url };
  }
  throw new Error("The server did not start.");
}

/** Milliseconds of one look at the health; the patience if there is none in that time. */
async function look(url: string): Promise<number> {
  const begun = performance.now();
  try {
    await (await fetch(`${url}/health`, { signal: AbortSignal.timeout(patience) })).text();
  } catch {
    return patience;
  }
  return performance.now() - begun;
}

/** Sends a body and prints the answer's status. */
async function send([path, body]: readonly [string, string]): Promise<void> {
  const signal = AbortSignal.timeout(patience);
  try {
    const response = await fetch(`${url}/v1/${path}`, { method: "POST", body, signal });
    console.log(response.status);
  } catch {
    console.log(signal.aborted ? `none in ${patience / 1000} s` : "none: the server ended");
  }
}

/** @returns the looks from before the body is sent until it is answered, and the answer */
async function measure(number: number) {
  const { server, url } = await start();
  for (let i = 0; i < 10; i++) await look(url);
  const sender = spawn(process.execPath, [script("server-health.js"), model, command, url, String(number)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let answer = "";
  sender.stdout.on("data", (chunk) => {
    answer += chunk;
  });
  const begun = performance.now();
  let underWay = true;
  sender.once("close", () => {
    underWay = false;
  });
  const looks: number[] = [];
  while (underWay) {
    looks.push(await look(url));
    await setTimeout(interval);
  }
  const seconds = (performance.now() - begun) / 1000;
  if (server.exitCode === null && server.signalCode === null) {
    server.kill("SIGKILL");
    await once(server, "close");
  }
  return {
    looks: looks.length,
    median: median(looks),
    longest: Math.max(...looks),
    answer: answer.trim(),
    seconds,
  };
}

if (sent !== undefined) {
  await send(bodies[Number(sent)]![1]);
} else {
  const results: ({ what: string } & Awaited<ReturnType<typeof measure>>)[] = [];
  for (const [number, [what]] of bodies.entries()) {
    note(what);
    results.push({ what, ...(await measure(number)) });
  }
  printTable(
    ["body", "`/health`: median", "longest", "answered with", "after"],
    results.map(({ what, answer, seconds, ...times }) => [
      what,
      `${times.median.toFixed(0)} ms`,
      `${times.longest.toFixed(0)} ms`,
      answer,
      `${seconds.toFixed(1)} s`,
    ]),
  );
  writeResults(`server-health-${name}`, { results });
}
