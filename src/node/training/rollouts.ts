/** @file Answers that a model writes itself as it is tuned, with their rewards: the examples of on-policy objectives. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Parameters } from "../../core/adapters/parameters.ts";
import { type BatchOptions, buildMicroBatches, type TokenizedExample } from "../../core/data/batch.ts";
import type { TrainingExample } from "../../core/data/training-example.ts";
import type { LocalGenerator } from "../../core/decoding/batch-generator.ts";
import { type DecodingStrategy, sampling } from "../../core/decoding/sample.ts";
import type { Engine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import type { RolloutOptions } from "../../core/objectives/rollouts.ts";
import { createRandom } from "../../core/random.ts";
import { type ReferencedExample, scoreTexts } from "../../core/training/scored-examples.ts";
import type { WrittenExamples } from "../../core/training/step-loss.ts";
import type { Reward, Rollout } from "../../rewards/reward.ts";
import { readWhole } from "../files/read.ts";
import { makeFolder, writeWhole } from "../files/write.ts";

/** Texts that are written at a time: more take as much longer, and memory for each (docs/decisions/decoding.md). */
export const rolloutRows = 16;
/** Name of the random stream drawn here. */
const rolloutStream = 9;

export interface RolloutSource {
  readonly options: RolloutOptions & { readonly num_generations: number };
  readonly seed: number;
  /** The data's name, for messages. */
  readonly data: string;
  /** Writes with the trained tensors as they are. */
  readonly generator: LocalGenerator;
  readonly engine: Engine;
  readonly batching: BatchOptions;
  /** The trained tensors, which change, and as the run began, where the objective needs a reference. */
  readonly parameters: Parameters;
  readonly beginning: Parameters | undefined;
  /** By the names under which they are logged. */
  readonly rewards: ReadonlyMap<string, Reward>;
  /** Folder of the answers. */
  readonly folder: string;
  /** The prompts of a step, counted from 0 and without those that repeat its answers. */
  promptsOf(step: number): readonly TrainingExample[];
  /** Called as answers are written. */
  onWritten?(done: number, all: number): void;
}

/** An answer as it is kept in the run's folder. */
interface KeptRollout {
  /** Of the problem in the data. */
  readonly line: number;
  readonly text: string;
  readonly truncated: boolean;
  readonly ids: readonly number[];
  readonly rewards?: Readonly<Record<string, number>>;
  /** Log-probabilities of the tokens as they were written, and to the reference, where the objective needs them. */
  readonly old?: readonly number[];
  readonly reference?: readonly number[];
}

/**
 * Gives the examples of steps: for each prompt a group of answers, drawn from the model as it is then, with their rewards. Each draw
 * is a function of the seed, the step, the prompt and the answer's number in its group, so that answers that were lost in the middle are
 * written again alike. Those that are complete are kept in the folder, a file for each step that writes.
 *
 * @returns for a step its examples
 * @throws InputError naming the step and the problem's line if a reward fails, or is no finite number.
 */
export function createRollouts(source: RolloutSource): (step: number) => Promise<WrittenExamples> {
  const { num_iterations, num_generations } = source.options;
  let latest: { readonly step: number; readonly written: WrittenExamples } | undefined;
  return async (step) => {
    const first = step - (step % num_iterations);
    if (latest?.step === first) return latest.written;
    const path = join(source.folder, nameOf(first));
    const prompts = source.promptsOf(first / num_iterations);
    const started = performance.now();
    const kept = readKept(path, prompts.length * num_generations);
    const rollouts = kept ?? (await writeAnswers(source, first, prompts));
    const seconds = (performance.now() - started) / 1000;
    if (!kept) keep(source.folder, first, rollouts);
    const rewarded = await rewardAnswers(source, first, prompts, rollouts);
    if (!kept?.every(({ rewards }) => rewards)) keep(source.folder, first, rewarded);
    const written = { examples: asExamples(source, prompts, rewarded), metrics: measure(rewarded) };
    latest = { step: first, written };
    if (kept) return written;
    const speed = { rollout_seconds: seconds, rollout_tokens_per_second: countTokens(rewarded) / seconds };
    return { ...written, metrics: { ...written.metrics, ...speed } };
  };
}

/** Of a step, counted from 0, the name of the file with its answers. */
const nameOf = (step: number) => `step-${String(step).padStart(8, "0")}.jsonl`;

/**
 * The step, counted from 0, whose answers are written but not judged, as a reward that fails leaves them; undefined if there is none.
 *
 * @param folder of the answers
 * @throws InputError if they are damaged.
 */
export function findUnjudged(folder: string): number | undefined {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const steps = names.flatMap((name) => /^step-(\d+)\.jsonl$/.exec(name)?.[1] ?? []).map(Number);
  const newest = Math.max(...steps);
  const isJudged = readKept(join(folder, nameOf(newest)))?.every(({ rewards }) => rewards) ?? true;
  return isJudged ? undefined : newest;
}

const advice = "remove it, and the answers are written again";

/** Of a step that was interrupted after its answers were written. @throws InputError if they are damaged, or not as many. */
function readKept(path: string, count?: number): KeptRollout[] | undefined {
  const text = readWhole(path, { isOptional: true })?.toString("utf8");
  if (text === undefined) return undefined;
  let rollouts: KeptRollout[];
  try {
    rollouts = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
  } catch (error) {
    throw new InputError(`${path} is damaged; ${advice}.`, { cause: error });
  }
  if (count === undefined || rollouts.length === count) return rollouts;
  throw new InputError(`${path} has ${rollouts.length} answers in place of ${count}; ${advice}.`);
}

function keep(folder: string, step: number, rollouts: readonly KeptRollout[]): void {
  makeFolder(folder);
  writeWhole(join(folder, nameOf(step)), rollouts.map((rollout) => `${JSON.stringify(rollout)}\n`).join(""));
}

