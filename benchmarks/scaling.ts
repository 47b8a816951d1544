/**
 * @file `npm run bench:scaling`: memory and speed of a QLoRA step against the size of the model and the length of the context.
 *
 * The weights of a 7B shape take 14.5 GB of disk, and its blocks in NF4 another 4 GB.
 */

import { writeLineChart } from "./chart.ts";
import { date, formatSpeed, machine, note, printTable, writeResults } from "./measuring.ts";
import type { StepCase } from "./step-cases.ts";
import { startOurs, summarizeOurs, takeTurns } from "./step-process.ts";

const base = { storage: "nf4", rows: 1, length: 256, recompute: true } as const;
const sizes: readonly StepCase[] = [
  { ...base, shape: "SmolLM2-135M" },
  { ...base, shape: "Qwen2.5-0.5B" },
  { ...base, shape: "Qwen2.5-1.5B" },
  { ...base, shape: "Mistral-7B" },
].flatMap((each): StepCase[] => [each as StepCase, { ...(each as StepCase), weightsOnDisk: true }]);
const contexts = [256, 512, 1024, 2048, 4096, 8192].map(
  (length): StepCase => ({ ...base, shape: "SmolLM2-135M", length }),
);
/** In billions, as they are called. */
const billions: Record<StepCase["shape"], number> = {
  "SmolLM2-135M": 0.135,
  "Qwen2.5-0.5B": 0.494,
  "Qwen2.5-1.5B": 1.54,
  "Mistral-7B": 7.25,
};

const [part = "all"] = process.argv.slice(2);
/** Of each case, after two that are not timed. */
const steps = 3;

type Measured = StepCase & ReturnType<typeof summarizeOurs>;

async function measureAll(cases: readonly StepCase[]): Promise<Measured[]> {
  const results: Measured[] = [];
  for (const each of cases) {
    note(JSON.stringify(each));
    const process = await startOurs(each);
    const { seconds, productRates } = await takeTurns([process], steps);
    const peakBytes = await process.finish();
    const summary = summarizeOurs(each, process.prepared, seconds[0]!, productRates, peakBytes);
    note(`${summary.tokensPerSecond.toFixed(1)} tokens/s, ${summary.peakRssMB.toFixed(0)} MB`);
    results.push({ ...each, ...summary });
  }
  return results;
}

function print(results: readonly Measured[]): void {
  printTable(
    ["model", "S", "weights", "tokens/s", "peak RSS", "estimated", "loading"],
    results.map(({ shape, length, weightsOnDisk, tokensPerSecond, peakRssMB, estimatedMB, loadSeconds }) => [
      shape,
      `${length}`,
      weightsOnDisk ? "on disk" : "in memory",
      formatSpeed(tokensPerSecond),
      `${peakRssMB.toFixed(0)} MB`,
      `${estimatedMB.toFixed(0)} MB`,
      `${loadSeconds.toFixed(1)} s`,
    ]),
  );
}

console.log(`${date}, ${machine}\n`);
if (part !== "context") {
  const results = await measureAll(sizes);
  writeResults("scaling-size", { results });
  print(results);
  writeLineChart(
    "docs/images/cost-of-size.svg",
    results.map(({ shape, weightsOnDisk, peakRssMB }) => ({
      x: billions[shape],
      y: peakRssMB / 1e3,
      series: weightsOnDisk ? "weights on disk" : "weights in memory",
      label: (peakRssMB / 1e3).toFixed(2),
    })),
    {
      x: "parameters, billions",
      y: "peak memory, GB",
      xTicks: [0.135, 1.54, 7.25],
    },
  );
}
if (part !== "size") {
  const results = await measureAll(contexts);
  writeResults("scaling-context", { results });
  print(results);
  writeLineChart(
    "docs/images/cost-of-context.svg",
    results.map(({ length, peakRssMB }) => ({
      x: length,
      y: peakRssMB / 1e3,
      series: "SmolLM2-135M, QLoRA",
      // The shortest rows lie too near to each other.
      ...(length >= 1024 && { label: (peakRssMB / 1e3).toFixed(2) }),
    })),
    {
      x: "tokens of a row",
      y: "peak memory, GB",
      xTicks: [256, 2048, 4096, 8192],
    },
  );
}
