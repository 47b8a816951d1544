import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Adaptation, full } from "../adapters/adaptation.ts";
import { initializeParameters, type Parameters } from "../adapters/parameters.ts";
import { readAdapter } from "../adapters/peft-files.ts";
import { buildBatch, type TokenizedExample } from "../data/batch.ts";
import { createEngine } from "../engine/engine.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { openCheckpoint } from "../models/checkpoint.ts";
import { loadWeights } from "../models/load-weights.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { createMoments } from "./adamw.ts";
import { initialProgress } from "./checkpoint.ts";
import { type LoopPlan, runTrainingLoop } from "./loop.ts";
import type { StepMetrics } from "./metrics-log.ts";
import type { SchedulerType } from "./schedule.ts";

// Made by reference/training.py with PyTorch, PEFT and bitsandbytes.
const folder = "fixtures/reference";

interface Sequence {
  readonly ids: number[];
  /** -100 where there is no label; not shifted. */
  readonly labels: number[];
}

interface Golden {
  readonly settings: {
    readonly betas: [number, number];
    readonly eps: number;
    readonly weight_decay: number;
    readonly max_grad_norm: number;
    readonly warmup_steps: number;
  };
  readonly windows: Sequence[][][];
  readonly runs: Record<
    string,
    {
      readonly base: string;
      readonly learning_rate: number;
      readonly schedule: SchedulerType;
      readonly quantization: { readonly double_quantization: boolean } | null;
      readonly steps: { readonly loss: number; readonly grad_norm: number; readonly learning_rate: number }[];
    }
  >;
}

const golden: Golden = JSON.parse(readFileSync(`${folder}/training/golden.json`, "utf8"));
const device = openDevice("cpu", { threads: 1 });

function toExample({ ids, labels }: Sequence): TokenizedExample {
  return { ids: Int32Array.from(ids), trained: Uint8Array.from(labels, (label) => (label === -100 ? 0 : 1)) };
}

/** Relative difference that float32 rounding in another order may make. Leaving out weight decay makes a larger one. */
const tolerance = 2e-5;

describe.each(Object.entries(golden.runs))("%s", (name, run) => {
  test("losses, gradient norms and learning rates equal PyTorch's at every step", async () => {
    const checkpoint = openCheckpoint(`${folder}/models/${run.base}`);
    const { config } = checkpoint;
    const weights = loadWeights(checkpoint, {
      storage: run.quantization ? "nf4" : "float32",
      doubleQuantization: run.quantization?.double_quantization ?? false,
    });
    let adaptation: Adaptation = full;
    let parameters: Parameters;
    if (name === "full") parameters = initializeParameters(config, full, weights, 0);
    else
      ({ adaptation, parameters } = readAdapter(
        `${folder}/training/initial-adapter/${run.base}`,
        config,
        "any",
      ));

    const { settings } = golden;
    const plan: LoopPlan = {
      totalSteps: run.steps.length,
      stepsPerEpoch: 2,
      microBatches: (step) =>
        golden.windows[step]!.map((microBatch) =>
          buildBatch(
            microBatch.map((sequence) => [toExample(sequence)]),
            16,
          ),
        ),
      evaluation: [],
      evalSteps: 1,
      saveSteps: 1,
      earlyStoppingPatience: undefined,
      optimizer: {
        beta1: settings.betas[0],
        beta2: settings.betas[1],
        epsilon: settings.eps,
        weightDecay: settings.weight_decay,
      },
      learningRate: run.learning_rate,
      scheduler: run.schedule,
      warmupSteps: settings.warmup_steps,
      maxGradNorm: settings.max_grad_norm,
      seed: 0,
      dropout: false,
    };
    const lines: StepMetrics[] = [];
    const engine = createEngine(device, config, weights, adaptation, { segmentSize: 1 });
    await runTrainingLoop(
      engine,
      plan,
      { parameters, moments: createMoments(parameters), progress: initialProgress },
      {
        onStep: (line) => lines.push(line),
        onEvaluation: () => {},
        save: async () => {},
      },
    );

    for (const [step, expected] of run.steps.entries()) {
      expect(
        Math.abs(lines[step]!.loss - expected.loss) / expected.loss,
        `loss of step ${step}`,
      ).toBeLessThan(tolerance);
      expect(lines[step]!.learning_rate).toBeCloseTo(expected.learning_rate, 12);
      expect(Math.abs(lines[step]!.grad_norm - expected.grad_norm) / expected.grad_norm).toBeLessThan(
        tolerance,
      );
    }
    const trained = openSafetensors(`${folder}/training/${name}.safetensors`);
    for (const tensor of trained.tensors.keys()) {
      const expected = trained.readFloat32(tensor);
      const { data } = parameters.get(tensor.replace("base_model.model.", ""))!;
      const difference = Math.hypot(...data.map((value, i) => value - expected[i]!));
      expect(difference / Math.hypot(...expected), tensor).toBeLessThan(tolerance);
    }
    trained.close();
  });
});
