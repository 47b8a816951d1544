import { expect, test } from "vitest";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { parseRunConfig, type RunOptions } from "../../node/training/run-config.ts";
import { pickSegmentSize } from "../../node/training/run-inputs.ts";
import { createAdaptation } from "../adapters/methods.ts";
import { estimateStep, estimateWriting, findLargestShape, type StepExtras } from "./estimate.ts";

const checkpoint = await openCheckpoint("fixtures/embedded-model");
const blocks = checkpoint.config.numHiddenLayers;
const configOf = (more: Partial<RunOptions> = {}) =>
  parseRunConfig({ model: "m", data: "d", out: "o", ...more }, "Options");
const adaptation = createAdaptation(configOf(), checkpoint.config);
const peakOf = (length: number, segmentSize: number) => {
  const base = { config: checkpoint.config, storage: "float32", tableDtype: "float32" } as const;
  return estimateStep(base, adaptation, findLargestShape(512, length), segmentSize).peakBytes;
};
const pick = (more: Partial<RunOptions>, longest: number, memoryBytes: number) =>
  pickSegmentSize(configOf(more), checkpoint, adaptation, longest, memoryBytes);

test("all blocks are one segment where that fits, else each block is", () => {
  const whole = peakOf(100, blocks);
  expect(pick({}, 100, whole)).toBe(blocks);
  expect(pick({}, 100, whole - 1)).toBe(1);
});

test("an example that is longer than a micro-batch counts", () => {
  expect(peakOf(1000, blocks)).toBeGreaterThan(peakOf(512, blocks));
  expect(peakOf(100, blocks)).toBe(peakOf(512, blocks));
  expect(pick({}, 1000, peakOf(512, blocks))).toBe(1);
});

test("a base that is kept small is computed block by block, unless asked otherwise", () => {
  expect(pick({ method: "qlora" }, 100, 1e12)).toBe(1);
  expect(pick({ method: "qlora", segment_size: 2 }, 100, 1e12)).toBe(2);
  expect(pick({ segment_size: blocks }, 100, 0)).toBe(blocks);
  expect(() => pick({ segment_size: blocks + 1 }, 100, 1e12)).toThrow(`the model has ${blocks} blocks`);
});

test("what a step computes besides adds to its time and memory", () => {
  const base = { config: checkpoint.config, storage: "float32", tableDtype: "float32" } as const;
  const shape = findLargestShape(512, 512);
  const estimateOf = (extras?: StepExtras) => estimateStep(base, adaptation, shape, blocks, extras);
  const plain = estimateOf();
  const scored = estimateOf({ scores: true });
  expect(scored.flops - plain.flops).toBe(plain.evaluationFlops);
  const kept = estimateOf({ kept: 0.2 });
  for (const more of [scored, kept, estimateOf({ teacher: base })]) {
    expect(more.flops).toBeGreaterThan(plain.flops);
    expect(more.peakBytes).toBeGreaterThan(plain.peakBytes);
  }
  expect(kept.flops).toBeLessThan(1.6 * plain.flops);
  const writing = (length: number) => estimateOf({ scores: true, written: { rows: 16, length } }).peakBytes;
  expect(writing(100)).toBeGreaterThan(scored.peakBytes);
  // Keys and values of five layers, of two heads of 32, in float32, twice.
  expect(writing(200) - writing(100)).toBe(2 * 16 * 100 * 5 * 2 * 2 * 32 * 4);
  const together = estimateOf({ kept: 0.2, teacher: base });
  expect(together.weightBytes).toBe(2 * plain.weightBytes);
  expect(together.flops).toBeGreaterThan(estimateOf({ teacher: base }).flops);
});

test("texts side by side take their keys and values twice, and what is kept for others", () => {
  const base = { config: checkpoint.config, storage: "float32", tableDtype: "float32" } as const;
  const shape = { rows: 16, length: 100, keptBytes: 2 ** 20 };
  const plain = estimateWriting(base, shape);
  expect(plain.cacheBytes).toBe(2 * 16 * 100 * blocks * 2 * 2 * 32 * 4);
  const { weightBytes, cacheBytes, keptBytes, activationBytes, peakBytes } = plain;
  const process = peakBytes - weightBytes - cacheBytes - keptBytes - activationBytes;
  expect(process).toBeCloseTo(130e6, 0);
  const scored = estimateWriting(base, { ...shape, isScored: true });
  expect(scored.keptBytes).toBe(2 ** 21);
  expect(scored.activationBytes).toBeGreaterThan(activationBytes);
  // 8 bits a weight, and a scale of 4 bytes for 32.
  const quantized = estimateWriting(base, { ...shape, bits: 8 });
  const parameters = estimateStep(base, adaptation, findLargestShape(8, 8), 1).totalParameters;
  expect(quantized.weightBytes - weightBytes).toBeCloseTo(1.125 * parameters, 0);
});
