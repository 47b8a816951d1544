/** @file A tuning run from its options to its folder, and on from a checkpoint. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";
import { type Adaptation, frozen } from "../../core/adapters/adaptation.ts";
import type { AdaptedModel, Adapter } from "../../core/adapters/adapted-model.ts";
import { createAdaptation, methodOf } from "../../core/adapters/methods.ts";
import {
  initializeParameters,
  listParameters,
  type Parameters,
  trainedOf,
} from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { countParameters } from "../../core/architectures/modules.ts";
import type { BatchOptions } from "../../core/data/batch.ts";
import { addMismatched } from "../../core/data/mismatched.ts";
import { countTokens, type TrainingExample } from "../../core/data/training-example.ts";
import { createEngine, type Engine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import type { Checkpoint } from "../../core/models/checkpoint.ts";
import { chooseTableDtype, fingerprintModel } from "../../core/models/load-weights.ts";
import { adjustChat, type Model } from "../../core/models/model.ts";
import type { DistillOptions } from "../../core/objectives/distill.ts";
import { objectiveOf } from "../../core/objectives/objectives.ts";
import type { Device } from "../../core/runtime/device.ts";
import { makeInterruptible } from "../../core/runtime/interruptible.ts";
import { withChatSettings } from "../../core/tokenization/chat-template.ts";
import { addSpecialTokens } from "../../core/tokenization/special-tokens.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import { createMoments } from "../../core/training/adamw.ts";
import {
  chooseSegmentSize,
  findLargestShape,
  type StepExtras,
  type StoredModel,
} from "../../core/training/estimate.ts";
import {
  type EvaluationMetrics,
  type LoopOutcome,
  type LoopPlan,
  runTrainingLoop,
  type TrainingState,
} from "../../core/training/loop.ts";
import type { ReferencedExample } from "../../core/training/scored-examples.ts";
import { estimateSecondsLeft, listSeen, planSteps, type StepPlan } from "../../core/training/step-plan.ts";
import { warn } from "../../core/warnings.ts";
import { readAdapter } from "../adapters/peft-files.ts";
import { resolveDataset } from "../data/hub-dataset.ts";
import { type Dataset, type DatasetReport, loadDataset } from "../data/load-dataset.ts";
import { computeEfficiency, type Efficiency } from "../efficiency/efficiency.ts";
import { watchResources } from "../efficiency/resource-watch.ts";
import { checkEntries } from "../files/folder.ts";
import { withLock } from "../files/lock.ts";
import { openCheckpoint } from "../models/checkpoint.ts";
import {
  extendVocabulary,
  readModelTokenizer,
  type VocabularyExtension,
} from "../models/extend-vocabulary.ts";
import { resolveModel } from "../models/hub-model.ts";
import { loadModel } from "../models/open-model.ts";
import { findUsableMemory } from "../runtime/memory.ts";
import { checkDevice, openDevice } from "../runtime/onnx-runtime.ts";
import {
  initialRunProgress,
  listCheckpoints,
  type RunProgress,
  readCheckpoint,
  removeOldCheckpoints,
  writeCheckpoint,
} from "./checkpoint.ts";
import {
  checkVocabulary,
  distillationTerm,
  extrasOf,
  keepTerm,
  promptsOf,
  type TextSource,
  teacherAsStored,
  windowsOfText,
} from "./divergence-terms.ts";
import { completeOptions, findAdapter } from "./initial-adapter.ts";
import { openMetricsLog, type RunStepMetrics, readMetrics } from "./metrics-log.ts";
import { addReference } from "./reference-scores.ts";
import { chatSettingsOf, objectiveOfRun, type RunConfig, type RunOptions } from "./run-config.ts";
import {
  beginRun,
  checkInputs,
  checkRunFolder,
  openRunFolder,
  type RunFolder,
  writeEfficiency,
} from "./run-folder.ts";
import { openEventLog } from "./tensorboard.ts";
import { writeResult } from "./write-result.ts";

/** What a run tells while it goes on. */
export interface RunEvents {
  /** What is being prepared, such as "reading the data". */
  onStage?(stage: string): void;
  /** The run as planned, before its first step. */
  onPlan?(plan: RunPlan): void;
  /** @param secondsLeft until the end of the run, evaluations included */
  onStep?(metrics: RunStepMetrics, progress: RunProgress, secondsLeft: number): void;
  onEvaluation?(metrics: EvaluationMetrics): void;
  /** Aborting it ends the run as soon as a program has run, with a checkpoint of the last whole step. */
  readonly signal?: AbortSignal;
}

