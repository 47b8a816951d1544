/** @file Writing with node-llama-cpp, which is installed for this only: prints JSON as measure-evaluation does. */

import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { type DecodeMeasurement, promptLength, writtenLength } from "./evaluation-cases.ts";

/** What is used of node-llama-cpp 3.22. */
interface LlamaModule {
  getLlama(options: { gpu: false; build: "never" }): Promise<{
    loadModel(options: { modelPath: string }): Promise<{
      createContext(options: { contextSize: number; threads: number }): Promise<{
        getSequence(): {
          clearHistory(): Promise<void>;
          evaluate(
            tokens: number[],
            options: { temperature: number; yieldEogToken: true },
          ): AsyncIterable<number>;
        };
      }>;
    }>;
  }>;
}

const path = resolve(process.env.SLIMTUNE_NODE_LLAMA_CPP ?? "node_modules/node-llama-cpp", "dist/index.js");
const { getLlama } = (await import(path)) as LlamaModule;
const llama = await getLlama({ gpu: false, build: "never" });
const model = await llama.loadModel({ modelPath: process.argv[2]! });
const context = await model.createContext({ contextSize: 1024, threads: availableParallelism() });
const sequence = context.getSequence();
const prompt = Array.from({ length: promptLength }, (_, i) => 5 + ((i * 7919) % 40_000));
let measured: DecodeMeasurement | undefined;
// The first time is for warming up.
for (let time = 0; time < 2; time++) {
  await sequence.clearHistory();
  const times: number[] = [];
  let before = process.cpuUsage();
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    times.push(performance.now());
    if (times.length === 1) before = process.cpuUsage();
    if (times.length === writtenLength) break;
  }
  const { user, system } = process.cpuUsage(before);
  const tokens = times.length - 1;
  measured = {
    tokensPerSecond: (tokens / (times.at(-1)! - times[0]!)) * 1000,
    processorMs: (user + system) / 1000 / tokens,
  };
}
console.log(JSON.stringify(measured));
process.exit(0);
