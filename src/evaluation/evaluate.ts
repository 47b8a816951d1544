/** @file The evaluation loop: asks a model all that tasks want to know, judges the answers and sums them up. */

import { aggregateItems, aggregateTasks, type MetricName, type Score } from "./aggregate.ts";
import { applyFilter } from "./filters.ts";
import type { GenerateUntilResult, LanguageModel, LoglikelihoodResult, OnResult } from "./language-model.ts";
import { type ItemScores, scoreGeneration, scoreMultipleChoice, scoreRolling } from "./metrics.ts";
import type { Filter, Instance, InstanceRequests, PreparedTask } from "./task.ts";

/** Tasks that are also scored together. */
export interface TaskGroup {
  readonly name: string;
  readonly version: string;
  /** Names of its tasks. */
  readonly tasks: readonly string[];
  readonly aggregate: readonly { readonly metric: MetricName; readonly weightBySize: boolean }[];
}

/** What the model answered to one request. */
export type Answer = LoglikelihoodResult | GenerateUntilResult | number;

/** One item as one filter sees it. */
export interface Sample {
  readonly instance: Instance;
  /** In the order of the item's requests. */
  readonly answers: readonly Answer[];
  readonly filter: string;
  /** Generated text as the filter left it; undefined where nothing was generated. */
  readonly filtered: string | undefined;
  readonly scores: ItemScores;
}

export interface NamedScore extends Score {
  readonly metric: MetricName;
  readonly filter: string;
}

export interface TaskEvaluation {
  readonly task: PreparedTask;
  /** By filter, then by item. */
  readonly samples: readonly Sample[];
  readonly scores: readonly NamedScore[];
}

export interface GroupEvaluation {
  readonly group: TaskGroup;
  readonly scores: readonly NamedScore[];
}

export interface Evaluation {
  readonly tasks: readonly TaskEvaluation[];
  readonly groups: readonly GroupEvaluation[];
  /** Tokens that were computed for it. */
  readonly tokens: { readonly scored: number; readonly generated: number };
  /** Wall time of asking the model, and the part of it in which it wrote. */
  readonly seconds: number;
  readonly secondsWriting: number;
}

export interface EvaluationProgress {
  readonly type: "loglikelihood" | "loglikelihood_rolling" | "generate_until";
  /** Requests of this type. */
  readonly answered: number;
  readonly total: number;
  /** Until those of this type are answered; undefined before the first is. */
  readonly secondsLeft: number | undefined;
}

export interface EvaluationEvents {
  readonly onProgress?: (progress: EvaluationProgress) => void;
}

/**
 * Evaluates a model on tasks. The requests of all tasks are put together by type, so that the model can order and
 * batch them as it likes.
 */
export async function evaluate(
  model: LanguageModel,
  tasks: readonly PreparedTask[],
  groups: readonly TaskGroup[] = [],
  events: EvaluationEvents = {},
): Promise<Evaluation> {
  const started = performance.now();
  const { scored, generated } = model.tokenCounts;
  const { answers, secondsWriting } = await askAll(model, tasks, events);
  const seconds = (performance.now() - started) / 1000;

  const evaluations = tasks.map((task) => judgeTask(task, answers));
  return {
    tasks: evaluations,
    groups: groups.map((group) => ({ group, scores: scoreGroup(group, evaluations) })),
    tokens: { scored: model.tokenCounts.scored - scored, generated: model.tokenCounts.generated - generated },
    seconds,
    secondsWriting,
  };
}

/** The answers to each item's requests, in their order. */
type Answers = ReadonlyMap<Instance, readonly Answer[]>;

