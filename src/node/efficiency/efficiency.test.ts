import { expect, test } from "vitest";
import { compressionRate, computeEfficiency, computeInferenceEfficiency } from "./efficiency.ts";
import { noUsage, type ResourceUsage } from "./resource-watch.ts";

const usage: ResourceUsage = {
  seconds: 50,
  memory_byte_seconds: 40e9,
  peak_memory_bytes: 1e9,
  cpu_seconds: 150,
  core_seconds: 200,
  energy_joules: 1250,
};

test("the quantities of a run", () => {
  expect(computeEfficiency({ step: 20, seconds: 40, tokens: 8000, samples: 160 }, usage, 2 ** 20)).toEqual({
    averageMemoryBytes: 8e8,
    peakMemoryBytes: 1e9,
    averageUtilization: 0.75,
    averagePower: 25,
    seconds: 50,
    averageLatency: 2,
    tokensPerSecond: 200,
    samplesPerSecond: 4,
    tokenThroughput: 200 / 2 ** 20,
    sampleThroughput: 4 / 2 ** 20,
    compressionRate: null,
  });
});

test("throughput does not grow with the number of steps", () => {
  const after = (steps: number) =>
    computeEfficiency(
      { step: steps, seconds: 2 * steps, tokens: 400 * steps, samples: 8 * steps },
      usage,
      10,
    );
  expect(after(100_000)).toEqual(after(1));
});

test("power that could not be measured is null, and before the first step there is nothing", () => {
  const work = { step: 1, seconds: 1, tokens: 1, samples: 1 };
  expect(computeEfficiency(work, { ...usage, energy_joules: null }, 1)?.averagePower).toBeNull();
  expect(computeEfficiency({ ...work, step: 0 }, noUsage, 1)).toBeUndefined();
});

test("the quantities of an evaluation", () => {
  expect(computeInferenceEfficiency({ tokens: 300, seconds: 12 }, usage)).toEqual({
    averageMemoryBytes: 8e8,
    peakMemoryBytes: 1e9,
    averageUtilization: 0.75,
    averagePower: 25,
    seconds: 50,
    inferenceThroughput: 25,
  });
  expect(computeInferenceEfficiency({ tokens: 0, seconds: 0 }, usage).inferenceThroughput).toBeNull();
});

test("the compression rate that Yuan et al. give in table 9 for a model of 14 billion parameters in 4 of 16 bits", () => {
  const rate = compressionRate({ bytes: 4, score: 0.4719 }, { bytes: 1, score: 0.4361 });
  expect(rate).toBeCloseTo(3.6965, 4);
  expect(compressionRate({ bytes: 4, score: 0 }, { bytes: 1, score: 0.5 })).toBeNull();
});
