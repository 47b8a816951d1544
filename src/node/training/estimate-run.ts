/** @file The memory and time of a run before it starts. */

import { createAdaptation } from "../../core/adapters/methods.ts";
import { countTokens } from "../../core/data/training-example.ts";
import { measureProductRate } from "../../core/engine/product-rate.ts";
import { InputError } from "../../core/errors.ts";
import { objectiveOf } from "../../core/objectives/objectives.ts";
import {
  adviseMemory,
  estimateStep,
  expectedEfficiency,
  findLargestShape,
  type StepEstimate,
  type StoredModel,
} from "../../core/training/estimate.ts";
import { listSeen } from "../../core/training/step-plan.ts";
import { chooseContext } from "../../core/training/training-options.ts";
import { resolveDataset } from "../data/hub-dataset.ts";
import { openCheckpoint } from "../models/checkpoint.ts";
import { resolveModel } from "../models/hub-model.ts";
import { findUsableMemory } from "../runtime/memory.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { extrasOf, teacherAsStored } from "./divergence-terms.ts";
import { completeOptions } from "./initial-adapter.ts";
import { rolloutRows } from "./rollouts.ts";
import { objectiveOfRun, type RunConfig, type RunOptions, rolloutsOf } from "./run-config.ts";
import { longestText, nameTokens, pickSegmentSize, planRun, readExamples, storedBase } from "./run-inputs.ts";
import { hasPromptsAlone } from "./teacher-answers.ts";

/** Without data: the longest example, unless `context` says otherwise, and the tokens that are trained on. */
const assumedLength = 512;
export const assumedTokens = 100_000;

/** How much longer it takes to write a token, with others side by side, than to read one (docs/decisions/decoding.md). */
const writingFactor = 2;

/** A run's options; without data, a run over {@link EstimateOptions.tokens} is estimated. */
export type EstimatedRun = Omit<RunOptions, "data" | "out"> & Partial<Pick<RunOptions, "data" | "out">>;

export interface EstimateOptions {
  /** Tokens to train on, without data. Default 100,000. */
  readonly tokens?: number;
  /** Memory to stay within. Default: most of what is free. */
  readonly memoryBytes?: number | undefined;
}

/** What the steps and evaluations of a run come to, with a segment size. */
export interface SegmentEstimate extends StepEstimate {
  readonly tokensPerSecond: number;
  /** Of the whole run, evaluations included. */
  readonly seconds: number;
}

export interface RunEstimate {
  readonly config: RunConfig;
  /** Floating-point operations that matrix products reach here in a second, as measured now. */
  readonly flopsPerSecond: number;
  readonly memoryBytes: number;
  /** What the run would take. */
  readonly chosen: SegmentEstimate;
  /** With the segment sizes that are worth a thought, {@link chosen} among them. */
  readonly estimates: readonly SegmentEstimate[];
  /** Tokens of the longest example. */
  readonly longestExample: number;
  readonly trainedTokens: number;
  /** Undefined without data. */
  readonly steps?: {
    readonly total: number;
    readonly heldOut: number;
    readonly evaluations: number;
    readonly evaluatedTokens: number;
  };
  /** Whether it fits, and what to change if it does not. */
  readonly advice: string;
}

/**
 * Estimates the memory and time of a run, without loading a weight: by walking the graphs that it would run, and by the rate of
 * matrix products here, which is measured.
 *
 * @throws InputError as `fineTune` does of its options, the model's configuration and the data.
 * @example
 * const { chosen, advice } = await estimate({ model: "model.gguf", data: "faq.csv", method: "qlora" });
 * console.log(`${(chosen.peakBytes / 1e9).toFixed(1)} GB, ${chosen.seconds.toFixed(0)} s. ${advice}`);
 */
