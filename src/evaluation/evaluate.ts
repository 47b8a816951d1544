/** @file The evaluation loop: asks a model all that tasks want to know, judges the answers and sums them up. */

import { aggregateItems, aggregateTasks, type Score } from "./aggregate.ts";
import { applyFilter } from "./filters.ts";
import { withoutGold } from "./gold.ts";
import {
  type Answer,
  argumentsOf,
  ask,
  type LanguageModel,
  type ModelRequest,
  type RequestType,
  requestTypes,
} from "./language-model.ts";
import { type ItemScores, type MetricName, metricNames, metrics, scoreItem } from "./metrics/metrics.ts";
import { outputTypes } from "./requests/output-types.ts";
import type { Filter, Instance, PreparedTask } from "./task.ts";

/** Tasks that are also scored together. */
export interface TaskGroup {
  readonly name: string;
  readonly version: string;
  /** Names of its tasks. */
  readonly tasks: readonly string[];
  readonly aggregate: readonly { readonly metric: MetricName; readonly weightBySize: boolean }[];
}

/** One item as one filter sees it. */
export interface Sample {
  readonly instance: Instance;
  /** In the order of the item's requests. */
  readonly answers: readonly Answer[];
  readonly filter: string;
  /** The answers with their texts as the filter left them. */
  readonly filtered: readonly Answer[];
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
  readonly type: RequestType;
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
 * batch them as it likes. One that gives no log-likelihoods is not asked for those of right answers.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const model = createLocalModel(await openModel("HuggingFaceTB/SmolLM2-135M"));
 * const { tasks, groups } = await prepareTasks(["hellaswag", "gsm8k"], { limit: 100 });
 * const evaluation = await evaluate(model, tasks, groups);
 * console.log(renderTable(evaluation));
 */
export async function evaluate(
  model: LanguageModel,
  tasks: readonly PreparedTask[],
  groups: readonly TaskGroup[] = [],
  events: EvaluationEvents = {},
): Promise<Evaluation> {
  const started = performance.now();
  const { scored, generated } = model.tokenCounts;
  const canScore = ({ gold, requests }: Instance) =>
    !gold || requests.includes(gold) || (model.canScore?.(gold) ?? true);
  const asked = tasks.map((task) => (task.instances.every(canScore) ? task : withoutGold(task)));
  const { answers, secondsWriting } = await askAll(model, asked, events);
  const seconds = (performance.now() - started) / 1000;

  const evaluations = asked.map((task) => judgeTask(task, answers));
  return {
    tasks: evaluations,
    groups: groups.map((group) => ({ group, scores: scoreGroup(group, evaluations) })),
    tokens: { scored: model.tokenCounts.scored - scored, generated: model.tokenCounts.generated - generated },
    seconds,
    secondsWriting,
  };
}

type Answers = ReadonlyMap<ModelRequest, Answer>;

async function askAll(
  model: LanguageModel,
  tasks: readonly PreparedTask[],
  { onProgress }: EvaluationEvents,
): Promise<{ answers: Answers; secondsWriting: number }> {
  const all = tasks
    .flatMap((task) => task.instances)
    .flatMap(({ requests, gold }) => (gold && !requests.includes(gold) ? [...requests, gold] : requests));
  const answers = new Map<ModelRequest, Answer>();
  let secondsWriting = 0;
  for (const type of requestTypes) {
    const requests = all.filter((request) => request.type === type);
    const started = performance.now();
    const results = await watch(model, type, requests, onProgress);
    if (type === "generate_until") secondsWriting = (performance.now() - started) / 1000;
    for (const [i, request] of requests.entries()) answers.set(request, results[i]!);
  }
  return { answers, secondsWriting };
}

/** Asks the model for the answers to a list of requests and reports how it gets on. */
async function watch(
  model: LanguageModel,
  type: RequestType,
  requests: readonly ModelRequest[],
  onProgress: EvaluationEvents["onProgress"],
): Promise<readonly Answer[]> {
  if (requests.length === 0) return [];
  // Long requests may be answered first, so work is measured by length.
  const lengths = requests.map((request) => argumentsOf(request)[0].length);
  const all = lengths.reduce((sum, length) => sum + length, 0);
  const started = performance.now();
  let answered = 0;
  let done = 0;
  let known = Number.POSITIVE_INFINITY;
  const answers = ask(model, type, requests, (index) => {
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
    task.instances.map((instance) => judge(task, instance, answers, filter)),
  );
  const sumUp = (metric: MetricName, filter: string, samples: readonly Sample[]): NamedScore => {
    const items = samples.map((sample) => sample.scores[metric]!);
    return { metric, filter, ...aggregateItems(metric, items) };
  };
  const names = task.metrics.map(({ metric }) => metric);
  const scores = [
    ...byFilter.flatMap((samples, i) =>
      names.filter((name) => !isOfGold(name)).map((name) => sumUp(name, filters[i]!.name, samples)),
    ),
    ...names.filter(isOfGold).map((name) => sumUp(name, "none", byFilter[0]!)),
  ];
  return { task, samples: byFilter.flat(), scores };
}

/** Whether a metric is of right answers, which no filter changes. */
function isOfGold(metric: MetricName): boolean {
  return metrics[metric].scoreGold !== undefined;
}

function judge(
  { outputType, metrics }: PreparedTask,
  instance: Instance,
  answered: Answers,
  filter: Filter,
): Sample {
  const answers = instance.requests.map((request) => answered.get(request)!);
  const filtered = answers.map((answer) =>
    typeof answer === "object" && "text" in answer
      ? { ...answer, text: applyFilter(filter, answer.text) }
      : answer,
  );
  const outcome = outputTypes[outputType].outcome(instance, filtered);
  const { gold } = instance;
  const scored = gold && { ...gold, ...(answered.get(gold) as Answer<"loglikelihood">) };
  const scores = scoreItem(outputType, outcome, metrics, scored);
  return { instance, answers, filter: filter.name, filtered, scores };
}

/**
 * Scores a group's metrics under every filter that its tasks have them with, and the right answers of a group that has
 * metrics, over all items together; tasks without are left out.
 */
function scoreGroup(group: TaskGroup, evaluations: readonly TaskEvaluation[]): NamedScore[] {
  const members = evaluations.filter(({ task }) => group.tasks.includes(task.name));
  const ofTasks = members.flatMap(({ scores }) => scores);
  const scores = group.aggregate.flatMap(({ metric, weightBySize }) => {
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
  if (group.aggregate.length === 0) return scores;
  const ofGold = metricNames.filter(isOfGold).flatMap((metric): NamedScore[] => {
    const items = members.flatMap(({ task, samples }) =>
      samples
        .slice(0, task.instances.length)
        .flatMap((sample) => (sample.scores[metric] !== undefined ? [sample.scores[metric]] : [])),
    );
    return items.length > 0 ? [{ metric, filter: "none", ...aggregateItems(metric, items) }] : [];
  });
  return [...scores, ...ofGold];
}
