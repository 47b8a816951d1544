/**
 * @file `npm run bench:scaling`: memory and speed of a QLoRA step against the size of the model and the length of the context.
 *
 * The weights of a 7B shape take 14.5 GB of disk, and its blocks in NF4 another 4 GB.
 */

import { writeLineChart } from "./chart.ts";
import { date, formatSpeed, machine, note, printTable, runJson, script, writeResults } from "./measuring.ts";
import type { StepCase, StepMeasurement } from "./step-cases.ts";

const base = { storage: "nf4", rows: 1, length: 256, recompute: true } as const;
const sizes: readonly StepCase[] = [
  { ...base, shape: "SmolLM2-135M" },
  { ...base, shape: "Qwen2.5-0.5B" },
  { ...base, shape: "Qwen2.5-1.5B" },
  { ...base, shape: "Mistral-7B", steps: 1 },
].flatMap((each): StepCase[] => [each as StepCase, { ...(each as StepCase), weightsOnDisk: true }]);
const contexts = [256, 512, 1024, 2048, 4096, 8192].map(
  (length): StepCase => ({ ...base, shape: "SmolLM2-135M", length, steps: 2 }),
);
/** In billions, as they are called. */
const billions: Record<StepCase["shape"], number> = {
  "SmolLM2-135M": 0.135,
  "Qwen2.5-0.5B": 0.494,
  "Qwen2.5-1.5B": 1.54,
  "Mistral-7B": 7.25,
};

const [part = "all"] = process.argv.slice(2);

interface Measured extends StepMeasurement {
  readonly each: StepCase;
}

function measureAll(cases: readonly StepCase[]): Measured[] {
  return cases.map((each) => {
    note(JSON.stringify(each));
    const result = runJson<StepMeasurement>(process.execPath, [
      script("measure-step.js"),
      JSON.stringify(each),
    ]);
    note(`${result.tokensPerSecond.toFixed(1)} tokens/s, ${(result.peakRssBytes / 1e6).toFixed(0)} MB`);
    return { each, ...result };
  });
}

function print(results: readonly Measured[]): void {
  printTable(
    ["model", "S", "weights", "tokens/s", "peak RSS", "estimated", "loading"],
    results.map(({ each, tokensPerSecond, peakRssBytes, estimatedBytes, loadSeconds }) => [
      each.shape,
      `${each.length}`,
      each.weightsOnDisk ? "on disk" : "in memory",
      formatSpeed(tokensPerSecond),
      `${(peakRssBytes / 1e6).toFixed(0)} MB`,
      `${(estimatedBytes / 1e6).toFixed(0)} MB`,
      `${loadSeconds.toFixed(1)} s`,
    ]),
  );
}

console.log(`${date}, ${machine}\n`);
if (part !== "context") {
  const results = measureAll(sizes);
  writeResults("scaling-size", { results });
  print(results);
  writeLineChart(
    "docs/images/cost-of-size.svg",
    results.map(({ each, peakRssBytes }) => ({
      x: billions[each.shape],
      y: peakRssBytes / 1e9,
      series: each.weightsOnDisk ? "weights on disk" : "weights in memory",
      label: (peakRssBytes / 1e9).toFixed(1),
    })),
    {
      x: "parameters, billions",
      y: "peak memory, GB",
      xTicks: [0.135, 1.5, 7],
    },
  );
}
if (part !== "size") {
  const results = measureAll(contexts);
  writeResults("scaling-context", { results });
  print(results);
  writeLineChart(
    "docs/images/cost-of-context.svg",
    results.map(({ each, peakRssBytes }) => ({
      x: each.length,
      y: peakRssBytes / 1e9,
      series: "SmolLM2-135M, QLoRA",
      label: (peakRssBytes / 1e9).toFixed(2),
    })),
    {
      x: "tokens of a row",
      y: "peak memory, GB",
      xTicks: [256, 2048, 4096, 8192],
    },
  );
}
