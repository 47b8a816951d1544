/** @file Tasks of lm-evaluation-harness for any model, and comparisons of what they found: `slimtune/evaluation`. */

export type { Score } from "./aggregate.ts";
export {
  type AnswerAgreement,
  type ComparedScores,
  type CompareOptions,
  type Comparison,
  compare,
  type Findings,
  type Judgement,
  type Run,
  type ScoreComparison,
  type ScoreName,
} from "./compare.ts";
export type { SourceDoc } from "./dataset-location.ts";
export type { DocFields, RenderedDoc } from "./doc-rendering.ts";
export {
  type Evaluation,
  type EvaluationEvents,
  type EvaluationProgress,
  evaluate,
  type GroupEvaluation,
  type NamedScore,
  type Sample,
  type TaskEvaluation,
  type TaskGroup,
} from "./evaluate.ts";
export type { RecordedItem } from "./evaluation-folder.ts";
export type { FewshotPool } from "./fewshot.ts";
export type {
  Answer,
  GenerateUntilRequest,
  GenerateUntilResult,
  GenerationKwargs,
  LanguageModel,
  LoglikelihoodRequest,
  LoglikelihoodResult,
  LoglikelihoodRollingRequest,
  ModelRequest,
  OnResult,
  RequestType,
  RequestTypes,
} from "./language-model.ts";
export { createLocalModel, type LocalModel, type LocalModelOptions } from "./local-model.ts";
export type { Aggregation, ItemScore, QuotientFunction } from "./metrics/aggregations.ts";
export type { Judge } from "./metrics/judged.ts";
export type { Metric, ScoredGold, Scorer } from "./metrics/metric.ts";
export {
  type ItemScores,
  type MetricName,
  metrics,
  type SettingsOf,
  type TaskMetric,
} from "./metrics/metrics.ts";
export type { Bits, ModelIdentity } from "./model-identity.ts";
export type { AskingOptions } from "./open-model-to-ask.ts";
export type { OutputFolder } from "./output-folder.ts";
export type { ItemPair } from "./paired-items.ts";
export { type PreparationOptions, prepareTask, prepareTasks } from "./prepare.ts";
export {
  createRemoteModel,
  type OpenAIClient,
  type RemoteModelOptions,
  type UserMessage,
} from "./remote-model.ts";
export { renderItems, renderTable } from "./report.ts";
export type { AnsweredQuestion, ItemSource, OutputType } from "./requests/output-type.ts";
export { type OutcomeOf, type OutputTypeName, outputTypes } from "./requests/output-types.ts";
export type { Results } from "./results.ts";
export {
  type EvaluationOptions,
  type EvaluationOutcome,
  type EvaluationPlan,
  type EvaluationRunEvents,
  runEvaluation,
} from "./run-evaluation.ts";
export type { SampleLine } from "./samples.ts";
export type { ShardEvents, ShardWorkers } from "./shards/sharded-model.ts";
export type { ShardsFolder } from "./shards/shards-folder.ts";
export type { Doc, Filter, FilterStep, Instance, PreparedTask } from "./task.ts";
export { createRegistry, loadTasks, type TaskRegistry } from "./tasks/registry.ts";
export {
  defineTask,
  type TaskDefinition,
  type TaskDefinitionInput,
  type UserDefinition,
} from "./tasks/task-definition.ts";
export type { GroupEntry, LocalFiles, TaskEntry } from "./tasks/task-entry.ts";
