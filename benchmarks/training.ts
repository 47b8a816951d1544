/** @file `npm run bench`: tokens per second and peak memory of a LoRA step, as shares of what the machine could do. */

import {
  date,
  formatSpeed,
  machine,
  median,
  note,
  printTable,
  runJson,
  script,
  writeResults,
} from "./measuring.ts";
import { type StepCase, type StepMeasurement, shareOfBound } from "./step-cases.ts";

const smol = { shape: "SmolLM2-135M", rows: 1, length: 512 } as const;
const cases: readonly (StepCase & { readonly name: string })[] = [
  { name: "LoRA f32, all blocks in one program", ...smol, storage: "float32", recompute: false },
  { name: "LoRA f32, one block at a time", ...smol, storage: "float32", recompute: true },
  { name: "QLoRA NF4, one block at a time", ...smol, storage: "nf4", recompute: true },
  {
    name: "QLoRA NF4, one block at a time",
    shape: "Qwen2.5-1.5B",
    rows: 1,
    length: 256,
    storage: "nf4",
    recompute: true,
  },
];

const rounds = Number(process.argv[2] ?? 3);
const measured = cases.map((): StepMeasurement[] => []);
// Each round measures every case once, so that a slow minute of the machine falls on all of them.
for (let round = 1; round <= rounds; round++) {
  for (const [index, each] of cases.entries()) {
    note(`round ${round}/${rounds}: ${each.shape}, ${each.name}`);
    measured[index]!.push(runJson(process.execPath, [script("measure-step.js"), JSON.stringify(each)]));
  }
}

const results = cases.map((each, index) => {
  const runs = measured[index]!;
  return {
    ...each,
    tokensPerSecond: median(runs.map((run) => run.tokensPerSecond)),
    productGflops: median(runs.map((run) => run.productFlops)) / 1e9,
    shareOfBound: median(runs.map(shareOfBound)),
    peakRssMB: median(runs.map((run) => run.peakRssBytes)) / 1e6,
    estimatedMB: runs[0]!.estimatedBytes / 1e6,
  };
});
writeResults("training", { rounds, results });

console.log(`${date}, ${machine}, medians of ${rounds} rounds\n`);
printTable(
  ["model", "S", "what", "tokens/s", "SGEMM GFLOP/s", "share of bound", "peak RSS", "estimated"],
  results.map(({ shape, length, name, tokensPerSecond, productGflops, shareOfBound: share, ...memory }) => [
    shape,
    `${length}`,
    name,
    formatSpeed(tokensPerSecond),
    productGflops.toFixed(0),
    `${(100 * share).toFixed(0)} %`,
    `${memory.peakRssMB.toFixed(0)} MB`,
    `${memory.estimatedMB.toFixed(0)} MB`,
  ]),
);