export interface RunPlan {
  readonly config: RunConfig;
  readonly dataset: DatasetReport;
  readonly heldOut: number;
  readonly totalSteps: number;
  /** How often the held-out loss is looked at in the whole run. */
  readonly evaluations: number;
  readonly segmentSize: number;
  readonly trainableParameters: number;
  /** The tokens whose rows are trained by name: those that the tokenizer lacked, and those that it had. */
  readonly tokens?: { readonly added: readonly string[]; readonly existing: readonly string[] };
}

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

/**
 * Goes on with a run that was interrupted, from its last checkpoint. The result equals that of a run that was not,
 * bit for bit on the same machine.
 *
 * @throws InputError if `path` is not a run's folder, or its model or data have changed.
 * @example
 * const { outcome } = await resumeRun("runs/faq");
 */
export async function resumeRun(path: string, events: RunEvents = {}): Promise<RunResult> {
  const { folder, config: recorded } = openRunFolder(path);
  const config = completeOptions(recorded, folder.config);
  checkEntries(path);
  const inputs = await readInputs(config, events);
  checkInputs(folder, inputs);
  return withLock(path, "run", () => train(folder, inputs, events));
}

interface RunInputs {
  /** The run's options, with the ids of the tokens that it trains. */
  readonly config: RunConfig;
  readonly tokens?: NonNullable<RunPlan["tokens"]>;
  readonly model: Model;
  readonly modelFingerprint: string;
  readonly dataSha256: string;
  readonly tokensSha256: string;
  readonly adapterSha256?: string;
  readonly adaptation: Adaptation;
  /** The tensors of the adapter that the run goes on with. */
  readonly initial?: Parameters;
  readonly examples: readonly TrainingExample[];
  readonly report: DatasetReport;
  readonly steps: StepPlan;
  readonly segmentSize: number;
  /** Whose predictions are imitated. */
  readonly teacher?: Model;
  readonly teacherFingerprint?: string;
  /** On which the model is kept near its beginning. */
  readonly keptTexts?: TextSource;
  readonly keepTextSha256?: string;
}

/** Reads model and data, the cheap checks first: nothing is written and no weight is loaded before they pass. */
async function readInputs(given: RunConfig, events: RunEvents): Promise<RunInputs> {
  await checkDevice(openRunDevice(given));
  const modelPath = await resolveModel(given.model, { revision: given.revision });
  const dataPath = await resolveDataset(given.data, given.data_split);
  const checkpoint = await openCheckpoint(modelPath);
  try {
    const { extension, ...beginning } =
      given.adapter === undefined
        ? await nameTokens(given, checkpoint)
        : await readInitialAdapter(given, checkpoint);
    const { config } = beginning;
    const vocabSize = extension?.vocabSize ?? checkpoint.config.vocabSize;
    const adaptation = createAdaptation(config, { ...checkpoint.config, vocabSize });
    const tokenizer = extension?.tokenizer?.tokenizer ?? (await checkpoint.tokenizer());
    const { examples, report } = await readExamples(
      config,
      dataPath,
      { config: checkpoint.config, tokenizer: async () => tokenizer },
      events,
    );
    const steps = planSteps(config, examples.map(countTokens));
    const kept = await readKept(config, tokenizer, checkpoint.config, examples);
    const teacher =
      config.teacher === undefined ? undefined : await openTeacher(config.teacher, tokenizer, events);
    const segmentSize = pickSegmentSize(
      config,
      checkpoint,
      adaptation,
      report.longest,
      findUsableMemory(),
      extrasOf(config, teacher?.stored),
    );
    const base = await loadModel(config.model, checkpoint, {
      storage: config.storage,
      doubleQuantization: config.double_quantization,
      weightsOnDisk: config.weights_on_disk,
      onProgress: (share) => events.onStage?.(`loading the model: ${Math.round(100 * share)} %`),
    });
    const model = extension ? await extendVocabulary(base, extension) : base;
    return {
      ...beginning,
      model: adjustChat(model, chatSettingsOf(config)),
      modelFingerprint: model.fingerprint,
      dataSha256: await hashFile(dataPath),
      tokensSha256: hashTokens(examples),
      adaptation,
      examples: pairMismatched(
        config,
        examples,
        steps,
        chooseContext(config.context, config.model, checkpoint.config),
      ),
      report,
      steps,
      segmentSize,
      ...(teacher && { teacher: teacher.model, teacherFingerprint: teacher.model.fingerprint }),
      ...kept,
    };
  } finally {
    checkpoint.close();
  }
}

