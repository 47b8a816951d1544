/** @file What a run reads before its first step: its model, its data, and what its options name besides. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Adaptation } from "../../core/adapters/adaptation.ts";
import { createAdaptation, methodOf } from "../../core/adapters/methods.ts";
import type { Parameters } from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { addMismatched } from "../../core/data/mismatched.ts";
import { countTokens, type TrainingExample } from "../../core/data/training-example.ts";
import { InputError } from "../../core/errors.ts";
import type { Checkpoint } from "../../core/models/checkpoint.ts";
import { chooseTableDtype, fingerprintModel } from "../../core/models/load-weights.ts";
import { adjustChat, type Model } from "../../core/models/model.ts";
import { objectiveOf } from "../../core/objectives/objectives.ts";
import type { Device } from "../../core/runtime/device.ts";
import { withChatSettings } from "../../core/tokenization/chat-template.ts";
import { addSpecialTokens } from "../../core/tokenization/special-tokens.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import { fitSegmentSize } from "../../core/training/device-limits.ts";
import {
  chooseSegmentSize,
  estimateStep,
  findLargestShape,
  type StepExtras,
  type StoredModel,
} from "../../core/training/estimate.ts";
import { planSteps, type StepPlan } from "../../core/training/step-plan.ts";
import { chooseContext } from "../../core/training/training-options.ts";
import type { Reward } from "../../rewards/reward.ts";
import { readAdapter } from "../adapters/peft-files.ts";
import { resolveDataset } from "../data/hub-dataset.ts";
import { type Dataset, type DatasetReport, loadDataset } from "../data/load-dataset.ts";
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
  checkVocabulary,
  extrasOf,
  promptsOf,
  type TextSource,
  teacherAsStored,
  windowsOfText,
} from "./divergence-terms.ts";
import { findAdapter } from "./initial-adapter.ts";
import { loadRewards, type OwnRewards } from "./load-rewards.ts";
import { chatSettingsOf, type RunConfig, rolloutsOf } from "./run-config.ts";
import { encodeSamplePrompts, type SamplePrompt } from "./samples.ts";
import { answerPrompts, hasPromptsAlone } from "./teacher-answers.ts";

/** Says what is being prepared, such as "reading the data". */
export interface InputEvents {
  onStage?(stage: string): void;
  readonly rewards?: OwnRewards;
  adapt?(adaptation: Adaptation): Adaptation;
  readonly signal?: AbortSignal;
}

/** The tokens whose rows are trained by name: those that the tokenizer lacked, and those that it had. */
export interface NamedTokens {
  readonly added: readonly string[];
  readonly existing: readonly string[];
}

export interface RunInputs {
  /** The run's options, with the ids of the tokens that it trains. */
  readonly config: RunConfig;
  readonly tokens?: NamedTokens;
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
  /** By which the model's own answers are judged, where it learns from them. */
  readonly rewards?: ReadonlyMap<string, Reward>;
  readonly rewardSha256?: string;
  /** That the model answers as it is tuned. */
  readonly samplePrompts: readonly SamplePrompt[];
}

