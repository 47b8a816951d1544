/**
 * @file `npm run bench:gpu`: steps of LoRA and QLoRA, and texts written, on a GPU by WebGPU, beside the CPU's and, where Python sees CUDA,
 * beside PyTorch's. It runs by itself in less than eight minutes: what does not fit is left out, and said to be.
 *
 *     node build/benchmarks/gpu.js 4x512 SmolLM2-135M        # rows x tokens of a row, and the shape of the model
 *
 * SLIMTUNE_PYTHON names a Python with torch and peft. Results are written to benchmarks/results/gpu.json after each part.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createGenerator } from "../src/core/decoding/batch-generator.ts";
import { measureProductRate } from "../src/core/engine/product-rate.ts";
import { openModel } from "../src/node/models/open-model.ts";
import { openDevice } from "../src/node/runtime/onnx-runtime.ts";
import { readProfiles, readShaderRuns } from "../src/node/runtime/profile.ts";
import { createStep } from "./lora-step.ts";
import { date, machine, median, note, printTable, writeResults } from "./measuring.ts";
import { randomModel, type ShapeName } from "./random-model.ts";
import type { PreparedStep, StepCase } from "./step-cases.ts";
import { type StepProcess, startOurs, startStepProcess } from "./step-process.ts";

const limitSeconds = 450;
const [size = "4x512", shape = "SmolLM2-135M"] = process.argv.slice(2);
const [rows, length] = size.split("x").map(Number) as [number, number];
const base: StepCase = {
  shape: shape as ShapeName,
  storage: "float32",
  rows,
  length,
  recompute: false,
  device: "webgpu",
};
/** Operators that multiply matrices. */
const products = /^(Gemm|MatMul|MatMulBnb4|MatMulNBits|FusedMatMul)$/;

const results: Record<string, unknown> = { date, machine, gpu: describeGpu(), size, shape };
const begun = performance.now();
const secondsLeft = () => limitSeconds - (performance.now() - begun) / 1000;

/** Computes a part, unless the time is over, and keeps what it gives, or why it failed. */
async function part(name: string, seconds: number, compute: () => Promise<unknown>): Promise<void> {
  if (secondsLeft() < seconds) {
    results[name] = { leftOut: `it takes up to ${seconds} s, and ${secondsLeft().toFixed(0)} s were left` };
  } else {
    note(`${name}: ${secondsLeft().toFixed(0)} s left`);
    results[name] = await compute().catch(({ message }: Error) => ({ failed: message }));
  }
  note(`  ${JSON.stringify(results[name])}`);
  writeResults("gpu", results);
}

/** Steps of processes in turns. @returns of each the median seconds, tokens a second, and the highest resident memory of its process */
async function timeSteps(processes: readonly StepProcess<PreparedStep>[], rounds: number) {
  const seconds = processes.map((): number[] => []);
  for (let round = 0; round < rounds; round++)
    for (const [index, process] of processes.entries()) seconds[index]!.push(await process.step());
  const gpuMegabytes = readGpuMemory();
  const peaks: number[] = [];
  for (const process of processes) peaks.push(await process.finish());
  return processes.map(({ prepared }, index) => ({
    firstLoss: prepared.firstLoss,
    seconds: median(seconds[index]!),
    tokensPerSecond: (rows * length) / median(seconds[index]!),
    peakRssMB: peaks[index]! / 1e6,
    gpuMegabytes,
  }));
}

await part("products", 60, async () => ({
  webgpuGflops: (await measureProductRate(openDevice("webgpu"))) / 1e9,
  cpuGflops: (await measureProductRate(openDevice("cpu"))) / 1e9,
}));

await part("LoRA", 90, async () => {
  const [webgpu] = await timeSteps([await startOurs(base)], 10);
  return webgpu;
});

await part("LoRA on the CPU", 120, async () => {
  const [cpu] = await timeSteps([await startOurs({ ...base, device: "cpu" })], 2);
  return cpu;
});

