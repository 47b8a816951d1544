/**
 * @file `npm run bench:federation`: a round of many clients at one broker on this machine: how long the server aggregates, and its memory,
 * against the number of clients. The clients have no model: each sends a drawn update of the size of a real one, LoRA of rank 8 on all
 * linear layers of SmolLM2-135M, 2.4 million numbers.
 *
 * Needs SLIMTUNE_SMOLLM2_GGUF, nats-server, and 3 GB of disk. Arguments: the most clients (default 200), and one aggregation.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { createRandom } from "../src/core/random.ts";
import { readRun } from "../src/federation/rounds/documents.ts";
import { createFederationMember } from "../src/federation/rounds/member.ts";
import { decodeTensors, encodeTrained } from "../src/federation/tensors.ts";
import { startBroker } from "../src/transport/nats-server.fixture.ts";
import { openNatsTransport } from "../src/transport/nats-transport.ts";
import { writeLineChart } from "./chart.ts";
import type { FederationCase, FederationMeasurement } from "./measure-federation.ts";
import { machine, note, printTable, script, writeResults } from "./measuring.ts";

const model = process.env.SLIMTUNE_SMOLLM2_GGUF;
if (!model) throw new Error("Set SLIMTUNE_SMOLLM2_GGUF (see CONTRIBUTING.md).");
const [most = "200", only] = process.argv.slice(2);
const cases = [
  ...[10, 25, 50, 100, 200].map((clients) => ({ aggregation: "fedavg" as const, clients })),
  ...[10, 25, 50].map((clients) => ({ aggregation: "product" as const, clients })),
].filter(({ clients, aggregation }) => clients <= Number(most) && (only ?? aggregation) === aggregation);

type Result = FederationMeasurement & { readonly aggregation: string; readonly clients: number };
const results: Result[] = [];
for (const { aggregation, clients } of cases) {
  const measured = await measure(aggregation, clients);
  results.push({ aggregation, clients, ...measured });
  note(`${aggregation}, ${clients} clients: ${JSON.stringify(measured)}`);
  writeResults("federation", { results });
}

/** One round, at a broker of its own. */
async function measure(
  aggregation: FederationCase["aggregation"],
  count: number,
): Promise<FederationMeasurement> {
  const broker = await startBroker();
  const { url } = broker;
  try {
    const run = "bench";
    const clients = Array.from({ length: count }, (_, i) => `client-${String(i).padStart(4, "0")}`);
    const given: FederationCase = { url, model: model!, run, clients, aggregation };
    const program = ["--expose-gc", script("measure-federation.js"), JSON.stringify(given)];
    const server = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "inherit"] });
    let printed = "";
    server.stdout.on("data", (text) => {
      printed += text;
    });
    const ended = once(server, "exit");

    const transport = await openNatsTransport({ url });
    const isBegun = () => readRun(transport, run).then((found) => found !== undefined);
    while (server.exitCode === null && !(await isBegun())) await setTimeout(200);
    const members = clients.map((client, i) => {
      const part = {
        ...{ examples: 10 + i, longestBeginning: 2 ** 31, forget: () => {} },
        update: async (_: unknown, begins: Uint8Array) => ({
          update: await drawUpdate(begins, i),
          figures: {},
        }),
      };
      return createFederationMember({ transport, run, client, part });
    });
    // Each joins, and then each sends; the server has all its own time to itself from then on.
    for (let isDone = false; !isDone && server.exitCode === null; ) {
      let moved = false;
      for (const member of members) {
        const state = await member.advance();
        if (state === "moved") moved = true;
        if (state === "done") isDone = true;
        if (state !== "moved") break;
      }
      if (!moved) await setTimeout(200);
    }
    await ended;
    await transport.close();
    if (server.exitCode !== 0) throw new Error(`The server ended with exit code ${server.exitCode}.`);
    return JSON.parse(printed) as FederationMeasurement;
  } finally {
    await broker.remove();
  }
}

/** The adapter that the round begins with, each number changed by normal noise. */
async function drawUpdate(begins: Uint8Array, client: number): Promise<Uint8Array> {
  const random = createRandom(1, client);
  const tensors = await decodeTensors(begins, "the beginning");
  return encodeTrained(
    new Map(
      [...tensors].map(([name, { dims, data }]) => [
        name,
        { dims, data: data.map((value) => value + 0.01 * random.normal()) },
      ]),
    ),
  );
}

/** The line through points that is nearest by least squares. */
function fitLine(points: readonly (readonly [x: number, y: number])[]): {
  readonly at0: number;
  readonly slope: number;
} {
  const mean = (of: (point: readonly [number, number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(([each]) => each), mean(([, each]) => each)];
  const slope = mean(([a, b]) => (a - x) * (b - y)) / mean(([a]) => (a - x) ** 2);
  return { at0: y - slope * x, slope };
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);
console.log(`${machine}\n`);
printTable(
  [
    "aggregation",
    "clients",
    "collecting, s",
    "aggregating, s",
    "of it CPU, s",
    "memory before, MB",
    "peak, MB",
    "error",
  ],
  results.map((each) => [
    ...[
      each.aggregation,
      String(each.clients),
      each.collectSeconds.toFixed(1),
      each.aggregateSeconds.toFixed(1),
      each.aggregateCpuSeconds.toFixed(1),
    ],
    ...[megabytes(each.loadedBytes), megabytes(each.peakBytes), `${(100 * each.error).toFixed(1)} %`],
  ]),
);
const fits = ["fedavg", "product"].flatMap((aggregation) => {
  const own = results.filter((each) => each.aggregation === aggregation);
  if (own.length < 2) return [];
  const seconds = fitLine(own.map((each) => [each.clients, each.aggregateCpuSeconds]));
  const bytes = fitLine(own.map((each) => [each.clients, each.peakBytes]));
  console.log(
    `\n${aggregation}: ${seconds.at0.toFixed(1)} s + ${seconds.slope.toFixed(3)} s of CPU a client; peak ${megabytes(bytes.at0)} MB + ${(bytes.slope / 1e6).toFixed(2)} MB a client`,
  );
  return [{ aggregation, seconds, bytes }];
});
writeResults("federation", { results, fits });
if (Number(most) >= 200 && only === undefined)
  writeLineChart(
    "docs/images/cost-of-clients.svg",
    results.map(({ clients, peakBytes, aggregation }) => ({
      ...{ x: clients, y: peakBytes / 1e6, series: aggregation },
    })),
    { x: "clients", y: "peak memory of the server, MB", xTicks: [10, 25, 50, 100, 200] },
  );
