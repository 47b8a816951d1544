import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import {
  initialRunProgress,
  type RunProgress,
  readCheckpoint,
  writeCheckpoint,
} from "../../node/training/checkpoint.ts";
import { lora, loraConfigSchema } from "../adapters/lora.ts";
import { initializeParameters } from "../adapters/parameters.ts";
import type { TokenizedExample } from "../data/batch.ts";
import { createSampler } from "../data/sampler.ts";
import { createEngine } from "../engine/engine.ts";
import { loadWeights } from "../models/load-weights.ts";
import { sft } from "../objectives/sft.ts";
import type { Device } from "../runtime/device.ts";
import { meter, type Traffic } from "../runtime/metered-device.fixture.ts";
import { findDevice, required, whyNoDevice, whyNotAll } from "../runtime/webgpu-device.fixture.ts";
import { createMoments } from "./adamw.ts";
import { openDeviceOptimizer } from "./device-optimizer.ts";
import { type LoopPlan, runTrainingLoop, type StepMetrics, type TrainingState } from "./loop.ts";

const found = await findDevice();
afterAll(() => found?.release());

const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
const { config } = checkpoint;
const weights = await loadWeights(checkpoint);
// So many values that it would be seen if they travelled.
const settings = { r: 32, lora_alpha: 64, target_modules: ["q_proj", "v_proj"] };
const adaptation = lora(loraConfigSchema.parse(settings), config);
const cpu = openDevice("cpu", { threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), "slimtune-device-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const length = 16;
const examples: TokenizedExample[] = Array.from({ length: 12 }, (_, i) => ({
  ids: Int32Array.from({ length }, (_, j) => (3 * i + j * j) % config.vocabSize),
  trained: Uint8Array.from({ length }, (_, j) => (j > 4 ? 1 : 0)),
}));
const sampler = createSampler(examples.length, 4, 7);
const labelsOfStep = 4 * (length - 5);
/** Of a step, padding included. */
const tokens = 4 * 64;
/** Of a token's hidden state. */
const stateBytes = 4 * config.hiddenSize;

const plan: LoopPlan = {
  totalSteps: 15,
  stepsPerEpoch: sampler.stepsPerEpoch,
  objective: sft,
  examplesOf: (step) => sampler.examplesOf(step).map((i) => ({ texts: [examples[i]!] })),
  heldOut: [],
  // Two micro-batches a step.
  batching: { microBatchTokens: 2 * length, packing: false },
  evalSteps: 5,
  saveSteps: 5,
  earlyStoppingPatience: undefined,
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 },
  learningRate: 5e-3,
  scheduler: "constant_with_warmup",
  warmupSteps: 2,
  maxGradNorm: 0.5,
  openOptimizer: openDeviceOptimizer,
  seed: 7,
};

type State = TrainingState<RunProgress>;

async function createState(): Promise<State> {
  const parameters = await initializeParameters(config, adaptation, weights, 7);
  return { parameters, moments: createMoments(parameters), progress: initialRunProgress };
}

async function resume(folder: string, step: number): Promise<State> {
  const state = await createState();
  state.progress = await readCheckpoint(folder, step, state.parameters, state.moments);
  return state;
}

/** Trains up to a step, with checkpoints in a folder of that name. */
async function train(
  name: string,
  device: Device,
  segmentSize: number,
  state: State,
  totalSteps: number,
  onStep = () => {},
) {
  const folder = join(scratch, name);
  const engine = createEngine(device, config, weights, adaptation, { segmentSize });
  const steps: StepMetrics[] = [];
  await runTrainingLoop(engine, { ...plan, totalSteps }, state, {
    onStep(metrics) {
      steps.push(metrics);
      onStep();
    },
    onEvaluation: () => {},
    save: ({ progress, parameters, moments }) => writeCheckpoint(folder, progress, parameters, moments),
  });
  await engine.release();
  return { folder, steps, state };
}

