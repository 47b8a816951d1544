/** @file The results of an evaluation in the schema of lm-evaluation-harness 0.4.12, and what that lacks beside it. */

import { cpus, totalmem } from "node:os";
import { computeInferenceEfficiency } from "../node/efficiency/efficiency.ts";
import type { ResourceUsage } from "../node/efficiency/resource-watch.ts";
import type { Evaluation, NamedScore, TaskEvaluation, TaskGroup } from "./evaluate.ts";
import { metrics, type TaskMetric } from "./metrics/metrics.ts";
import { type ModelIdentity, slimtuneVersion } from "./model-identity.ts";
import { hash, hashSamples, type SampleLine } from "./samples.ts";

/** What shapes the prompts, by the harness's names. */
export interface EvaluationSettings {
  /** The first items of each task that are asked; null for all. */
  readonly limit: number | null;
  /** Null for each task's own number. */
  readonly num_fewshot: number | null;
  readonly apply_chat_template: boolean;
  readonly fewshot_as_multiturn: boolean;
  readonly system_instruction: string | null;
  readonly fewshot_seed: number;
  /** What chooses the examples of each item; absent where they are drawn. */
  readonly fewshot_by?: string;
  /** Of a template in place of the model's own. */
  readonly chat_template_sha?: string;
  /** The day that prompts name, if the chat template prints one. */
  readonly date?: string;
}

export interface EvaluationContext {
  readonly model: ModelIdentity;
  readonly settings: EvaluationSettings;
  readonly batchSize: number | null;
  /** Tokens that the model sees at a time. */
  readonly maxLength: number;
  /** The template that was applied, if one was. */
  readonly chatTemplate: string | undefined;
  readonly startedAt: Date;
  /** Wall time, with loading the model and preparing the tasks. */
  readonly totalSeconds: number;
  /** Different requests that were computed for it, and such as had been answered before. */
  readonly requests: { readonly asked: number; readonly found: number };
  /** What was used while the model was asked; absent if other processes have answered. */
  readonly usage?: ResourceUsage;
  /** The machines of workers that have answered, in words. */
  readonly machines?: readonly string[];
}

export type Results = ReturnType<typeof describeResults>;

