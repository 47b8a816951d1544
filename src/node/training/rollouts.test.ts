import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { LocalGenerator } from "../../core/decoding/batch-generator.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { loadWeights } from "../../core/models/load-weights.ts";
import {
  completeOptions,
  createObjective,
  type ObjectiveName,
  type ObjectiveOptions,
} from "../../core/objectives/objectives.ts";
import { createMoments } from "../../core/training/adamw.ts";
import { initialProgress, runTrainingLoop, type StepMetrics } from "../../core/training/loop.ts";
import { readAdapter } from "../adapters/peft-files.ts";
import { openCheckpoint } from "../models/checkpoint.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { createRollouts, type RolloutSource } from "./rollouts.ts";

interface Run {
  readonly objective: ObjectiveName;
  readonly options: ObjectiveOptions;
  readonly learning_rate: number;
  readonly betas: [number, number];
  readonly eps: number;
  readonly weight_decay: number;
  readonly max_grad_norm: number;
  readonly steps: {
    readonly loss: number;
    readonly grad_norm: number;
    readonly metrics: Record<string, number>;
  }[];
}

// Made by reference/policy.py with TRL.
const golden: {
  readonly longest: number;
  readonly prompts: number;
  readonly groups: {
    readonly prompt: number[];
    readonly answers: { readonly ids: number[]; readonly reward: number }[];
  }[];
  readonly runs: Record<string, Run>;
} = JSON.parse(readFileSync("fixtures/reference/policy/golden.json", "utf8"));

const scratch = mkdtempSync(join(tmpdir(), "slimtune-rollouts-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const device = openDevice("cpu", { threads: 1 });
const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
const { config } = checkpoint;
const weights = await loadWeights(checkpoint);
const end = 2;

const prompts = golden.groups.map(({ prompt }, line) => ({
  texts: [{ ids: Int32Array.from(prompt), trained: new Uint8Array(prompt.length) }],
  problem: { prompt: "", answer: "", fields: {}, line },
}));

/** Writes the given answers, one after the other to a prompt. */
function createScripted(): LocalGenerator {
  const written = new Map<string, number>();
  return {
    async generate({ promptIds, strategy, seed: _, ...request }) {
      const key = promptIds.join();
      const sample = written.get(key) ?? 0;
      written.set(key, (sample + 1) % golden.groups[0]!.answers.length);
      const { ids } = golden.groups.find(({ prompt }) => prompt.join() === key)!.answers[sample]!;
      for (const id of ids) {
        const logits = new Float32Array(config.vocabSize).fill(Number.NEGATIVE_INFINITY);
        logits[id] = 0;
        expect(strategy!({ ...request, promptIds, ids: [], random: undefined! }, logits)).toBe(id);
      }
      return {
        text: ids.join(" "),
        finishReason: ids.at(-1) === end ? "stop" : "length",
        stopString: null,
        completionTokens: ids.length,
        ids,
        computedPromptTokens: 0,
        tokens: [],
      };
    },
    refresh() {},
    async close() {},
  };
}

const reward: RolloutSource["rewards"] = new Map([
  [
    "given",
    ({ text, problem: { line } }) =>
      golden.groups[line]!.answers.find(({ ids }) => ids.join(" ") === text)!.reward,
  ],
]);

function expectClose(actual: number | undefined, expected: number, what: string): void {
  expect(Math.abs(actual! - expected) / Math.max(1, Math.abs(expected)), what).toBeLessThan(1e-5);
}

describe.each(Object.entries(golden.runs))("ten steps of %s", (name, run) => {
  test("have TRL's losses, norms of gradients and metrics", async () => {
    const given = {
      ...run.options,
      num_generations: golden.groups[0]!.answers.length,
      max_completion_length: golden.longest,
    };
    const options = completeOptions(run.objective, given) as RolloutSource["options"];
    const objective = createObjective(run.objective, given);
    const { adaptation, parameters } = await readAdapter(
      "fixtures/reference/objectives/adapter",
      config,
      "any",
    );
    for (const [parameter, { data }] of parameters) if (parameter.endsWith("lora_B.weight")) data.fill(0);
    const beginning = new Map(
      [...parameters].map(([key, value]) => [key, { ...value, data: value.data.slice() }]),
    );
    const batching = { microBatchTokens: 64, packing: true };
    const { temperature } = options;
    const engine = createEngine(device, config, weights, adaptation, { segmentSize: 1, temperature });
    const lines: StepMetrics[] = [];
    await runTrainingLoop(
      engine,
      {
        totalSteps: run.steps.length,
        stepsPerEpoch: 1,
        objective,
        examplesOf: createRollouts({
          options,
          seed: 0,
          data: "data",
          generator: createScripted(),
          engine,
          batching,
          parameters,
          beginning: objective.usesReference ? beginning : undefined,
          rewards: reward,
          folder: join(scratch, name),
          promptsOf: (step) => {
            const start = (step * golden.prompts) % prompts.length;
            return prompts.slice(start, start + golden.prompts);
          },
        }),
        heldOut: [],
        batching,
        evalSteps: 1,
        saveSteps: 100,
        earlyStoppingPatience: undefined,
        optimizer: {
          beta1: run.betas[0],
          beta2: run.betas[1],
          epsilon: run.eps,
          weightDecay: run.weight_decay,
        },
        learningRate: run.learning_rate,
        maxGradNorm: run.max_grad_norm,
        scheduler: "constant",
        warmupSteps: 0,
        seed: 0,
      },
      { parameters, moments: createMoments(parameters), progress: initialProgress },
      { onStep: (line) => lines.push(line), onEvaluation: () => {}, save: async () => {} },
    );
    await engine.release();
    for (const [i, { loss, grad_norm, metrics }] of run.steps.entries()) {
      expectClose(lines[i]!.loss, loss, `loss of step ${i}`);
      expectClose(lines[i]!.grad_norm, grad_norm, `norm of the gradients of step ${i}`);
      for (const [metric, value] of Object.entries(metrics))
        if (metric in lines[i]!.metrics!)
          expectClose(lines[i]!.metrics![metric], value, `${metric} of step ${i}`);
      expect(Object.keys(lines[i]!.metrics!)).toEqual(
        expect.arrayContaining(Object.keys(metrics).filter((metric) => !metric.startsWith("clip_ratio"))),
      );
    }
  });
});
