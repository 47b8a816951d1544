/** @file A tuning run from its options to its folder, and on from a checkpoint. */

import { frozen } from "../../core/adapters/adaptation.ts";
import type { AdaptedModel, Adapter } from "../../core/adapters/adapted-model.ts";
import { methodOf } from "../../core/adapters/methods.ts";
import {
  copyParameters,
  initializeParameters,
  listParameters,
  type Parameter,
  type Parameters,
  trainedOf,
} from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { countParameters } from "../../core/architectures/modules.ts";
import { createGenerator, type LocalGenerator } from "../../core/decoding/batch-generator.ts";
import { createEngine, type Engine } from "../../core/engine/engine.ts";
import { findInputBits } from "../../core/engine/integer-arithmetic.ts";
import { DeviceError } from "../../core/errors.ts";
import type { ModelWeights } from "../../core/models/weights.ts";
import type { DistillOptions } from "../../core/objectives/distill.ts";
import type { Device } from "../../core/runtime/device.ts";
import { makeInterruptible } from "../../core/runtime/interruptible.ts";
import { createMoments } from "../../core/training/adamw.ts";
import { openDeviceOptimizer } from "../../core/training/device-optimizer.ts";
import type { LoopOutcome, LoopPlan, TrainingState } from "../../core/training/loop.ts";
import { batchingOf, planTraining } from "../../core/training/plan-training.ts";
import type { ReferencedExample } from "../../core/training/scored-examples.ts";
import { listSeen } from "../../core/training/step-plan.ts";
import { computeEfficiency, type Efficiency } from "../efficiency/efficiency.ts";
import { checkEntries } from "../files/folder.ts";
import { withLock } from "../files/lock.ts";
import {
  initialRunProgress,
  listCheckpoints,
  type RunProgress,
  readCheckpoint,
  removeOldCheckpoints,
} from "./checkpoint.ts";
import { distillationTerm, keepTerm } from "./divergence-terms.ts";
import { completeOptions } from "./initial-adapter.ts";
import { writePlan } from "./plan-file.ts";
import { proximalTerm } from "./proximal-term.ts";
import { addReference } from "./reference-scores.ts";
import { createRollouts, rolloutRows } from "./rollouts.ts";
import { objectiveOfRun, type RunOptions, rolloutsOf } from "./run-config.ts";
import type { RunEvents } from "./run-events.ts";
import {
  beginRun,
  checkInputs,
  checkRunFolder,
  openRunFolder,
  type RunFolder,
  writeEfficiency,
} from "./run-folder.ts";
import { openRunDevice, type RunInputs, readInputs } from "./run-inputs.ts";
import { runAndLog } from "./run-log.ts";
import { createSampleWriter } from "./samples.ts";
import { writeResult } from "./write-result.ts";

export interface RunResult {
  readonly outcome: LoopOutcome;
  readonly folder: string;
  /** The adapter's folder, or the model's where its own weights were trained. Undefined if the run was interrupted. */
  readonly output?: string;
  readonly progress: RunProgress;
  /** What the run took. Undefined if it was interrupted before its first step. */
  readonly efficiency?: Efficiency;
  /** The model as tuned. After PiSSA its weights are the residual, on which its adapter was trained. */
  readonly model: AdaptedModel;
}

/**
 * Tunes a model: reads it and the data, trains, and writes the adapter (or the model, where its own weights are trained) into
 * the folder `out`, with the configuration, the metrics and checkpoints.
 *
 * The result is that of the best evaluation on the held-out examples, or of the last step if nothing is held out.
 *
 * @throws InputError if an option, the model or the data are bad, or the loss stops being finite.
 * @example
 * const { output, progress } = await fineTune(
 *   { model: "fixtures/embedded-model", data: "faq.csv", method: "qlora", out: "runs/faq" },
 *   { onStep: ({ step, loss }) => console.log(step, loss) },
 * );
 * console.log(progress.best?.eval_loss, output);
 */
export async function fineTune(options: RunOptions, events: RunEvents = {}): Promise<RunResult> {
  const config = completeOptions(options, "The run's options");
  checkRunFolder(config.out);
  const inputs = await readInputs(config, events);
  const complete = { ...config, segment_size: inputs.segmentSize };
  return withLock(config.out, "run", () => {
    // Another process may have begun one while the data were read.
    checkRunFolder(config.out);
    return train(beginRun(complete, inputs), inputs, events);
  });
}

/** What may be otherwise when a run goes on. */
export type ResumeChanges = Pick<RunOptions, "device">;

/**
 * Goes on with a run that was interrupted, from its last checkpoint. The result equals that of a run that was not,
 * bit for bit on the same machine.
 *
 * @param changes a device in place of the run's, on which losses differ in the last digits
 * @throws InputError if `path` is not a run's folder, or its model or data have changed; a module of rewards may be another one only
 *   after it has failed.
 * @example
 * const { outcome } = await resumeRun("runs/faq");
 */
