/** @file slimtune's public surface. */

export { type AdaptedModel, loadAdapter } from "./adapters/adapted-model.ts";
export {
  type Alignment,
  type AlignmentData,
  type AlignmentOptions,
  type AlignmentResult,
  measureAlignment,
} from "./alignment/align.ts";
export { compressionRate, type Efficiency } from "./efficiency/efficiency.ts";
export { InputError } from "./errors.ts";
export { type CompareOptions, type Comparison, compare, type ScoreComparison } from "./evaluation/compare.ts";
export { type Evaluation, evaluate } from "./evaluation/evaluate.ts";
export type { LanguageModel } from "./evaluation/language-model.ts";
export { prepareTasks } from "./evaluation/prepare.ts";
export {
  type EvaluationOptions,
  type EvaluationOutcome,
  type EvaluationRunEvents,
  runEvaluation,
} from "./evaluation/run-evaluation.ts";
export type { PreparedTask } from "./evaluation/task.ts";
export { createRegistry, loadTasks, type TaskRegistry } from "./evaluation/tasks/registry.ts";
export { defineTask } from "./evaluation/tasks/task-definition.ts";
export type { TaskEntry } from "./evaluation/tasks/task-entry.ts";
export { exportGguf, exportGgufAdapter, type GgufOptions } from "./export/gguf.ts";
export type { LogitCheck } from "./export/logit-check.ts";
export { mergeAdapter } from "./export/merge.ts";
export { createGenerator, type GeneratorOptions } from "./generation/batch-generator.ts";
export { type GenerateOptions, generate } from "./generation/generate.ts";
export type { Generation, GenerationRequest, Generator } from "./generation/generator.ts";
export { adjustChat, type Model, openModel } from "./models/open-model.ts";
export { type Divergence, type DivergenceOptions, measureDivergence } from "./retention/kl-divergence.ts";
export { readNeutralText, writeNeutralText } from "./retention/neutral-text.ts";
export { type DeviceName, openDevice } from "./runtime/onnx-runtime.ts";
export { type ModelServer, type ServeOptions, serveModel } from "./server/serve.ts";
export { fineTune, type RunEvents, type RunPlan, type RunResult, resumeRun } from "./training/fine-tune.ts";
export type { RunOptions } from "./training/run-config.ts";
