import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { frozen } from "../../core/adapters/adaptation.ts";
import type { Parameters } from "../../core/adapters/parameters.ts";
import { type BatchOptions, buildMicroBatches, type TokenizedExample } from "../../core/data/batch.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { loadWeights } from "../../core/models/load-weights.ts";
import {
  createObjective,
  type ObjectiveName,
  type ObjectiveOptions,
} from "../../core/objectives/objectives.ts";
import { createMoments } from "../../core/training/adamw.ts";
import {
  initialProgress,
  type LoopPlan,
  runTrainingLoop,
  type StepMetrics,
} from "../../core/training/loop.ts";
import { type ReferencedExample, scoreTexts } from "../../core/training/scored-examples.ts";
import { readAdapter } from "../adapters/peft-files.ts";
import { openSafetensorsFile } from "../formats/safetensors.ts";
import { openCheckpoint } from "../models/checkpoint.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";

// Made by reference/objectives.py with TRL.
const folder = "fixtures/reference/objectives";

interface Text {
  readonly ids: number[];
  readonly trained: number[];
}

interface Example {
  readonly texts: Text[];
  readonly label?: boolean;
}

interface Kind {
  readonly objective: ObjectiveName;
  readonly options: ObjectiveOptions;
}

interface Values {
  readonly loss: number;
  readonly metrics: Record<string, number>;
}

interface Run extends Kind {
  readonly learning_rate: number;
  readonly betas: [number, number];
  readonly eps: number;
  readonly weight_decay: number;
  readonly max_grad_norm: number;
  /** One for each step, over and over. */
  readonly batches: Example[][];
  readonly steps: (Values & { readonly grad_norm: number })[];
}

interface Golden {
  readonly losses: Record<string, Kind & Values & { readonly examples: Example[] }>;
  readonly runs: Record<string, Run>;
}

const golden: Golden = JSON.parse(readFileSync(`${folder}/golden.json`, "utf8"));
const gradientsFile = await openSafetensorsFile(`${folder}/gradients.safetensors`);
afterAll(() => gradientsFile.close());
const device = openDevice("cpu", { threads: 1 });
const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
const { config } = checkpoint;
const weights = await loadWeights(checkpoint);
const unpacked: BatchOptions = { microBatchTokens: 1024, packing: false };

const toText = ({ ids, trained }: Text): TokenizedExample => ({
  ids: Int32Array.from(ids),
  trained: Uint8Array.from(trained),
});

/** The prompt of a text, all of it to be imitated. */
function promptOf({ ids, trained }: Text): TokenizedExample {
  const prompt = Int32Array.from(ids.slice(0, trained.indexOf(1)));
  return { ids: prompt, trained: new Uint8Array(prompt.length).fill(1) };
}

/** The examples with what the model without an adapter says of them. */
async function prepare(objective: ObjectiveName, examples: readonly Example[]): Promise<ReferencedExample[]> {
  const engine = createEngine(device, config, weights, frozen, { segmentSize: 1 });
  const prepared = examples.map(({ texts, ...rest }) => ({
    ...rest,
    texts: [...texts.map(toText), ...(objective === "orpo" ? [promptOf(texts[0]!)] : [])],
  }));
  const texts = prepared.flatMap((example) => example.texts);
  const scores = await scoreTexts(engine, new Map(), texts, buildMicroBatches(texts, unpacked));
  await engine.release();
  let next = 0;
  return prepared.map((example) => ({
    ...example,
    reference: example.texts.map(() => Float32Array.from(scores[next++]!)),
  }));
}

const plan = {
  stepsPerEpoch: 1,
  heldOut: [],
  evalSteps: 1,
  saveSteps: 100,
  earlyStoppingPatience: undefined,
  scheduler: "constant",
  warmupSteps: 0,
  seed: 0,
} as const;

async function runLoop(
  { segmentSize }: { readonly segmentSize: number },
  parameters: Parameters,
  adaptation: typeof frozen,
  more: Omit<LoopPlan, keyof typeof plan>,
): Promise<StepMetrics[]> {
  const engine = createEngine(device, config, weights, adaptation, { segmentSize });
  const lines: StepMetrics[] = [];
  const state = { parameters, moments: createMoments(parameters), progress: initialProgress };
  await runTrainingLoop(engine, { ...plan, ...more }, state, {
    onStep: (line) => lines.push(line),
    onEvaluation: () => {},
    save: async () => {},
  });
  await engine.release();
  return lines;
}