/** Of each prompt its answers, one group after the other. */
async function writeAnswers(
  source: RolloutSource,
  step: number,
  prompts: readonly TrainingExample[],
): Promise<KeptRollout[]> {
  const { options, seed, generator, engine, batching, parameters, beginning } = source;
  const { num_generations, num_iterations, max_completion_length, temperature } = options;
  const all = prompts.length * num_generations;
  let done = 0;
  generator.refresh();
  const draw = sampling({ temperature });
  const answers = await Promise.all(
    prompts.flatMap(({ texts: [prompt], problem }, group) =>
      Array.from({ length: num_generations }, async (_, sample) => {
        const random = createRandom(seed, rolloutStream, step, group, sample);
        const strategy: DecodingStrategy = (state, logits) => draw({ ...state, random }, logits);
        const promptIds = [...prompt!.ids];
        const request = { promptIds, maxNewTokens: max_completion_length, strategy };
        const { text, finishReason, ids } = await generator.generate(request);
        source.onWritten?.(++done, all);
        return { line: problem!.line, text, truncated: finishReason === "length", ids };
      }),
    ),
  );
  const texts = answers.map(({ ids }, i) =>
    continueText(prompts[Math.floor(i / num_generations)]!.texts[0]!, ids, 1),
  );
  const batches = buildMicroBatches(texts, batching);
  const scoresBy = async (by: Parameters) => scoreTexts(engine, by, texts, batches);
  const old = num_iterations > 1 ? await scoresBy(parameters) : undefined;
  const reference = beginning && (await scoresBy(beginning));
  return answers.map((answer, i) => ({
    ...answer,
    ...(old && { old: [...old[i]!] }),
    ...(reference && { reference: [...reference[i]!] }),
  }));
}

/** A prompt with its answer. @param mark of the answer's tokens */
function continueText(prompt: TokenizedExample, ids: readonly number[], mark: 0 | 1): TokenizedExample {
  return {
    ids: Int32Array.from([...prompt.ids, ...ids]),
    trained: Uint8Array.from([...prompt.trained, ...ids.map(() => mark)]),
  };
}

async function rewardAnswers(
  { options: { num_generations }, rewards, data }: RolloutSource,
  step: number,
  prompts: readonly TrainingExample[],
  written: readonly KeptRollout[],
): Promise<KeptRollout[]> {
  const rewarded: KeptRollout[] = [];
  for (const [i, { problem }] of prompts.entries()) {
    const kept = written.slice(i * num_generations, (i + 1) * num_generations);
    const group = kept.map(
      ({ text, truncated, ids }): Rollout => ({ problem: problem!, text, truncated, tokens: ids.length }),
    );
    const where = `at step ${step + 1}, for an answer to ${data}, line ${problem!.line},`;
    for (const [sample, rollout] of group.entries()) {
      const answer = kept[sample]!;
      const values: Record<string, number> = {};
      for (const [name, reward] of answer.rewards ? [] : rewards)
        values[name] = await evaluateReward(reward, rollout, group, `"${name}" ${where}`);
      rewarded.push({ rewards: values, ...answer });
    }
  }
  return rewarded;
}

/** @param what which reward, and of what, for messages */
async function evaluateReward(
  reward: Reward,
  rollout: Rollout,
  group: readonly Rollout[],
  what: string,
): Promise<number> {
  const advice = "correct it, and go on with `slimtune resume`: what was written is kept";
  let value: number;
  try {
    value = await reward(rollout, group);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(`The reward ${what} failed (${reason}); ${advice}.`, { cause: error });
  }
  if (Number.isFinite(value)) return value;
  throw new InputError(`The reward ${what} is ${String(value)}, and no finite number; ${advice}.`);
}

function asExamples(
  { options, beginning }: RolloutSource,
  prompts: readonly TrainingExample[],
  rewarded: readonly KeptRollout[],
): ReferencedExample[] {
  const { num_generations, num_iterations, mask_truncated_completions: masks } = options;
  return prompts.map(({ texts: [prompt], weight }, i) => {
    const group = rewarded.slice(i * num_generations, (i + 1) * num_generations);
    const isMasked = ({ truncated }: KeptRollout) => masks && truncated;
    const known = (values: (rollout: KeptRollout) => readonly number[]) =>
      group.map((rollout) => (isMasked(rollout) ? [] : values(rollout)));
    return {
      texts: group.map((rollout) => continueText(prompt!, rollout.ids, isMasked(rollout) ? 0 : 1)),
      rewards: group.map(({ rewards }) => Object.values(rewards!).reduce((sum, value) => sum + value, 0)),
      ...(num_iterations > 1 && { old: known(({ old }) => old!) }),
      ...(beginning && { reference: known(({ reference }) => reference!) }),
      ...(weight !== undefined && { weight }),
    };
  });
}

/** The mean of each reward, and what TRL tells of lengths. */
function measure(rewarded: readonly KeptRollout[]): Record<string, number> {
  const mean = (value: (rollout: KeptRollout) => number) =>
    rewarded.reduce((sum, rollout) => sum + value(rollout), 0) / rewarded.length;
  const names = Object.keys(rewarded[0]!.rewards!);
  return {
    ...Object.fromEntries(
      names.map((name) => [`rewards/${name}/mean`, mean(({ rewards }) => rewards![name]!)]),
    ),
    "completions/mean_length": mean(({ ids }) => ids.length),
    "completions/clipped_ratio": mean(({ truncated }) => (truncated ? 1 : 0)),
  };
}

function countTokens(rollouts: readonly KeptRollout[]): number {
  return rollouts.reduce((sum, { ids }) => sum + ids.length, 0);
}
