/** @file slimtune's public surface. */

export {
  type Alignment,
  type AlignmentData,
  type AlignmentOptions,
  type AlignmentResult,
  measureAlignment,
} from "./alignment/align.ts";
export { type AdaptedModel, loadAdapter } from "./core/adapters/adapted-model.ts";
export { createGenerator, type GeneratorOptions } from "./core/decoding/batch-generator.ts";
export { type GenerateOptions, generate } from "./core/decoding/generate.ts";
export type { Generation, GenerationRequest, Generator } from "./core/decoding/generator.ts";
export { InputError } from "./core/errors.ts";
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
export { compressionRate, type Efficiency } from "./node/efficiency/efficiency.ts";
export { exportGguf, exportGgufAdapter, type GgufOptions } from "./node/export/gguf.ts";
export type { LogitCheck } from "./node/export/logit-check.ts";
export { mergeAdapter } from "./node/export/merge.ts";
export { adjustChat, type Model, openModel } from "./node/models/open-model.ts";
export { type DeviceName, openDevice } from "./node/runtime/onnx-runtime.ts";
export {
  fineTune,
  type RunEvents,
  type RunPlan,
  type RunResult,
  resumeRun,
} from "./node/training/fine-tune.ts";
export type { RunOptions } from "./node/training/run-config.ts";
export { type Divergence, type DivergenceOptions, measureDivergence } from "./retention/kl-divergence.ts";
export { readNeutralText, writeNeutralText } from "./retention/neutral-text.ts";
export { type ModelServer, type ServeOptions, serveModel } from "./server/serve.ts";