/** The texts on which the model is kept near its beginning. @throws InputError if there are none. */
async function readKept(
  { keep, keep_text: path, data, seed }: RunConfig,
  tokenizer: Tokenizer,
  model: ModelConfig,
  examples: readonly TrainingExample[],
): Promise<Pick<RunInputs, "keptTexts" | "keepTextSha256">> {
  if (keep === 0) return {};
  if (path === undefined) return { keptTexts: promptsOf(examples, data, seed) };
  const keptTexts = windowsOfText(path, { tokenizer, config: model, seed });
  return { keptTexts, keepTextSha256: await hashFile(path) };
}

/** The examples, with another one's answer beside each where the objective compares unpaired answers. */
function pairMismatched(
  { objective, batch_size }: RunConfig,
  examples: readonly TrainingExample[],
  { training, heldOut }: StepPlan,
  context: number,
): readonly TrainingExample[] {
  if (objectiveOf(objective).learnsFrom !== "unpaired") return examples;
  if (batch_size === 1) {
    throw new InputError(
      `Objective "${objective}" compares answers with those of others in their batch; set "batch_size" to at least 2.`,
    );
  }
  const paired = [...examples];
  const addTo = (indices: readonly number[], batchSize: number) => {
    const some = indices.map((index) => examples[index]!);
    for (const [i, example] of addMismatched(some, batchSize, context).entries())
      paired[indices[i]!] = example;
  };
  addTo(training, batch_size);
  addTo(heldOut, heldOut.length);
  return paired;
}

/** @throws InputError if there is no such model, or it has another vocabulary. */
async function openTeacher(
  name: string,
  tokenizer: Tokenizer,
  events: RunEvents,
): Promise<{ readonly model: Model; readonly stored: StoredModel }> {
  const checkpoint = await openCheckpoint(await resolveModel(name));
  try {
    checkVocabulary(await checkpoint.tokenizer(), tokenizer, name);
    const model = await loadModel(name, checkpoint, {
      onProgress: (share) => events.onStage?.(`loading the teacher: ${Math.round(100 * share)} %`),
    });
    return { model, stored: teacherAsStored(checkpoint) };
  } finally {
    checkpoint.close();
  }
}

/** What the options and the adapter that a run goes on with say before the model is loaded. */
export interface RunBeginning extends Pick<RunInputs, "config" | "tokens" | "initial" | "adapterSha256"> {
  readonly extension?: VocabularyExtension;
}

/** Finds the tokens that a run trains by name, and gives the tokenizer those that it lacks. */
export async function nameTokens(config: RunConfig, checkpoint: Checkpoint): Promise<RunBeginning> {
  const { path, config: model } = checkpoint;
  const { withTokens } = methodOf(config.method);
  if (!config.train_tokens || !withTokens) return { config };
  const named = addSpecialTokens(await readModelTokenizer(path), config.train_tokens, path);
  const { ids, added, existing, tokenizer } = named;
  const vocabSize = Math.max(model.vocabSize, tokenizer.vocabularySize);
  return {
    config: { ...config, ...withTokens(config, ids, model) },
    tokens: { added, existing },
    ...(added.length > 0 && { extension: { vocabSize, tokenizer: named } }),
  };
}

