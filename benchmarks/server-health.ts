/**
 * @file How soon a server says that it is well while it is sent bodies that are made to keep it busy.
 * `node build/benchmarks/server-health.js [model] [entry]`: the embedded model and this repository's command by default.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { basename } from "node:path";
import { setTimeout } from "node:timers/promises";
import { median, note, printTable, writeResults } from "./measuring.ts";

const [model = "fixtures/embedded-model", command = "bin/slimtune.js"] = process.argv.slice(2);
const name = basename(model, ".gguf");

/** How many of a body are sent at once. */
const senders = 4;

/** A body is given up after so many milliseconds, and between two looks at the health so many pass. */
const [patience, interval] = [60_000, 20];

const letters = (count: number) => Array.from({ length: count }, () => "a");
const completion = (fields: object) => ["completions", JSON.stringify({ model: name, ...fields })] as const;
const chat = (content: string) =>
  ["chat/completions", JSON.stringify({ model: name, messages: [{ role: "user", content }] })] as const;

const bodies: [what: string, body: readonly [path: string, text: string]][] = [
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

async function send(url: string, [path, body]: readonly [string, string]): Promise<string> {
  const signal = AbortSignal.timeout(patience);
  try {
    const response = await fetch(`${url}/v1/${path}`, { method: "POST", body, signal });
    await response.text();
    return String(response.status);
  } catch (error) {
    return signal.aborted ? "none" : `none: ${(error as Error).cause ?? error}`;
  }
}

/** @returns the looks, the answers and the seconds until all had come */
async function measure(body: readonly [string, string]) {
  const { server, url } = await start();
  const looks = await Promise.all(Array.from({ length: 10 }, () => look(url)));
  looks.length = 0;
  const begun = performance.now();
  let underWay = true;
  const answers = Promise.all(Array.from({ length: senders }, () => send(url, body))).finally(() => {
    underWay = false;
  });
  while (underWay) {
    looks.push(await look(url));
    await setTimeout(interval);
  }
  const seconds = (performance.now() - begun) / 1000;
  const statuses = [...new Set(await answers)].join(", ");
  server.kill("SIGKILL");
  await once(server, "close");
  return { looks: looks.length, median: median(looks), longest: Math.max(...looks), statuses, seconds };
}

const results: ({ what: string } & Awaited<ReturnType<typeof measure>>)[] = [];
for (const [what, body] of bodies) {
  note(what);
  results.push({ what, ...(await measure(body)) });
}
printTable(
  ["body, four at once", "`/health`: median", "longest", "answered with", "after"],
  results.map(({ what, statuses, seconds, ...times }) => [
    what,
    `${times.median.toFixed(1)} ms`,
    `${times.longest.toFixed(0)} ms`,
    statuses,
    `${seconds.toFixed(1)} s`,
  ]),
);
writeResults(`server-health-${name}`, { results });
