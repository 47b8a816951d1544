import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import {
  initialRunProgress,
  listCheckpoints,
  type RunProgress,
  readCheckpoint,
  writeCheckpoint,
} from "../../node/training/checkpoint.ts";
import { lora, loraConfigSchema } from "../adapters/lora.ts";
import { initializeParameters, type Parameters, zerosLike } from "../adapters/parameters.ts";
import { type BatchOptions, buildMicroBatches, type TokenizedExample } from "../data/batch.ts";
import { createSampler } from "../data/sampler.ts";
import { createEngine, type Engine, sumLosses } from "../engine/engine.ts";
import { loadWeights } from "../models/load-weights.ts";
import { sft } from "../objectives/sft.ts";
import { createRandom } from "../random.ts";
import { makeInterruptible } from "../runtime/interruptible.ts";
import { createMoments } from "./adamw.ts";
import {
  type EvaluationMetrics,
  type LoopEvents,
  type LoopPlan,
  runTrainingLoop,
  type StepMetrics,
  type TrainingState,
} from "./loop.ts";

const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
const { config } = checkpoint;
const weights = await loadWeights(checkpoint);
const adaptation = lora(loraConfigSchema.parse({ r: 4, lora_alpha: 8, lora_dropout: 0.1 }), config);
const device = openDevice("cpu", { threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), "slimtune-loop-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Counting sequences of various lengths, the first half of each masked. */
const examples: TokenizedExample[] = Array.from({ length: 18 }, (_, i) => {
  const length = 5 + ((i * 7) % 13);
  return {
    ids: Int32Array.from({ length }, (_, j) => (3 * i + j) % config.vocabSize),
    trained: Uint8Array.from({ length }, (_, j) => (j >= length / 2 ? 1 : 0)),
  };
});

async function createState(): Promise<TrainingState<RunProgress>> {
  const parameters = await initializeParameters(config, adaptation, weights, 7);
  return { parameters, moments: createMoments(parameters), progress: initialRunProgress };
}

function createPlan(overrides: Partial<LoopPlan> = {}): LoopPlan {
  const sampler = createSampler(examples.length - 4, 4, 7);
  return {
    totalSteps: 12,
    stepsPerEpoch: sampler.stepsPerEpoch,
    objective: sft,
    examplesOf: (step) => sampler.examplesOf(step).map((i) => ({ texts: [examples[i]!] })),
    heldOut: examples.slice(-4).map((example) => ({ texts: [example] })),
    batching: { microBatchTokens: 64, packing: true },
    evalSteps: 4,
    saveSteps: 3,
    earlyStoppingPatience: undefined,
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
    learningRate: 5e-3,
    scheduler: "cosine",
    warmupSteps: 2,
    maxGradNorm: 1,
    seed: 7,
    ...overrides,
  };
}

const createTestEngine = (signal?: AbortSignal) =>
  createEngine(signal ? makeInterruptible(device, signal) : device, config, weights, adaptation, {
    segmentSize: 1,
  });

/** Runs the loop with checkpoints in a folder of its own, and keeps what it tells. */
async function run(
  name: string,
  state: TrainingState<RunProgress>,
  plan: LoopPlan,
  extra: Partial<LoopEvents<RunProgress>> = {},
) {
  const folder = join(scratch, name);
  const steps: StepMetrics[] = [];
  const evaluations: EvaluationMetrics[] = [];
  const outcome = await runTrainingLoop(createTestEngine(extra.signal), plan, state, {
    onStep: (metrics) => steps.push(metrics),
    onEvaluation: (metrics) => evaluations.push(metrics),
    save: ({ progress, parameters, moments }) => writeCheckpoint(folder, progress, parameters, moments),
    ...extra,
  });
  return { folder, steps, evaluations, outcome };
}

const bitsOf = (parameters: Parameters) =>
  [...parameters].map(([name, { data }]) => [name, [...new Uint32Array(data.buffer)]]);

test("the loss falls, and the newest two and the best checkpoints are kept", async () => {
  const state = await createState();
  const { steps, evaluations, folder, outcome } = await run("plain", state, createPlan());
  expect(outcome).toBe("finished");
  expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  expect(evaluations.map(({ step }) => step)).toEqual([0, 4, 8, 12]);
  expect(evaluations.at(-1)!.eval_loss).toBeLessThan(evaluations[0]!.eval_loss);
  const kept = listCheckpoints(folder);
  expect(kept).toContain(12);
  expect(kept).toContain(state.progress.best!.step);
  expect(kept.length).toBeLessThanOrEqual(3);
});

test("a run resumed from a checkpoint equals one that was not interrupted, bit for bit", async () => {
  const whole = await createState();
  const uninterrupted = await run("whole", whole, createPlan());

  const first = await createState();
  const interrupt = new AbortController();
  const { folder, steps, outcome } = await run("parts", first, createPlan(), {
    signal: interrupt.signal,
    onStep: ({ step }) => step === 5 && interrupt.abort(),
  });
  expect(outcome).toBe("interrupted");
  expect(steps).toEqual([]);
  expect(listCheckpoints(folder).at(-1)).toBe(5);

  const second = await createState();
  second.progress = await readCheckpoint(folder, 5, second.parameters, second.moments);
  const resumed = await run("parts", second, createPlan());
  expect(bitsOf(second.parameters)).toEqual(bitsOf(whole.parameters));
  const losses = (lines: StepMetrics[]) =>
    lines.map(({ step, loss, grad_norm }) => ({ step, loss, grad_norm }));
  expect(losses(resumed.steps)).toEqual(losses(uninterrupted.steps).slice(5));
});

/** Where a run can be stopped, by what it tells, and the step whose state is then saved. */
const stops: Record<
  string,
  (interrupt: AbortController) => [events: Partial<LoopEvents<RunProgress>>, step: number]
> = {
  "before its first step, in the middle of the evaluation": (interrupt) => [
    { onEvaluating: (done) => done === 1 && interrupt.abort() },
    0,
  ],
  "in the middle of the evaluation after a step": (interrupt) => {
    let evaluations = 0;
    const onEvaluating = (done: number) => {
      if (done === 0) evaluations++;
      if (evaluations === 2 && done === 1) interrupt.abort();
    };
    return [{ onEvaluating }, 4];
  },
  "at the end of a step that an evaluation follows": (interrupt) => [
    { onStep: ({ step }) => step === 8 && interrupt.abort() },
    8,
  ],
  "in the middle of a step": (interrupt) => [
    // The next step begins, and its first program takes longer than this.
    { onStep: ({ step }) => step === 6 && setImmediate(() => setImmediate(() => interrupt.abort())) },
    6,
  ],
  "in the middle of the last evaluation": (interrupt) => {
    let evaluations = 0;
    const onEvaluating = (done: number) => {
      if (done === 0) evaluations++;
      if (evaluations === 4) interrupt.abort();
    };
    return [{ onEvaluating }, 12];
  },
};

describe("a run that is stopped keeps its last whole step, and goes on bit for bit", () => {
  const plan = createPlan({ batching: { microBatchTokens: 20, packing: false } });

  test.each(Object.entries(stops))("%s", async (name, create) => {
    const whole = await createState();
    const uninterrupted = await run(`whole ${name}`, whole, plan);

    const interrupt = new AbortController();
    const [events, step] = create(interrupt);
    const stopped = await run(name, await createState(), plan, { ...events, signal: interrupt.signal });
    expect(stopped.outcome).toBe("interrupted");
    expect(listCheckpoints(stopped.folder).at(-1)).toBe(step);

    const state = await createState();
    state.progress = await readCheckpoint(stopped.folder, step, state.parameters, state.moments);
    const resumed = await run(name, state, plan);
    expect(resumed.outcome).toBe("finished");
    expect(bitsOf(state.parameters)).toEqual(bitsOf(whole.parameters));
    expect(state.progress.best).toEqual(whole.progress.best);
    const losses = (lines: EvaluationMetrics[]) => lines.map((line) => [line.step, line.eval_loss]);
    expect(losses([...stopped.evaluations, ...resumed.evaluations])).toEqual(
      losses(uninterrupted.evaluations),
    );
  });
});

test("what a killed process leaves of a checkpoint is not taken for one", async () => {
  const state = await createState();
  const { folder } = await run("killed", state, createPlan({ totalSteps: 3, saveSteps: 3 }));
  const half = join(folder, ".step-00000006.tmp");
  mkdirSync(half);
  writeFileSync(join(half, "state.safetensors"), "half");
  expect(listCheckpoints(folder)).toEqual([3]);
  await writeCheckpoint(folder, { ...state.progress, step: 6 }, state.parameters, state.moments);
  expect(readdirSync(folder)).toEqual(["step-00000003", "step-00000006"]);
});

/** Gradients of one optimizer step whose examples are divided in a certain way. */
async function gradientsOf(engine: Engine, batching: BatchOptions) {
  const { parameters } = await createState();
  const random = createRandom(3);
  for (const { data } of parameters.values())
    for (let i = 0; i < data.length; i++) data[i]! += 0.1 * random.normal();
  const gradients = zerosLike(parameters);
  const batches = buildMicroBatches(examples, batching);
  const labels = batches.reduce((sum, batch) => sum + batch.labels.length, 0);
  let loss = 0;
  const weights = 1 / labels;
  for (const batch of batches) {
    const { logProbabilities } = await engine.accumulate(batch, parameters, gradients, { weights });
    loss += sumLosses(logProbabilities);
  }
  return { microBatches: batches.length, loss, gradients };
}

test("packed equals unpacked, and accumulated equals batched", async () => {
  const engine = createTestEngine();
  const reference = await gradientsOf(engine, { microBatchTokens: 1 << 16, packing: false });
  expect(reference.microBatches).toBe(1);
  for (const batching of [
    { microBatchTokens: 64, packing: false },
    { microBatchTokens: 64, packing: true },
    { microBatchTokens: 20, packing: true },
    { microBatchTokens: 300, packing: true },
  ]) {
    const { loss, gradients } = await gradientsOf(engine, batching);
    expect(loss).toBeCloseTo(reference.loss, 3);
    for (const [name, { data }] of gradients) {
      const expected = reference.gradients.get(name)!.data;
      const difference = Math.hypot(...data.map((value, i) => value - expected[i]!));
      expect(difference / Math.hypot(...expected), name).toBeLessThan(1e-5);
    }
  }
});

test("a run stops early when the evaluations do not improve", async () => {
  const plan = createPlan({ learningRate: 5, scheduler: "constant", evalSteps: 1, earlyStoppingPatience: 2 });
  const { outcome, steps } = await run("early", await createState(), plan);
  expect(outcome).toBe("stopped early");
  expect(steps.length).toBeLessThan(12);
});

test("a loss that is not finite stops the run and names the step", async () => {
  const state = await createState();
  state.parameters.values().next().value!.data[0] = Number.NaN;
  await expect(run("nan", state, createPlan({ heldOut: [] }))).rejects.toThrow(
    "At step 1 the loss is not finite",
  );
});