/**
 * The examples of a run as tokens.
 *
 * @param path of their file
 * @throws InputError as `loadDataset` does, or if the context is longer than the model's.
 */
export async function readExamples(
  config: RunConfig,
  path: string,
  checkpoint: Pick<Checkpoint, "config" | "tokenizer">,
  events: RunEvents = {},
): Promise<Dataset> {
  events.onStage?.("reading the data");
  return loadDataset(path, {
    tokenizer: withChatSettings(await checkpoint.tokenizer(), chatSettingsOf(config)),
    context: chooseContext(config.context, config.model, checkpoint.config),
    overlong: config.overlong,
    learnsFrom: objectiveOf(config.objective).learnsFrom,
    trainOn: config.train_on,
    applyChatTemplate: config.apply_chat_template,
    fields: config.fields,
    onProgress: (count) => events.onStage?.(`reading the data: ${count} examples`),
  });
}

async function readInitialAdapter(config: RunConfig, checkpoint: Checkpoint): Promise<RunBeginning> {
  const folder = findAdapter(config.adapter!);
  const adapter = await readAdapter(folder, checkpoint.config, await fingerprintModel(checkpoint));
  return {
    config,
    initial: adapter.parameters,
    adapterSha256: await hashFile(join(folder, "adapter_model.safetensors")),
    ...(adapter.extension && { extension: adapter.extension }),
  };
}

/**
 * The longest example: as given, or what the model was made for, 2,048 tokens at most.
 *
 * @param model its name, for the message
 * @throws InputError if the model was made for less than is given.
 */