await part("LoRA by PyTorch", 90, async () => {
  const python = process.env.SLIMTUNE_PYTHON ?? "python3";
  const seen = "import torch, peft, transformers; assert torch.cuda.is_available(), 'torch sees no CUDA'";
  const { status, stderr } = spawnSync(python, ["-c", seen], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${python}: ${stderr?.trim().split("\n").at(-1)}`);
  const settings = {
    ...{ ...base, dtype: "float32", attention: "sdpa", compile: false, device: "cuda" },
    threads: availableParallelism(),
  };
  const peer = await startStepProcess<PreparedStep>(
    python,
    ["reference/peft_step.py", await randomModel(base.shape), JSON.stringify(settings)],
    { env: { ...process.env, HF_HUB_OFFLINE: "1" }, limitSeconds: 80 },
  );
  const [ours, theirs] = await timeSteps([await startOurs(base), peer], 10);
  return { ours, theirs, timesSlower: ours!.seconds / theirs!.seconds };
});

await part("QLoRA", 90, async () => {
  const [webgpu] = await timeSteps([await startOurs({ ...base, storage: "nf4" })], 10);
  return webgpu;
});

await part("profile of LoRA", 60, async () => {
  const folder = mkdtempSync(join(tmpdir(), "slimtune-gpu-"));
  const [warmups, steps] = [1, 3];
  const step = await createStep(base, openDevice("webgpu", { profilePrefix: join(folder, "program") }));
  for (let i = 0; i < warmups; i++) await step.run();
  const started = performance.now();
  for (let i = 0; i < steps; i++) await step.run();
  const milliseconds = (performance.now() - started) / steps;
  await step.release();
  // Every step runs the same.
  const measured = <T>(runs: readonly T[]) =>
    runs.slice(Math.round((runs.length * warmups) / (warmups + steps)));
  const shaders = readShaderRuns(folder).flatMap(measured);
  const operators = readProfiles(folder).flatMap(measured);
  rmSync(folder, { recursive: true });
  const sum = (runs: readonly { milliseconds: number }[]) =>
    runs.reduce((total, run) => total + run.milliseconds, 0) / steps;
  const copies = operators.filter(({ operator }) => operator.startsWith("Memcpy"));
  const byOperator = new Map<string, number>();
  for (const { operator, milliseconds } of shaders)
    byOperator.set(operator, (byOperator.get(operator) ?? 0) + milliseconds / steps);
  return {
    milliseconds,
    shaderMilliseconds: sum(shaders),
    shareInProducts: sum(shaders.filter(({ operator }) => products.test(operator))) / sum(shaders),
    launches: shaders.length / steps,
    nodesOnCpu:
      operators.filter(
        ({ provider, operator }) => provider === "CPUExecutionProvider" && !operator.startsWith("Memcpy"),
      ).length / steps,
    copies: copies.length / steps,
    copiedBytes: copies.reduce((total, { outputBytes }) => total + outputBytes, 0) / steps,
    operators: Object.fromEntries([...byOperator].sort(([, a], [, b]) => b - a).slice(0, 12)),
  };
});

await part("writing", 60, async () => {
  const model = await openModel(await randomModel(base.shape));
  const speeds: Record<string, number> = {};
  for (const texts of [1, 16]) {
    const generator = createGenerator(openDevice("webgpu"), model, { batchSize: texts });
    const write = (count: number) =>
      Promise.all(
        Array.from({ length: texts }, (_, seed) =>
          generator.generate({ promptIds: [1, 2, 3], maxNewTokens: count, temperature: 1, seed }),
        ),
      );
    await write(4);
    const started = performance.now();
    const written = await write(64);
    const tokens = written.reduce((total, { completionTokens }) => total + completionTokens, 0);
    speeds[`tokensPerSecond of ${texts}`] = tokens / ((performance.now() - started) / 1000);
    await generator.close();
  }
  return speeds;
});

results.totalSeconds = (performance.now() - begun) / 1000;
writeResults("gpu", results);
printTable(
  ["part", "result"],
  Object.entries(results).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]),
);

/** What NVIDIA's driver says of the first GPU; null where there is none of theirs. */
function describeGpu(): string | null {
  return askNvidia("name,driver_version,memory.total");
}

/** MB in use on the first GPU, by all programs. */
function readGpuMemory(): number | null {
  const used = askNvidia("memory.used");
  return used === null ? null : Number.parseFloat(used);
}

function askNvidia(query: string): string | null {
  const { status, stdout } = spawnSync("nvidia-smi", [`--query-gpu=${query}`, "--format=csv,noheader"], {
    encoding: "utf8",
  });
  return status === 0 ? stdout.trim().split("\n")[0]! : null;
}