/** Reads model and data, the cheap checks first: nothing is written and no weight is loaded before they pass. */
export async function readInputs(given: RunConfig, events: InputEvents): Promise<RunInputs> {
  const device = await checkDevice(openRunDevice(given));
  const rollouts = rolloutsOf(given);
  const rewarded = rollouts && (await loadRewards(rollouts, events.rewards));
  const modelPath = await resolveModel(given.model, { revision: given.revision });
  const givenPath = await resolveDataset(given.data, given.data_split);
  const isAnswered = given.teacher === undefined || !(await hasPromptsAlone(givenPath, given));
  const checkpoint = await openCheckpoint(modelPath);
  try {
    const { extension, ...beginning } =
      given.adapter === undefined
        ? await nameTokens(given, checkpoint)
        : await readInitialAdapter(given, checkpoint);
    const { config } = beginning;
    const vocabSize = extension?.vocabSize ?? checkpoint.config.vocabSize;
    const ofMethod = createAdaptation(config, { ...checkpoint.config, vocabSize });
    const adaptation = events.adapt?.(ofMethod) ?? ofMethod;
    const tokenizer = extension?.tokenizer?.tokenizer ?? (await checkpoint.tokenizer());
    const student = { tokenizer, vocabSize };
    const answering = isAnswered ? undefined : await openTeacher(given.teacher!, student, events);
    const dataPath = answering
      ? await answerPrompts(given, givenPath, answering.model, device, events)
      : givenPath;
    const { examples, report } = await readExamples(
      config,
      dataPath,
      { config: checkpoint.config, tokenizer: async () => tokenizer },
      events,
    );
    const steps = planRun(config, examples);
    const chatting = withChatSettings(tokenizer, chatSettingsOf(config));
    const samplePrompts = encodeSamplePrompts(config, chatting, checkpoint.config, report);
    const kept = await readKept(config, tokenizer, checkpoint.config, examples);
    const teacher =
      answering ??
      (config.teacher === undefined ? undefined : await openTeacher(config.teacher, student, events));
    const longest = longestText(config, report);
    const extras = extrasOf(config, teacher?.stored, longest);
    const picked = pickSegmentSize(config, checkpoint, adaptation, longest, findUsableMemory(), extras);
    const shape = findLargestShape(config.micro_batch_tokens, longest);
    const segmentSize = await fitSegmentSize(
      device,
      picked,
      config.segment_size === "auto",
      (size) => estimateStep(storedBase(config, checkpoint), adaptation, shape, size, extras).largest,
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
      ...rewarded,
      samplePrompts,
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
  student: { readonly tokenizer: Tokenizer; readonly vocabSize: number },
  events: InputEvents,
): Promise<{ readonly model: Model; readonly stored: StoredModel }> {
  const checkpoint = await openCheckpoint(await resolveModel(name));
  try {
    const ofTeacher = { tokenizer: await checkpoint.tokenizer(), vocabSize: checkpoint.config.vocabSize };
    checkVocabulary(ofTeacher, student, name);
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
 * @param limit rows that are read at most
 * @throws InputError as `loadDataset` does, or if the context is longer than the model's.
 */
export async function readExamples(
  config: RunConfig,
  path: string,
  checkpoint: Pick<Checkpoint, "config" | "tokenizer">,
  events: InputEvents = {},
  limit = Number.POSITIVE_INFINITY,
): Promise<Dataset> {
  events.onStage?.("reading the data");
  return loadDataset(path, {
    tokenizer: withChatSettings(await checkpoint.tokenizer(), chatSettingsOf(config)),
    context: roomOf(config, checkpoint.config),
    overlong: config.overlong,
    learnsFrom: objectiveOf(config.objective).learnsFrom,
    trainOn: config.train_on,
    applyChatTemplate: config.apply_chat_template,
    stepSeparator: config.step_separator,
    fields: config.fields,
    limit,
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

/** The longest text that the data may hold: of prompts, the context less the longest answer. @throws InputError if that is nothing. */
function roomOf(config: RunConfig, model: ModelConfig): number {
  const context = chooseContext(config.context, config.model, model);
  const answer = rolloutsOf(config)?.max_completion_length ?? 0;
  if (answer < context) return context - answer;
  throw new InputError(
    `Answers of ${answer} tokens leave no room for a prompt in the context of ${context}; lower "max_completion_length".`,
  );
}

/** The longest text of a run's steps, in tokens. */
export function longestText(config: RunConfig, { longest }: Pick<DatasetReport, "longest">): number {
  return longest + (rolloutsOf(config)?.max_completion_length ?? 0);
}

/** The steps of a run: those that repeat a step's answers with it, and of answers the longest that there may be. */
export function planRun(config: RunConfig, examples: readonly TrainingExample[]): StepPlan {
  const rollouts = rolloutsOf(config);
  if (!rollouts) return planSteps(config, examples.map(countTokens));
  const { num_iterations, num_generations, max_completion_length } = rollouts;
  const options = {
    ...config,
    num_train_epochs: num_iterations * config.num_train_epochs,
    validation: 0,
  };
  const lengths = examples.map((example) => num_generations * (countTokens(example) + max_completion_length));
  return planSteps(options, lengths);
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

function hashTokens(examples: readonly TrainingExample[]): string {
  const hash = createHash("sha256");
  for (const { texts, weight, label, stepLabels, problem } of examples) {
    for (const { ids, trained } of texts) hash.update(Uint32Array.of(ids.length)).update(ids).update(trained);
    if (weight !== undefined || label !== undefined) hash.update(JSON.stringify([weight, label]));
    if (stepLabels) hash.update(JSON.stringify(stepLabels));
    if (problem) hash.update(JSON.stringify(problem.answer));
  }
  return hash.digest("hex");
}

/**
 * The segment size that a run asks for or, with "auto", that suits the memory.
 *
 * @param longestExample in tokens
 * @param memoryBytes that it has to stay within
 * @throws InputError if the model has fewer blocks than are asked for.
 */
export function pickSegmentSize(
  config: RunConfig,
  checkpoint: Checkpoint,
  adaptation: Adaptation,
  longestExample: number,
  memoryBytes = findUsableMemory(),
  extras: StepExtras = {},
): number {
  const { segment_size, micro_batch_tokens } = config;
  const { numHiddenLayers } = checkpoint.config;
  if (segment_size !== "auto") {
    if (segment_size <= numHiddenLayers) return segment_size;
    throw new InputError(
      `"segment_size" is ${segment_size}, but the model has ${numHiddenLayers} blocks; give a number up to that, or "auto".`,
    );
  }
  const shape = findLargestShape(micro_batch_tokens, longestExample);
  return chooseSegmentSize(storedBase(config, checkpoint), adaptation, shape, memoryBytes, extras);
}

/** The base model as a run keeps it, for estimates. */
export function storedBase(
  { storage, arithmetic, weights_on_disk }: RunConfig,
  checkpoint: Checkpoint,
): StoredModel {
  return {
    config: checkpoint.config,
    storage,
    tableDtype: chooseTableDtype(checkpoint, storage),
    weightsOnDisk: weights_on_disk,
    ...(arithmetic === "int8" && { inputBits: 8 }),
  };
}

export function openRunDevice({ device, threads }: RunConfig): Device {
  return openDevice(device, threads === undefined ? {} : { threads });
}