export function chooseContext(
  context: number | undefined,
  model: string,
  { maxPositionEmbeddings }: ModelConfig,
): number {
  if (context === undefined) return Math.min(2048, maxPositionEmbeddings);
  if (context <= maxPositionEmbeddings) return context;
  throw new InputError(
    `The context of ${context} tokens is longer than the ${maxPositionEmbeddings} that ${model} was made for; lower "context".`,
  );
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

function hashTokens(examples: readonly TrainingExample[]): string {
  const hash = createHash("sha256");
  for (const { texts, weight, label } of examples) {
    for (const { ids, trained } of texts) hash.update(Uint32Array.of(ids.length)).update(ids).update(trained);
    if (weight !== undefined || label !== undefined) hash.update(JSON.stringify([weight, label]));
  }
  return hash.digest("hex");
}

function openRunDevice({ device, threads }: RunConfig): Device {
  return openDevice(device, threads === undefined ? {} : { threads });
}

async function train(folder: RunFolder, inputs: RunInputs, events: RunEvents): Promise<RunResult> {
  const { config, model, adaptation, steps, segmentSize } = inputs;
  const device = openRunDevice(config);
  const interruptible = events.signal ? makeInterruptible(device, events.signal) : device;
  const createTuned = (size: number) =>
    createEngine(interruptible, model.config, model.weights, adaptation, { segmentSize: size });
  const engine = createTuned(segmentSize);
  // A divergence is computed by segments in any case, and those of one block need the least memory.
  const keeping = config.keep > 0 ? createTuned(1) : undefined;
  const teacher =
    inputs.teacher &&
    createEngine(interruptible, inputs.teacher.config, inputs.teacher.weights, frozen, { segmentSize: 1 });
  try {
    const { parameters, initial } = await begin(device, inputs, events);
    const state: TrainingState<RunProgress> = {
      parameters,
      moments: createMoments(parameters),
      progress: initialRunProgress,
    };
    const examples = await referTo(inputs, folder, engine, parameters, events);
    const divergences = [
      ...(teacher ? [distillationTerm(config as DistillOptions, teacher)] : []),
      ...(keeping ? [keepTerm(config.keep, keeping, copyOf(parameters), inputs.keptTexts!, steps)] : []),
    ];
    const newest = listCheckpoints(folder.checkpoints).at(-1);
    if (newest !== undefined) {
      state.progress = await readCheckpoint(folder.checkpoints, newest, parameters, state.moments);
      // A process that was ended after it wrote the newest did not come to this.
      removeOldCheckpoints(folder.checkpoints, state.progress.best?.step);
    }
    const plan = { ...planLoop(inputs, examples), divergences };
    events.onPlan?.({
      config,
      dataset: inputs.report,
      heldOut: steps.heldOut.length,
      totalSteps: steps.totalSteps,
      evaluations: steps.evaluations,
      segmentSize,
      trainableParameters: [...trainedOf(parameters).values()].reduce(
        (sum, { data }) => sum + data.length,
        0,
      ),
      ...(inputs.tokens && { tokens: inputs.tokens }),
    });
    const parameterCount = countAllParameters(model.config, { adaptation, parameters });
    const measure = () => computeEfficiency(state.progress, state.progress.usage, parameterCount);
    const outcome = await runAndLog(engine, plan, state, { folder, steps, events, measure });
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
    await engine.release();
    await keeping?.release();
    await teacher?.release();
  }
}

/** The examples with the log-probabilities that the model gives them as the run begins, where the objective needs them: those that it sees. */
async function referTo(
  { config, examples, steps }: RunInputs,
  folder: RunFolder,
  engine: Engine,
  parameters: Parameters,
  events: RunEvents,
): Promise<readonly ReferencedExample[]> {
  if (!objectiveOfRun(config).usesReference) return examples;
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

function copyOf(parameters: Parameters): Parameters {
  return new Map(
    [...parameters].map(([name, parameter]) => [name, { ...parameter, data: parameter.data.slice() }]),
  );
}

function batchingOf({ micro_batch_tokens, packing }: RunConfig): BatchOptions {
  return { microBatchTokens: micro_batch_tokens, packing };
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
    ? asAdapted(given, listParameters(model.config, adaptation))
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

/** Tensors of an adapter, with those frozen that the run's method freezes. */
function asAdapted(given: Parameters, listed: ReturnType<typeof listParameters>): Parameters {
  return new Map(
    listed.map(({ name, dims, isFrozen }) => [
      name,
      { dims, ...(isFrozen && { isFrozen }), data: given.get(name)!.data },
    ]),
  );
}

/**
 * The segment size that a run asks for or, with "auto", that suits the memory.
 *
 * @param longestExample in tokens
 * @param memoryBytes that it has to stay within
 * @throws InputError if the model has fewer blocks than are asked for.
 */
export function pickSegmentSize(
  { segment_size, storage, micro_batch_tokens, weights_on_disk }: RunConfig,
  checkpoint: Checkpoint,
  adaptation: Adaptation,
  longestExample: number,
  memoryBytes = findUsableMemory(),
  extras: StepExtras = {},
): number {
  const { config } = checkpoint;
  if (segment_size !== "auto") {
    if (segment_size <= config.numHiddenLayers) return segment_size;
    throw new InputError(
      `"segment_size" is ${segment_size}, but the model has ${config.numHiddenLayers} blocks; give a number up to that, or "auto".`,
    );
  }
  const tableDtype = chooseTableDtype(checkpoint, storage);
  const base = { config, storage, tableDtype, weightsOnDisk: weights_on_disk };
  return chooseSegmentSize(
    base,
    adaptation,
    findLargestShape(micro_batch_tokens, longestExample),
    memoryBytes,
    extras,
  );
}

function planLoop({ config, steps }: RunInputs, examples: readonly ReferencedExample[]): LoopPlan {
  const examplesAt = (indices: readonly number[]) => indices.map((index) => examples[index]!);
  const { sampler, totalSteps } = steps;
  return {
    totalSteps,
    stepsPerEpoch: sampler.stepsPerEpoch,
    objective: objectiveOfRun(config),
    examplesOf: (step) => examplesAt(sampler.examplesOf(step).map((index) => steps.training[index]!)),
    heldOut: examplesAt(steps.heldOut),
    batching: batchingOf(config),
    evalSteps: steps.evalSteps,
    saveSteps: config.save_steps ?? Math.max(1, Math.ceil(totalSteps / 20)),
    earlyStoppingPatience: config.early_stopping_patience,
    optimizer: {
      beta1: config.adam_beta1,
      beta2: config.adam_beta2,
      epsilon: config.adam_epsilon,
      weightDecay: config.weight_decay,
    },
    learningRate: config.learning_rate,
    learningRateFactor: methodOf(config.method).learningRateFactor?.(config),
    optimizerStep: methodOf(config.method).optimizerStep?.(config),
    scheduler: config.lr_scheduler_type,
    warmupSteps: Math.ceil(config.warmup_ratio * totalSteps),
    maxGradNorm: config.max_grad_norm,
    seed: config.seed,
  };
}

/** Runs the loop with its metrics written to metrics.jsonl, efficiency.json and TensorBoard's files. */
async function runAndLog(
  engine: Engine,
  plan: LoopPlan,
  state: TrainingState<RunProgress>,
  {
    folder,
    steps,
    events,
    measure,
  }: { folder: RunFolder; steps: StepPlan; events: RunEvents; measure: () => Efficiency | undefined },
): Promise<LoopOutcome> {
  const metrics = openMetricsLog(folder.metrics, state.progress);
  const tensorboard = openEventLog(folder.tensorboard);
  const watch = watchResources(state.progress.usage);
  let evaluationSeconds: number | undefined;
  let hasWarned = false;
  let before = readMetrics(folder.metrics).find((line) => "eval_loss" in line);
  try {
    return await runTrainingLoop(engine, plan, state, {
      ...(events.signal && { signal: events.signal }),
      onStep(step) {
        const line = { ...step, peak_rss_bytes: process.resourceUsage().maxRSS * 1024 };
        metrics.append(line);
        const { loss, learning_rate, grad_norm, metrics: more } = line;
        const values = { loss, learning_rate, grad_norm, ...more };
        tensorboard.append(line.step, prefixNames("train", values));
        const secondsLeft = estimateSecondsLeft(steps, state.progress, evaluationSeconds);
        events.onStep?.(line, state.progress, secondsLeft);
      },
      onEvaluating: (done, batches) => events.onStage?.(`held-out loss: ${done}/${batches}`),
      onEvaluation(line) {
        metrics.append(line);
        evaluationSeconds = line.seconds;
        before ??= line;
        if (!hasWarned) hasWarned = warnOfChosen(before, line);
        tensorboard.append(line.step, prefixNames("eval", { loss: line.eval_loss, ...line.metrics }));
        events.onEvaluation?.(line);
      },
      async save() {
        // The sums belong to the checkpoint: a run that goes on from it does not count later steps twice.
        state.progress = { ...state.progress, usage: watch.usage() };
        await writeCheckpoint(folder.checkpoints, state.progress, state.parameters, state.moments);
        const efficiency = measure();
        if (efficiency) writeEfficiency(folder, efficiency);
      },
    });
  } finally {
    watch.stop();
    metrics.close();
    tensorboard.close();
  }
}

/** Warns, and says whether it did, if a loss of margins was lowered by making both answers of pairs less likely (Pal et al. 2024). */
function warnOfChosen(before: EvaluationMetrics, { metrics, step }: EvaluationMetrics): boolean {
  const [was, is] = [before.metrics, metrics].map((each) => each?.["logps/chosen"]);
  if (was === undefined || is === undefined || is >= was - 0.01 * Math.abs(was)) return false;
  warn(
    `At step ${step} the chosen answers are less likely than before tuning (${is.toFixed(1)} nats, from ${was.toFixed(1)}), so the margin grows only because the rejected ones lose more; a lower learning_rate, a higher beta, or objective "orpo" or "cpo", which imitate the chosen answers as well, hold them.`,
  );
  return true;
}

function prefixNames(prefix: string, values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]));
}