async function askAll(
  model: LanguageModel,
  tasks: readonly PreparedTask[],
  { onProgress }: EvaluationEvents,
): Promise<{ answers: Answers; secondsWriting: number }> {
  const instances = tasks.flatMap((task) => task.instances);
  const pairs = instances.flatMap(({ requests }) =>
    requests.type === "multiple_choice"
      ? requests.pairs.map(([context, continuation]) => ({ context, continuation }))
      : [],
  );
  const texts = instances.flatMap(({ requests }) =>
    requests.type === "loglikelihood_rolling" ? [requests] : [],
  );
  const prompts = instances.flatMap(({ requests }) => (requests.type === "generate_until" ? [requests] : []));

  const likelihoods = await watch<LoglikelihoodResult>("loglikelihood", pairs, onProgress, (onResult) =>
    model.loglikelihood(pairs, onResult),
  );
  const sums = await watch<number>("loglikelihood_rolling", texts, onProgress, (onResult) =>
    model.loglikelihoodRolling(texts, onResult),
  );
  const started = performance.now();
  const writings = await watch<GenerateUntilResult>("generate_until", prompts, onProgress, (onResult) =>
    model.generateUntil(prompts, onResult),
  );
  const secondsWriting = (performance.now() - started) / 1000;

  // Each list is consumed in the order in which it was made.
  const queues: Readonly<Record<InstanceRequests["type"], Iterator<Answer>>> = {
    multiple_choice: likelihoods.values(),
    loglikelihood_rolling: sums.values(),
    generate_until: writings.values(),
  };
  const answers = new Map(
    instances.map((instance) => {
      const { requests } = instance;
      const count = requests.type === "multiple_choice" ? requests.pairs.length : 1;
      return [instance, Array.from({ length: count }, () => queues[requests.type].next().value)];
    }),
  );
  return { answers, secondsWriting };
}

/** Asks the model for the answers to a list of requests and reports how it gets on. */
async function watch<R>(
  type: EvaluationProgress["type"],
  requests: readonly { readonly context?: string; readonly text?: string }[],
  onProgress: EvaluationEvents["onProgress"],
  ask: (onResult: OnResult<R>) => Promise<R[]>,
): Promise<R[]> {
  if (requests.length === 0) return [];
  // Long requests may be answered first, so work is measured by length.
  const lengths = requests.map(({ context, text }) => (context ?? text!).length);
  const all = lengths.reduce((sum, length) => sum + length, 0);
  const started = performance.now();
  let answered = 0;
  let done = 0;
  let known = Number.POSITIVE_INFINITY;
  const answers = ask((index) => {
    answered++;
    done += lengths[index]!;
    const seconds = (performance.now() - started) / 1000;
    const secondsLeft = done > known ? (seconds * (all - done)) / (done - known) : undefined;
    onProgress?.({ type, answered, total: requests.length, secondsLeft });
  });
  // What was answered at once was found in files, and says nothing of the model's speed.
  known = done;
  return answers;
}

function judgeTask(task: PreparedTask, answers: Answers): TaskEvaluation {
  const filters: readonly Filter[] = task.filters.length > 0 ? task.filters : [{ name: "none", filter: [] }];
  const byFilter = filters.map((filter) =>
    task.instances.map((instance) => judge(task, instance, answers.get(instance)!, filter)),
  );
  const scores = byFilter.flatMap((samples, i) =>
    task.metrics.map(({ metric }): NamedScore => {
      const items = samples.map((sample) => sample.scores[metric]!);
      return { metric, filter: filters[i]!.name, ...aggregateItems(metric, items) };
    }),
  );
  return { task, samples: byFilter.flat(), scores };
}

function judge(
  { metrics }: PreparedTask,
  instance: Instance,
  answers: readonly Answer[],
  filter: Filter,
): Sample {
  const sample = { instance, answers, filter: filter.name, filtered: undefined };
  switch (instance.requests.type) {
    case "multiple_choice": {
      const scores = scoreMultipleChoice(instance, answers as LoglikelihoodResult[], metrics);
      return { ...sample, scores };
    }
    case "loglikelihood_rolling":
      return { ...sample, scores: scoreRolling(instance, answers[0] as number, metrics) };
    case "generate_until": {
      const filtered = applyFilter(filter, (answers[0] as GenerateUntilResult).text);
      return { ...sample, filtered, scores: scoreGeneration(instance, filtered, metrics) };
    }
  }
}

/** Scores a group's metrics under every filter that its tasks have them with; tasks without are left out. */
function scoreGroup(group: TaskGroup, evaluations: readonly TaskEvaluation[]): NamedScore[] {
  const ofTasks = evaluations
    .filter(({ task }) => group.tasks.includes(task.name))
    .flatMap(({ scores }) => scores);
  return group.aggregate.flatMap(({ metric, weightBySize }) => {
    const ofMetric = ofTasks.filter((score) => score.metric === metric);
    const filters = [...new Set(ofMetric.map(({ filter }) => filter))].sort();
    return filters.map((filter) => ({
      metric,
      filter,
      ...aggregateTasks(
        ofMetric.filter((score) => score.filter === filter),
        weightBySize,
      ),
    }));
  });
}