/** The results as they are written; `samples` are each task's lines, by its name. */
export function describeResults(
  { tasks, groups, tokens, seconds, secondsWriting }: Evaluation,
  samples: ReadonlyMap<string, readonly SampleLine[]>,
  { model, settings, requests, ...context }: EvaluationContext,
) {
  /** An entry for each task. */
  const ofTasks = <T>(describe: (evaluation: TaskEvaluation) => T): Record<string, T> =>
    Object.fromEntries(tasks.map((evaluation) => [evaluation.task.name, describe(evaluation)]));
  /** An entry for each group, from those of its tasks. */
  const ofGroups = <T>(
    describe: (group: TaskGroup, members: readonly TaskEvaluation[], scores: readonly NamedScore[]) => T,
  ): Record<string, T> =>
    Object.fromEntries(
      groups.map(({ group, scores }) => {
        const members = tasks.filter(({ task }) => group.tasks.includes(task.name));
        return [group.name, describe(group, members, scores)];
      }),
    );

  const groupResults = ofGroups((group, members, scores) => ({
    alias: group.name,
    name: group.name,
    sample_len: members.reduce((sum, { task }) => sum + task.instances.length, 0),
    ...describeScores(scores),
    sample_count: Object.fromEntries(scores.map((score) => [nameScore(score), score.size])),
  }));
  const modelName = model.adapter?.path ?? model.name;

  return {
    results: {
      ...ofTasks(({ task, scores }) => ({
        name: task.name,
        alias: task.name,
        sample_len: task.instances.length,
        ...describeScores(scores),
      })),
      ...groupResults,
    },
    ...(groups.length > 0 && { groups: groupResults }),
    group_subtasks: ofGroups((group) => group.tasks),
    configs: sortKeys(ofTasks(({ task }) => task.config)),
    versions: sortKeys({
      ...ofTasks(({ task }) => readVersion(task.version)),
      ...ofGroups((group) => group.version),
    }),
    "n-shot": sortKeys({
      ...ofTasks(({ task }) => task.numFewshot),
      ...ofGroups((_, members) => sharedShots(members)),
    }),
    higher_is_better: sortKeys({
      ...ofTasks(({ task }) => describeDirections(task.metrics)),
      ...ofGroups((_, members) => describeDirections(members.flatMap(({ task }) => task.metrics))),
    }),
    "n-samples": ofTasks(({ task }) => ({ original: task.size, effective: task.instances.length })),
    config: {
      model: "slimtune",
      model_args: {
        pretrained: model.name,
        ...(model.adapter && { peft: model.adapter.path }),
        storage: model.storage,
        ...(model.arithmetic && { arithmetic: model.arithmetic }),
      },
      batch_size: context.batchSize,
      batch_sizes: [],
      device: model.device ?? "cpu",
      use_cache: null,
      limit: settings.limit,
      bootstrap_iters: 0,
      gen_kwargs: null,
      random_seed: settings.fewshot_seed,
      numpy_seed: settings.fewshot_seed,
      torch_seed: settings.fewshot_seed,
      fewshot_seed: settings.fewshot_seed,
    },
    git_hash: null,
    date: context.startedAt.getTime() / 1000,
    pretty_env_info: describeMachine(),
    transformers_version: "N/A",
    lm_eval_version: "N/A",
    upper_git_hash: null,
    max_length: context.maxLength,
    task_hashes: Object.fromEntries([...samples].map(([name, lines]) => [name, hashSamples(lines)])),
    model_source: "slimtune",
    model_name: modelName,
    model_name_sanitized: modelName.replace(/["<>:/|\\?*[\]]+/g, "__"),
    system_instruction: settings.system_instruction,
    system_instruction_sha: settings.system_instruction ? hash(settings.system_instruction) : null,
    fewshot_as_multiturn: settings.fewshot_as_multiturn,
    chat_template: context.chatTemplate ?? null,
    chat_template_sha: context.chatTemplate ? hash(context.chatTemplate) : null,
    total_evaluation_time_seconds: String(context.totalSeconds),
    slimtune: {
      version: slimtuneVersion,
      model,
      num_fewshot: settings.num_fewshot,
      ...(settings.fewshot_by !== undefined && { fewshot_by: settings.fewshot_by }),
      apply_chat_template: settings.apply_chat_template,
      date: settings.date ?? null,
      prompt_hashes: ofTasks(({ task }) => task.promptHash),
      cut_prompts: ofTasks(countCut),
      confidence_intervals: {
        ...ofTasks(({ scores }) => describeIntervals(scores)),
        ...ofGroups((_group, _members, scores) => describeIntervals(scores)),
      },
      requests,
      tokens,
      seconds,
      // Answers that had been given before tell nothing of the speed.
      tokens_per_second: requests.asked > 0 ? (tokens.scored + tokens.generated) / seconds : null,
      items_per_second: requests.found === 0 ? countItems(tasks) / seconds : null,
      ...(context.usage && {
        efficiency: computeInferenceEfficiency(
          { tokens: tokens.generated, seconds: secondsWriting },
          context.usage,
        ),
      }),
      ...(context.machines?.length && { machines: context.machines }),
    },
  };
}

function countItems(tasks: Evaluation["tasks"]): number {
  return tasks.reduce((sum, { task }) => sum + task.instances.length, 0);
}

/** Number of a task's items whose prompts were longer than what the model sees. */
export function countCut({ task, samples }: TaskEvaluation): number {
  // The answers are the same under every filter.
  return samples
    .slice(0, task.instances.length)
    .filter(({ answers }) => answers.some((answer) => typeof answer === "object" && answer.isCut)).length;
}

/** Such as "acc,none". */
function nameScore({ metric, filter }: NamedScore): string {
  return `${metric},${filter}`;
}

/** Such as {"acc,none": 0.5, "acc_stderr,none": 0.1}. */
function describeScores(scores: readonly NamedScore[]): Record<string, number | "N/A"> {
  return Object.fromEntries(
    scores.flatMap(({ metric, filter, value, stderr }) => [
      [`${metric},${filter}`, value],
      [`${metric}_stderr,${filter}`, stderr ?? "N/A"],
    ]),
  );
}

/** The ends of the 95 % intervals of the scores that have one. */
function describeIntervals(scores: readonly NamedScore[]): Record<string, readonly [number, number]> {
  return Object.fromEntries(
    scores.flatMap((score) =>
      score.interval ? [[nameScore(score), [score.interval.low, score.interval.high] as const]] : [],
    ),
  );
}

function describeDirections(ofTasks: readonly TaskMetric[]): Record<string, boolean> {
  return Object.fromEntries(ofTasks.map(({ metric }) => [metric, metrics[metric].higherIsBetter]));
}

/** The number of shots of a group's tasks if all have the same; undefined, which is not written, if not. */
function sharedShots(members: readonly TaskEvaluation[]): number | undefined {
  const [first, ...others] = new Set(members.map(({ task }) => task.numFewshot));
  return others.length === 0 ? first : undefined;
}

/** A version as the harness writes it: a number, if it is one. */
function readVersion(version: string): string | number {
  return version !== "" && Number.isFinite(Number(version)) ? Number(version) : version;
}

function sortKeys<T>(table: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function describeMachine(): string {
  const { node } = process.versions;
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return `slimtune ${slimtuneVersion}, Node ${node}, ${process.platform} ${process.arch}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown processor"}, ${memory} GiB`;
}