export async function estimate(
  run: EstimatedRun,
  { tokens = assumedTokens, memoryBytes = findUsableMemory() }: EstimateOptions = {},
): Promise<RunEstimate> {
  const config = completeOptions({ data: "DATA", out: "OUT", ...run }, "The run's options");
  const { method } = config;
  const checkpoint = await openCheckpoint(await resolveModel(config.model, { revision: config.revision }));
  const named = await nameTokens(config, checkpoint);
  const vocabSize = named.extension?.vocabSize ?? checkpoint.config.vocabSize;
  const model = { ...checkpoint.config, vocabSize };
  const adaptation = createAdaptation(named.config, model);
  const context = chooseContext(config.context, config.model, model);
  const mayAnswer = run.data !== undefined && config.teacher !== undefined;
  if (mayAnswer && (await hasPromptsAlone(await resolveDataset(run.data!, config.data_split), config))) {
    checkpoint.close();
    throw new InputError(
      `${run.data} has prompts without answers, of which a run's teacher writes some first; estimate without data, or with answers.`,
    );
  }
  const dataset =
    run.data && (await readExamples(config, await resolveDataset(run.data, config.data_split), checkpoint));
  const longestExample = dataset
    ? longestText(config, dataset.report)
    : Math.min(config.context ?? assumedLength, context);
  const extras = extrasOf(config, await readTeacher(config), longestExample);
  const segmentSize = pickSegmentSize(config, checkpoint, adaptation, longestExample, memoryBytes, extras);
  const base = { ...storedBase(config, checkpoint), config: model };
  checkpoint.close();

  const steps = dataset && planRun(config, dataset.examples);
  // Of an unpaired answer another one is read with its prompt, which is about as long.
  const texts = objectiveOf(config.objective).learnsFrom === "unpaired" ? 2 : 1;
  const trainedTokens = texts * (steps ? steps.trainedTokens : tokens);
  const evaluatedTokens = steps ? texts * steps.evaluations * steps.heldOutTokens : 0;
  const seen =
    dataset && steps ? listSeen(steps).map((index) => countTokens(dataset.examples[index]!)) : [tokens];
  const { usesReference } = objectiveOfRun(config);
  const rollouts = rolloutsOf(config);
  const writtenTokens = rollouts ? trainedTokens / rollouts.num_iterations : 0;
  // Few texts take hardly less time than as many as are written at a time.
  const sampleRows = rolloutRows * Math.ceil((config.sample_prompts?.length ?? 0) / rolloutRows);
  const sampledTokens = steps ? sampleRows * config.sample_tokens * (steps.evaluations || 2) : 0;
  const referredTokens = rollouts
    ? writtenTokens * ((usesReference ? 1 : 0) + (rollouts.num_iterations > 1 ? 1 : 0))
    : usesReference
      ? texts * seen.reduce((sum, n) => sum + n, 0)
      : 0;
  const shape = findLargestShape(config.micro_batch_tokens, longestExample);
  const device = openDevice("cpu", config.threads === undefined ? {} : { threads: config.threads });
  const flopsPerSecond = await measureProductRate(device, 3);
  const sizes = new Set(config.weights_on_disk ? [1] : [1, segmentSize, model.numHiddenLayers]);
  const estimates = [...sizes].map((size): SegmentEstimate => {
    const step = estimateStep(base, adaptation, shape, size, extras);
    const secondsOf = (flops: number) => flops / shape.length / (expectedEfficiency * flopsPerSecond);
    return {
      ...step,
      tokensPerSecond: 1 / secondsOf(step.flops),
      seconds:
        trainedTokens * secondsOf(step.flops) +
        (evaluatedTokens + referredTokens + writingFactor * (writtenTokens + sampledTokens)) *
          secondsOf(step.evaluationFlops),
    };
  });
  const chosen = estimates.find((one) => one.segmentSize === segmentSize)!;
  return {
    config,
    flopsPerSecond,
    memoryBytes,
    chosen,
    estimates,
    longestExample,
    trainedTokens,
    ...(steps && {
      steps: {
        total: steps.totalSteps,
        heldOut: steps.heldOut.length,
        evaluations: steps.evaluations,
        evaluatedTokens,
      },
    }),
    advice: adviseMemory(base, chosen, method, memoryBytes),
  };
}

async function readTeacher({ teacher }: RunConfig): Promise<StoredModel | undefined> {
  if (teacher === undefined) return undefined;
  const checkpoint = await openCheckpoint(await resolveModel(teacher));
  checkpoint.close();
  return teacherAsStored(checkpoint);
}