/** How far values are from others, as a share of these. */
function distance(values: readonly ArrayLike<number>[], others: readonly ArrayLike<number>[]): number {
  const flat = (arrays: readonly ArrayLike<number>[]) => arrays.flatMap((array) => Array.from(array));
  const [a, b] = [flat(values), flat(others)];
  return Math.hypot(...a.map((value, i) => value - b[i]!)) / Math.hypot(...b);
}

/** @param beginning the first of the compared steps, counted from 0 */
function expectEqual(run: Awaited<ReturnType<typeof train>>, other: typeof run, beginning = 0) {
  const told = ({ loss, grad_norm, learning_rate, tokens }: StepMetrics) => [
    loss,
    grad_norm,
    learning_rate,
    tokens,
  ];
  const compared = other.steps.slice(beginning, beginning + run.steps.length);
  expect(distance(run.steps.map(told), compared.map(told))).toBeLessThan(1e-4);
  const valuesOf = ({ parameters, moments }: State) => [
    [...parameters.values()].map(({ data }) => data),
    [...moments.expAvg.values()],
    [...moments.expAvgSq.values()],
  ];
  const expected = valuesOf(other.state);
  for (const [i, values] of valuesOf(run.state).entries())
    expect(distance(values, expected[i]!)).toBeLessThan(1e-4);
}

// The software device compiles each kernel on the CPU.
describe("steps on a device", { timeout: 180_000 }, async () => {
  const ten = await train("ten", cpu, 1, await createState(), 10);
  const fifteen = await train("fifteen", cpu, 1, await createState(), 15);
  const trainedBytes = [...ten.state.parameters.values()].reduce((sum, { data }) => sum + data.byteLength, 0);

  /** What travels in each of ten steps. */
  async function trainMetered(name: string, segmentSize: number, state: State) {
    const { device, traffic } = meter(openDevice("webgpu", { threads: 1 }));
    const before = { ...traffic };
    const { step } = state.progress;
    const held = new Set<number>();
    const run = await train(name, device, segmentSize, state, step + 10, () => held.add(traffic.held));
    // Between steps the tensors, their moments and the last sum of gradients; nothing once the run has ended.
    expect([...held]).toEqual([4 * trainedBytes]);
    expect(traffic.held).toBe(0);
    const perStep = (kind: keyof Traffic) => (traffic[kind] - before[kind]) / 10;
    return { run, to: perStep("to"), from: perStep("from") };
  }

  test("are the CPU's, with clipped gradients of two micro-batches; and the CPU goes on with them", async ({
    skip,
  }) => {
    skip(!found, whyNoDevice);
    skip(!required, whyNotAll);
    expect(Math.min(...ten.steps.map(({ grad_norm }) => grad_norm))).toBeGreaterThan(plan.maxGradNorm);
    const { run, to, from } = await trainMetered("whole", config.numHiddenLayers, await createState());
    expectEqual(run, ten);
    // Losses and the gradients' norm; tensors and moments are read for two checkpoints.
    expect(from).toBe(4 * labelsOfStep + 4 + (2 * 3 * trainedBytes) / 10);
    // Tensors and moments at the beginning; else embedded tokens, and what positions and masks follow from.
    expect(to - (3 * trainedBytes) / 10).toBeLessThan(tokens * (stateBytes + 40));
    const resumed = await train("whole on", cpu, 1, await resume(run.folder, 10), 15);
    expectEqual(resumed, fifteen, 10);
  });

  test("by segments are the CPU's, whose checkpoint the device goes on with", async ({ skip }) => {
    skip(!found, whyNoDevice);
    skip(!required, whyNotAll);
    const { run, to, from } = await trainMetered("segments", 1, await resume(ten.folder, 5));
    expectEqual(run, fifteen, 5);
    expect(from).toBe(4 * labelsOfStep + 4 + (2 * 3 * trainedBytes) / 10);
    expect(to - (3 * trainedBytes) / 10).toBeLessThan(tokens * (2 * stateBytes + 4 * 40));
  });
});
