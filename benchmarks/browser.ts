/**
 * @file LoRA steps in a tab of headless Chromium against Node on the same cores; all are prepared, and take turns.
 *
 * node build/benchmarks/browser.js [rounds] [model.gguf]
 *
 * The file is what QLoRA tunes, in place of random weights of SmolLM2-135M's shape.
 */

import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, dirname, extname, join } from "node:path";
import type { Storage } from "../src/core/models/linear.ts";
import { openModel } from "../src/node/models/open-model.ts";
import { openDevice } from "../src/node/runtime/onnx-runtime.ts";
import { openPage } from "../src/reporting/headless-browser.fixture.ts";
import { bundle } from "../src/web/bundle.fixture.ts";
import { formatSpeed, machine, median, note, printTable, writeResults } from "./measuring.ts";
import { prepareStep } from "./prepare-step.ts";
import { randomModel } from "./random-model.ts";

const rounds = Number(process.argv[2] ?? 5);

interface Case {
  readonly name: string;
  /** A folder or a .gguf file. */
  readonly path: string;
  readonly storage: Storage;
  readonly length: number;
}
const file = process.argv[3];
const smol = file ?? (await randomModel("SmolLM2-135M"));
const name = file === undefined ? "SmolLM2-135M" : basename(file, ".gguf");
const cases: readonly Case[] = [
  { name: "LoRA embedded model 1 × 256", path: "fixtures/embedded-model", storage: "float32", length: 256 },
  { name: `QLoRA ${name} 1 × 128`, path: smol, storage: "nf4", length: 128 },
];

const builds = { both: "ort.webgpu.bundle.min.mjs", wasm: "ort.wasm.bundle.min.mjs" } as const;
const tabs = [
  { name: "WebAssembly, 2 threads", device: "wasm", threads: 2, build: "both" },
  { name: "WebAssembly, 1 thread", device: "wasm", threads: 1, build: "both" },
  { name: "WebAssembly without WebGPU, 1 thread", device: "wasm", threads: 1, build: "wasm" },
  { name: "WebGPU on the software device", device: "webgpu", threads: 1, build: "both" },
] as const;

const types: Readonly<Record<string, string>> = {
  ".mjs": "text/javascript",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};
const { code } = await bundle("benchmarks/browser-page.ts", [/^onnxruntime-web/]);
const isFile = (path: string) => path.endsWith(".gguf");
const folders = cases.map(({ path }) => (isFile(path) ? dirname(path) : path));
/** Serves pages that are isolated from other origins, so that they may have several threads. */
const server = createServer(({ url = "/", headers }, response) => {
  const [, place = "", name = ""] = /^\/(\w+)\/(.*)$/.exec(url) ?? [];
  response.setHeader("content-type", place === "page" ? "text/html" : (types[extname(url)] ?? "text/plain"));
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("cross-origin-embedder-policy", "require-corp");
  if (place === "page")
    return response.end(
      `<!doctype html><script type="importmap">{"imports":{"onnxruntime-web/webgpu":"/ort/${name}"}}</script>`,
    );
  if (place === "ort") return response.end(readFileSync(join("node_modules/onnxruntime-web/dist", name)));
  if (url === "/code.js") return response.end(code);
  const path = join(folders[Number(/^model(\d)$/.exec(place)?.[1])] ?? "", name);
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined || start === undefined) return response.writeHead(404).end();
  const bytes = Buffer.alloc(Math.min(Number(end) + 1, size) - Number(start));
  const descriptor = openSync(path, "r");
  readSync(descriptor, bytes, 0, bytes.length, Number(start));
  closeSync(descriptor);
  response.writeHead(206, { "content-range": `bytes ${start}-${end}/${size}` });
  return response.end(bytes);
}).listen(0);
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

interface Contestant {
  readonly name: string;
  run(): Promise<{ readonly seconds: number; readonly loss: number }>;
  /** The most memory that its process has had, in bytes; unknown of Node, which computes for all in one. */
  peakBytes?(): Promise<number>;
  end(): Promise<void>;
}

async function openNode({ path, storage, length }: Case, threads: number): Promise<Contestant> {
  const model = await openModel(path, { storage });
  const step = await prepareStep(model, openDevice("cpu", { threads }), { rows: 1, length, recompute: true });
  return {
    name: `Node, ${threads} thread${threads > 1 ? "s" : ""}`,
    async run() {
      const started = performance.now();
      const loss = await step.run();
      return { seconds: (performance.now() - started) / 1000, loss };
    },
    end: () => step.release(),
  };
}

async function openTab(
  index: number,
  { path, storage, length }: Case,
  tab: (typeof tabs)[number],
): Promise<Contestant> {
  const page = await openPage(`${origin}/page/${builds[tab.build]}`);
  const call = (expression: string) => page.evaluate(`import("/code.js").then((code) => code.${expression})`);
  const address = `${origin}/model${index}${isFile(path) ? `/${basename(path)}` : ""}`;
  await call(`prepare("${address}", "${tab.device}", ${tab.threads}, "${storage}", ${length})`);
  return {
    name: tab.name,
    run: async () => (await call("run()")) as { seconds: number; loss: number },
    peakBytes: () => page.peakBytes(),
    end: () => page.close(),
  };
}

const results = [];
for (const [index, each] of cases.entries()) {
  note(`${each.name}: preparing`);
  const contestants = [await openNode(each, 2), await openNode(each, 1)];
  for (const tab of tabs) {
    // The software device would take minutes for a step of a real model.
    if (tab.device === "wasm" || index === 0) contestants.push(await openTab(index, each, tab));
  }
  // Kernels are compiled in the first step.
  const losses = [];
  for (const contestant of contestants) losses.push((await contestant.run()).loss);
  const seconds: number[][] = contestants.map(() => []);
  for (let round = 1; round <= rounds; round++) {
    note(`${each.name}: round ${round} of ${rounds}`);
    for (const [i, contestant] of contestants.entries()) seconds[i]!.push((await contestant.run()).seconds);
  }
  for (const [i, { name, end, peakBytes }] of contestants.entries()) {
    const ratios = seconds[i]!.map((own, round) => seconds[0]![round]! / own);
    results.push({
      case: each.name,
      where: name,
      tokensPerSecond: each.length / median(seconds[i]!),
      ofNode: median(ratios),
      ratios,
      loss: losses[i],
      peakMB: peakBytes && (await peakBytes()) / 1e6,
    });
    await end();
  }
  writeResults("browser", { rounds, results });
}
server.close();

note(machine);
printTable(
  ["step", "where", "tokens/s", "of Node's, 2 threads", "rounds", "first loss", "memory, MB"],
  results.map((result) => [
    result.case,
    result.where,
    formatSpeed(result.tokensPerSecond),
    `${result.ofNode.toFixed(3)} ×`,
    `${Math.min(...result.ratios).toFixed(3)} to ${Math.max(...result.ratios).toFixed(3)}`,
    result.loss!.toFixed(5),
    result.peakMB?.toFixed(0) ?? "–",
  ]),
);