export async function resumeRun(
  path: string,
  events: RunEvents = {},
  changes: ResumeChanges = {},
): Promise<RunResult> {
  const { folder, config: recorded } = openRunFolder(path);
  const config = completeOptions({ ...recorded, ...changes }, folder.config);
  checkEntries(path);
  const inputs = await readInputs(config, events);
  return withLock(path, "run", () => {
    checkInputs(folder, inputs);
    return train(folder, inputs, events);
  });
}

async function train(folder: RunFolder, inputs: RunInputs, events: RunEvents): Promise<RunResult> {
  const { config, model, adaptation, steps, segmentSize } = inputs;
  const device = openRunDevice(config);
  const interruptible = events.signal ? makeInterruptible(device, events.signal) : device;
  const engine = createEngine(interruptible, model.config, model.weights, adaptation, {
    segmentSize,
    ...(config.arithmetic === "int8" && { inputBits: await findInputBits(device) }),
    temperature: rolloutsOf(config)?.temperature ?? 1,
  });
  const teacher =
    inputs.teacher &&
    createEngine(interruptible, inputs.teacher.config, inputs.teacher.weights, frozen, { segmentSize: 1 });
  let generator: LocalGenerator | undefined;
  try {
    const { parameters, initial } = await begin(device, inputs, events);
    if (inputs.rewards || inputs.samplePrompts.length > 0) {
      const tuned = { ...model, adapter: { adaptation, parameters } };
      // The weights are the engine's, not quantized anew.
      generator = createGenerator(interruptible, tuned, { batchSize: rolloutRows, bits: "exact" });
    }
    const state: TrainingState<RunProgress> = {
      parameters,
      moments: createMoments(parameters),
      progress: initialRunProgress,
    };
    const examples = await referTo(inputs, folder, engine, parameters, events);
    const divergences = [
      ...(teacher ? [distillationTerm(config as DistillOptions, teacher)] : []),
      ...(inputs.keptTexts
        ? [keepTerm(config.keep, engine, copyParameters(parameters), inputs.keptTexts, steps)]
        : []),
    ];
    const writes =
      inputs.rewards && generator && writeExamples(inputs, folder, engine, generator, parameters, events);
    const answerSamples =
      generator && inputs.samplePrompts.length > 0
        ? createSampleWriter(generator, inputs.samplePrompts, config.sample_tokens)
        : undefined;
    const penalty = proximalTerm(parameters, config.proximal_mu);
    const newest = listCheckpoints(folder.checkpoints).at(-1);
    if (newest !== undefined) {
      state.progress = await readCheckpoint(folder.checkpoints, newest, parameters, state.moments);
      // A process that was ended after it wrote the newest did not come to this.
      removeOldCheckpoints(folder.checkpoints, state.progress.best?.step);
    }
    const plan = { ...planLoop(inputs, examples), divergences, penalty, ...writes };
    const parameterCount = countAllParameters(model.config, { adaptation, parameters });
    const trained = [...trainedOf(parameters).values()];
    const trainableParameters = trained.reduce((sum, { data }) => sum + data.length, 0);
    writePlan(folder.plan, {
      total_steps: steps.totalSteps,
      steps_per_epoch: plan.stepsPerEpoch,
      eval_steps: steps.evalSteps,
      save_steps: plan.saveSteps,
      evaluations: steps.evaluations,
      examples: steps.training.length,
      held_out: steps.heldOut.length,
      tokens: steps.trainedTokens,
      held_out_tokens: steps.heldOutTokens,
      segment_size: segmentSize,
      trainable_parameters: trainableParameters,
      parameters: parameterCount,
    });
    events.onPlan?.({
      config,
      dataset: inputs.report,
      heldOut: steps.heldOut.length,
      totalSteps: steps.totalSteps,
      evaluations: steps.evaluations,
      segmentSize,
      trainableParameters,
      ...(inputs.tokens && { tokens: inputs.tokens }),
    });
    const measure = () => computeEfficiency(state.progress, state.progress.usage, parameterCount);
    const around = { folder, steps, events, measure, answerSamples };
    const outcome = await runAndLog(engine, plan, state, around).catch((error) => {
      throw error instanceof DeviceError ? adviseToResume(error, folder) : error;
    });
    const tuned: AdaptedModel = { ...model, adapter: { adaptation, parameters } };
    const efficiency = measure();
    if (efficiency) writeEfficiency(folder, efficiency);
    const result = {
      outcome,
      folder: folder.path,
      progress: state.progress,
      ...(efficiency && { efficiency }),
      model: tuned,
    };
    if (outcome === "interrupted") return result;

    const { best, step } = state.progress;
    if (best && best.step !== step) await readCheckpoint(folder.checkpoints, best.step, parameters);
    return { ...result, output: await writeResult(folder, config, tuned, initial) };
  } finally {
    await generator?.close();
    await engine.release();
    await teacher?.release();
  }
}

