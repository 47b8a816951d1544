/** @file `npm run bench`: tokens per second and peak memory of a LoRA step, as shares of what the machine could do. */

import { date, formatSpeed, machine, note, printTable, writeResults } from "./measuring.ts";
import type { StepCase } from "./step-cases.ts";
import { startOurs, summarizeOurs, takeTurns } from "./step-process.ts";

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

const rounds = Number(process.argv[2] ?? 5);
const processes = [];
for (const each of cases) {
  note(`${each.shape}, ${each.name}`);
  processes.push(await startOurs(each));
}
const { seconds, productRates } = await takeTurns(processes, rounds);
const results = [];
for (const [index, each] of cases.entries()) {
  const { prepared, finish } = processes[index]!;
  const summary = summarizeOurs(each, prepared, seconds[index]!, productRates, await finish());
  results.push({ ...each, ...summary });
}
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