const relativeDifference = (actual: Float32Array, expected: Float32Array) =>
  Math.hypot(...expected.map((value, i) => value - actual[i]!)) / Math.hypot(...expected);

/** How far a number is from what TRL computes in float32, its size or 1 being the unit. */
function expectClose(actual: number | undefined, expected: number, what: string): void {
  expect(Math.abs(actual! - expected) / Math.max(1, Math.abs(expected)), what).toBeLessThan(1e-5);
}

function expectMetrics(actual: StepMetrics["metrics"], expected: Record<string, number>): void {
  expect(Object.keys(actual!).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, value] of Object.entries(expected)) {
    // Before the first step all rewards are 0, and which side's is larger is rounding.
    if (name === "rewards/accuracies" && expected["rewards/margins"] === 0) continue;
    expectClose(actual![name], value, name);
  }
}

/** How the texts of a step are computed, none of which changes it. */
const divisions: Record<string, BatchOptions & { readonly segmentSize: number }> = {
  "all at once": { ...unpacked, segmentSize: 1 },
  "one program": { ...unpacked, segmentSize: config.layers.length },
  packed: { microBatchTokens: 1024, packing: true, segmentSize: 1 },
  "packed in micro-batches": { microBatchTokens: 64, packing: true, segmentSize: 1 },
  "a text at a time": { microBatchTokens: 64, packing: false, segmentSize: 1 },
};

describe.each(Object.entries(golden.losses))("%s", (name, { objective, options, ...expected }) => {
  test.each(Object.entries(divisions))(
    "loss, metrics and gradients equal TRL's: %s",
    async (_, { segmentSize, ...batching }) => {
      const examples = await prepare(objective, expected.examples);
      const { adaptation, parameters, format, settings } = await readAdapter(
        `${folder}/adapter`,
        config,
        "any",
      );
      let found = 0;
      let gradients: Parameters = new Map();
      const [line] = await runLoop({ segmentSize }, parameters, adaptation, {
        totalSteps: 1,
        objective: createObjective(objective, options),
        examplesOf: () => examples,
        batching,
        optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
        optimizerStep: (inputs) => {
          gradients = inputs.gradients;
        },
        learningRate: 1e-3,
        maxGradNorm: Number.MAX_VALUE,
      });
      expectClose(line!.loss, expected.loss, "loss");
      expectMetrics(line!.metrics, expected.metrics);
      for (const [parameter, { data }] of gradients) {
        const [saved] = format.fileNames?.(settings, config)(parameter) ?? [`base_model.model.${parameter}`];
        const theirs = await gradientsFile.readFloat32(`${name}.${saved}`);
        expect(relativeDifference(data, theirs), parameter).toBeLessThan(2e-5);
        found++;
      }
      expect(found).toBe(
        [...gradientsFile.tensors.keys()].filter((key) => key.startsWith(`${name}.`)).length,
      );
    },
  );
});

describe.each(Object.entries(golden.runs))("ten steps of %s", (_, run) => {
  test("have TRL's losses, metrics and norms of gradients", async () => {
    const batches: ReferencedExample[][] = [];
    for (const batch of run.batches) batches.push(await prepare(run.objective, batch));
    const { adaptation, parameters } = await readAdapter(`${folder}/adapter`, config, "any");
    for (const [parameter, { data }] of parameters) if (parameter.endsWith("lora_B.weight")) data.fill(0);
    const lines = await runLoop({ segmentSize: 1 }, parameters, adaptation, {
      totalSteps: run.steps.length,
      objective: createObjective(run.objective, run.options),
      examplesOf: (step) => batches[step % batches.length]!,
      batching: { microBatchTokens: 64, packing: true },
      optimizer: {
        beta1: run.betas[0],
        beta2: run.betas[1],
        epsilon: run.eps,
        weightDecay: run.weight_decay,
      },
      learningRate: run.learning_rate,
      maxGradNorm: run.max_grad_norm,
    });
    for (const [i, { loss, grad_norm, metrics }] of run.steps.entries()) {
      expectClose(lines[i]!.loss, loss, `loss of step ${i}`);
      expectMetrics(lines[i]!.metrics, metrics);
      expectClose(lines[i]!.grad_norm, grad_norm, `norm of the gradients of step ${i}`);
    }
  });
});
