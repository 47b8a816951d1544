/** @file Tuning in a browser, and going on with it. */

import type { AdaptedModel } from "../core/adapters/adapted-model.ts";
import type { AdapterSettings } from "../core/adapters/method.ts";
import { createAdaptation, type MethodOptions, methodOf } from "../core/adapters/methods.ts";
import { initializeParameters } from "../core/adapters/parameters.ts";
import { describeAdapter } from "../core/adapters/peft-encoding.ts";
import { createEngine } from "../core/engine/engine.ts";
import { InputError } from "../core/errors.ts";
import { encodeSafetensors } from "../core/formats/safetensors.ts";
import type { Model } from "../core/models/model.ts";
import { sft } from "../core/objectives/sft.ts";
import type { Device } from "../core/runtime/device.ts";
import { makeInterruptible } from "../core/runtime/interruptible.ts";
import { createMoments } from "../core/training/adamw.ts";
import { fitSegmentSize } from "../core/training/device-limits.ts";
import {
  type EvaluationMetrics,
  initialProgress,
  type LoopOutcome,
  type Progress,
  runTrainingLoop,
  type StepMetrics,
  type TrainingState,
} from "../core/training/loop.ts";
import { planTraining } from "../core/training/plan-training.ts";
import { planSteps } from "../core/training/step-plan.ts";
import { chooseContext } from "../core/training/training-options.ts";
import { type ExampleRow, hashExamples, readExamples } from "./examples.ts";
import { completeOptions, type TuneConfig, type TuneOptions } from "./tune-options.ts";
import {
  checkState,
  copyMoments,
  copyValues,
  restore,
  restoreValues,
  type TuningState,
  type Values,
} from "./tuning-state.ts";

/** What happens on the way. */
export interface TuneEvents {
  /** Called once, before the first step. */
  onPlan?(plan: { readonly totalSteps: number; readonly trainableParameters: number }): void;
  onStep?(metrics: StepMetrics): void;
  onEvaluation?(metrics: EvaluationMetrics): void;
  /**
   * Called with a copy of the state every `save_steps` steps (by default twenty times), when the tuning is stopped, and when it
   * fails; it is waited for.
   */
  onState?(state: TuningState): unknown;
  /** Aborting it stops the tuning as soon as a program has run. */
  readonly signal?: AbortSignal;
}

export interface TuneResult {
  readonly outcome: LoopOutcome;
  readonly progress: Progress;
  /** The model with its adapter: that of the best evaluation, or of the last step if nothing is held out or it was stopped. */
  readonly model: AdaptedModel;
  /** The adapter as PEFT reads it: adapter_config.json and adapter_model.safetensors. */
  readonly files: readonly File[];
}

/**
 * Tunes a model on rows by supervised tuning. The options are those of a run (docs/methods.md) that are of use in a browser; how the base
 * weights are kept is decided when the model is opened, "nf4" for QLoRA.
 *
 * @throws InputError if an option or a row is bad, the loss stops being finite, or the device is lost; in the last two cases after
 *   `onState` has the last whole step.
 *
 * @example
 * const device = openWebDevice("webgpu");
 * const model = await openWebModel("https://example.org/SmolLM2-135M-Instruct", { storage: "nf4" });
 * const rows = [{ prompt: "When do you open?", completion: "At nine." }];
 * const { files } = await tune(device, model, rows, { method: "qlora", max_steps: 20 }, {
 *   onStep: ({ step, loss }) => console.log(step, loss),
 * });
 */
export async function tune(
  device: Device,
  model: Model,
  rows: Iterable<ExampleRow>,
  options: TuneOptions = {},
  events: TuneEvents = {},
): Promise<TuneResult> {
  return train(device, model, rows, completeOptions(options, model.weights.storage), events);
}

/**
 * Goes on from a state of {@link tune} with the same model and rows. The result equals that of a tuning that was not stopped, bit for
 * bit where the device computes the same each time, as WebAssembly does.
 *
 * @param state as `onState` was given it
 * @throws InputError if it is no state, or one of another model or other rows; and as {@link tune}.
 *
 * @example
 * const device = openWebDevice("wasm");
 * const model = await openWebModel("https://example.org/SmolLM2-135M-Instruct");
 * const rows = [{ prompt: "When do you open?", completion: "At nine." }];
 * const states: Parameters<typeof resumeTuning>[3][] = [];
 * await tune(device, model, rows, { max_steps: 20 }, { onState: (state) => states.push(state) });
 * const { files } = await resumeTuning(device, model, rows, states[0]!);
 */
export async function resumeTuning(
  device: Device,
  model: Model,
  rows: Iterable<ExampleRow>,
  state: TuningState,
  events: TuneEvents = {},
): Promise<TuneResult> {
  const checked = checkState(state);
  const config = completeOptions(checked.options, model.weights.storage);
  return train(device, model, rows, config, events, checked);
}

