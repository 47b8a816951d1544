/** @file `npm run bench`: tokens per second and peak memory of a LoRA step, as shares of what the machine could do. */

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import type { StepCase, StepMeasurement } from "./measure-step.ts";

interface NamedCase extends StepCase {
  readonly name: string;
}

const smol = { shape: "SmolLM2-135M", length: 512 } as const;
const cases: readonly NamedCase[] = [
  { name: "LoRA f32, all blocks in one program", ...smol, storage: "float32", segmentSize: "all" },
  { name: "LoRA f32, one block at a time", ...smol, storage: "float32", segmentSize: 1 },
  { name: "QLoRA NF4, one block at a time", ...smol, storage: "nf4", segmentSize: 1 },
  {
    name: "QLoRA NF4, one block at a time",
    shape: "Qwen2.5-1.5B",
    length: 256,
    storage: "nf4",
    segmentSize: 1,
  },
];

const script = fileURLToPath(new URL("measure-step.js", import.meta.url));
const rounds = Number(process.argv[2] ?? 3);
const measured = new Map<NamedCase, StepMeasurement[]>(cases.map((each) => [each, []]));
// Each round measures every case once, so that a slow minute of the machine falls on all of them.
for (let round = 1; round <= rounds; round++) {
  for (const each of cases) {
    process.stderr.write(`round ${round}/${rounds}: ${each.shape}, ${each.name}\n`);
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, JSON.stringify(each)], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(stderr);
    measured.get(each)!.push(JSON.parse(stdout));
  }
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const results = [...measured].map(([each, runs]) => ({
  ...each,
  tokensPerSecond: median(runs.map((run) => run.tokensPerSecond)),
  productGflops: median(runs.map((run) => run.productFlops)) / 1e9,
  shareOfBound: median(runs.map((run) => run.tokensPerSecond / run.boundTokensPerSecond)),
  peakRssMB: median(runs.map((run) => run.peakRssBytes)) / 1e6,
  estimatedMB: runs[0]!.estimatedBytes / 1e6,
}));
const machine = `${availableParallelism()} cores of ${cpus()[0]!.model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}`;
const date = new Date().toISOString().slice(0, 10);
mkdirSync("benchmarks/results", { recursive: true });
writeFileSync(
  "benchmarks/results/training-step.json",
  `${JSON.stringify({ date, machine, rounds, results }, null, 2)}\n`,
);

console.log(`${date}, ${machine}, medians of ${rounds} rounds\n`);
console.log("| model | S | what | tokens/s | SGEMM GFLOP/s | share of bound | peak RSS | estimated |");
console.log("|---|---|---|---|---|---|---|---|");
for (const { shape, length, name, tokensPerSecond, productGflops, shareOfBound, ...memory } of results) {
  console.log(
    `| ${shape} | ${length} | ${name} | ${tokensPerSecond.toFixed(tokensPerSecond < 20 ? 1 : 0)} | ${productGflops.toFixed(0)} | ${(100 * shareOfBound).toFixed(0)} % | ${memory.peakRssMB.toFixed(0)} MB | ${memory.estimatedMB.toFixed(0)} MB |`,
  );
}