/** The error with how to go on. */
function adviseToResume(error: DeviceError, { path, checkpoints }: RunFolder): DeviceError {
  const newest = listCheckpoints(checkpoints).at(-1);
  const kept = newest === undefined ? "No step is kept" : `The checkpoint of step ${newest} is kept`;
  const advice = `go on with \`slimtune resume ${path}\`, or on the CPU with \`slimtune resume ${path} --device cpu\``;
  return new DeviceError(`${error.message} ${kept}; ${advice}.`, { cause: error });
}

/** The examples with the log-probabilities that the model gives them as the run begins, where the objective needs them: those that it sees. */
async function referTo(
  { config, examples, steps }: RunInputs,
  folder: RunFolder,
  engine: Engine,
  parameters: Parameters,
  events: RunEvents,
): Promise<readonly ReferencedExample[]> {
  // Of answers that are still to be written it follows them.
  if (!objectiveOfRun(config).usesReference || rolloutsOf(config)) return examples;
  const seen = listSeen(steps);
  const referenced = await addReference(
    seen.map((index) => examples[index]!),
    folder.reference,
    {
      engine,
      parameters,
      batching: batchingOf(config),
      onStage: (stage) => events.onStage?.(stage),
    },
  );
  const all: ReferencedExample[] = [...examples];
  for (const [i, index] of seen.entries()) all[index] = referenced[i]!;
  return all;
}

/** Steps whose examples are answers that the model writes itself. */
function writeExamples(
  { config, examples, steps, rewards }: RunInputs,
  folder: RunFolder,
  engine: Engine,
  generator: LocalGenerator,
  parameters: Parameters,
  events: RunEvents,
): Pick<LoopPlan, "examplesOf" | "readsState" | "stepsPerEpoch"> {
  const options = rolloutsOf(config)!;
  const examplesOf = createRollouts({
    options,
    seed: config.seed,
    data: config.data,
    generator,
    engine,
    batching: batchingOf(config),
    parameters,
    beginning: objectiveOfRun(config).usesReference ? copyParameters(parameters) : undefined,
    rewards: rewards!,
    folder: folder.rollouts,
    promptsOf: (step) => steps.sampler.examplesOf(step).map((index) => examples[steps.training[index]!]!),
    onWritten: (done, all) => events.onStage?.(`answers: ${done}/${all}`),
  });
  return {
    examplesOf,
    readsState: true,
    stepsPerEpoch: options.num_iterations * steps.sampler.stepsPerEpoch,
  };
}

/** Parameters of the base model and of what is added to it. */
function countAllParameters(model: ModelConfig, { adaptation, parameters }: Adapter): number {
  const added = [...parameters].filter(([name]) => !adaptation.trains(name));
  return added.reduce((sum, [, { data }]) => sum + data.length, countParameters(model));
}

/** The trained tensors at the start: those of the given adapter, or new ones; with what the method keeps of the beginning. */
async function begin(
  device: Device,
  { config, model, adaptation, initial: given }: RunInputs,
  events: RunEvents,
): Promise<{ parameters: Parameters; initial: Parameters | undefined }> {
  const { weights } = model;
  const { seed } = config;
  const parameters = given
    ? await asAdapted(given, listParameters(model.config, adaptation), weights, seed)
    : await initializeParameters(model.config, adaptation, weights, seed);
  const initial = await methodOf(config.method).begin?.(config, {
    device,
    config: model.config,
    weights,
    parameters,
    seed,
    onStage: (stage) => events.onStage?.(stage),
  });
  return { parameters, initial };
}

/** Tensors of an adapter, with those frozen that the run's method freezes, and those that are put beside it. */
async function asAdapted(
  given: Parameters,
  listed: ReturnType<typeof listParameters>,
  weights: ModelWeights,
  seed: number,
): Promise<Parameters> {
  const parameters = new Map<string, Parameter>();
  for (const { name, dims, isFrozen, initialize } of listed) {
    const data = given.get(name)?.data ?? (await initialize!(weights, seed));
    parameters.set(name, { dims, ...(isFrozen && { isFrozen }), data });
  }
  return parameters;
}

/** A run's loop: the same for the same options, steps and examples. */
export function planLoop(
  { config, steps }: Pick<RunInputs, "config" | "steps">,
  examples: readonly ReferencedExample[],
): LoopPlan {
  const plan = planTraining(config, objectiveOfRun(config), steps, examples);
  return { ...plan, openOptimizer: openDeviceOptimizer };
}