async function train(
  device: Device,
  model: Model,
  rows: Iterable<ExampleRow>,
  config: TuneConfig,
  events: TuneEvents,
  from?: TuningState,
): Promise<TuneResult> {
  const { weights } = model;
  const context = chooseContext(config.context, model.name, model.config);
  const examples = readExamples(rows, config, model.tokenizer, context);
  const identity = { model: model.fingerprint, data: await hashExamples(examples) };
  if (from) checkIdentity(from, identity);
  const lengths = examples.map(({ ids }) => ids.length);
  const steps = planSteps(config, lengths);
  const adaptation = createAdaptation(config, model.config);
  const segmentSize = await pickSegmentSize(device, config, model, adaptation, Math.max(...lengths));
  const interruptible = events.signal ? makeInterruptible(device, events.signal) : device;
  const engine = createEngine(interruptible, model.config, weights, adaptation, { segmentSize });
  try {
    const parameters = await initializeParameters(model.config, adaptation, weights, config.seed);
    const state: TrainingState = {
      parameters,
      moments: createMoments(parameters),
      progress: initialProgress,
    };
    let best: Values | null = null;
    if (from) {
      restore(state, from);
      ({ best } = from);
      state.progress = from.progress;
    }
    const save = async () => {
      const { progress } = state;
      if (progress.best?.step === progress.step) best = copyValues(parameters);
      await events.onState?.({
        options: config,
        ...identity,
        progress,
        parameters: copyValues(parameters),
        ...copyMoments(state),
        best,
      });
    };
    events.onPlan?.({
      totalSteps: steps.totalSteps,
      trainableParameters: [...copyValues(parameters).values()].reduce((sum, { length }) => sum + length, 0),
    });
    const plan = planTraining(
      config,
      sft,
      steps,
      examples.map((text) => ({ texts: [text] })),
    );
    const outcome = await runTrainingLoop(engine, plan, state, {
      onStep: (metrics) => events.onStep?.(metrics),
      onEvaluation: (metrics) => events.onEvaluation?.(metrics),
      save,
      ...(events.signal && { signal: events.signal }),
    }).catch(async (error) => {
      if (state.progress.step > 0) await save();
      throw error;
    });
    if (best && outcome !== "interrupted") restoreValues(parameters, best);
    const adapter = { adaptation, parameters };
    return {
      outcome,
      progress: state.progress,
      model: { ...model, adapter },
      files: await encodeFiles(config, model, parameters),
    };
  } finally {
    await engine.release();
  }
}

function checkIdentity(from: TuningState, { model, data }: Pick<TuningState, "model" | "data">): void {
  if (from.model !== model)
    throw new InputError("The state is of another model; open that one, or begin anew.");
  if (from.data !== data)
    throw new InputError(
      "The state is of other examples than these; give those, in their order, or begin anew.",
    );
}

/** What a step may take where "auto" decides; WebAssembly has 4 GiB in all, and a tab often less. */
const memoryBytes = 2 ** 30;

async function pickSegmentSize(
  device: Device,
  { segment_size, micro_batch_tokens }: TuneConfig,
  { config, weights }: Model,
  adaptation: ReturnType<typeof createAdaptation>,
  longest: number,
): Promise<number> {
  const { numHiddenLayers } = config;
  if (segment_size !== "auto" && segment_size > numHiddenLayers) {
    throw new InputError(
      `"segment_size" is ${segment_size}, but the model has ${numHiddenLayers} blocks; give a number up to that, or "auto".`,
    );
  }
  const { chooseSegmentSize, estimateStep, findLargestShape } = await import("../core/training/estimate.ts");
  const base = { config, storage: weights.storage, tableDtype: weights.embedding.dtype as "float32" };
  const shape = findLargestShape(micro_batch_tokens, longest);
  const isAuto = segment_size === "auto";
  const size = isAuto ? chooseSegmentSize(base, adaptation, shape, memoryBytes) : segment_size;
  return fitSegmentSize(device, size, isAuto, (each) => estimateStep(base, adaptation, shape, each).largest);
}

async function encodeFiles(
  config: TuneConfig,
  { name, fingerprint, config: model }: Model,
  parameters: Parameters<typeof describeAdapter>[1],
): Promise<File[]> {
  const format = methodOf(config.method).peft!;
  const settings = config[format.section as keyof MethodOptions] as AdapterSettings;
  const base = { name: config.base_model_name ?? name, fingerprint, config: model };
  const { config: text, tensors, metadata } = describeAdapter({ format, settings }, parameters, base);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const part of encodeSafetensors(tensors, metadata)) parts.push(part as Uint8Array<ArrayBuffer>);
  return [new File([text], "adapter_config.json"), new File(parts, "adapter_model.safetensors")];
}
