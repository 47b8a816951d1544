/** @file slimtune's public surface. */

export { type AdaptedModel, loadAdapter } from "./adapters/adapted-model.ts";
export { InputError } from "./errors.ts";
export { type CompareOptions, type Comparison, compare, type ScoreComparison } from "./evaluation/compare.ts";
export { type Evaluation, evaluate } from "./evaluation/evaluate.ts";
export type { LanguageModel } from "./evaluation/language-model.ts";
export {
  type EvaluationOptions,
  type EvaluationOutcome,
  type EvaluationRunEvents,
  runEvaluation,
} from "./evaluation/run-evaluation.ts";
export { type MergeResult, mergeAdapter } from "./export/merge.ts";
export { type GenerateOptions, generate } from "./generation/generate.ts";
export { type Model, openModel } from "./models/open-model.ts";
export { type DeviceName, openDevice } from "./runtime/onnx-runtime.ts";
export { fineTune, type RunEvents, type RunPlan, type RunResult, resumeRun } from "./training/fine-tune.ts";
export type { RunOptions } from "./training/run-config.ts";
