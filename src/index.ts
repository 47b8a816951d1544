/** @file slimtune's public surface. */

export {
  type Alignment,
  type AlignmentData,
  type AlignmentOptions,
  type AlignmentResult,
  measureAlignment,
} from "./alignment/align.ts";
export { type AdaptedModel, loadAdapter } from "./core/adapters/adapted-model.ts";
export {
  createGenerator,
  type GeneratorOptions,
  type LocalGenerator,
  type LocalRequest,
} from "./core/decoding/batch-generator.ts";
export { type Branches, type BranchesOptions, createBranches } from "./core/decoding/branches.ts";
export { type GenerateOptions, generate } from "./core/decoding/generate.ts";
export type { Generation, GenerationRequest, Generator } from "./core/decoding/generator.ts";
export {
  type DecodingState,
  type DecodingStrategy,
  greedy,
  likeliest,
  logSumExp,
  penalizeRepetition,
  type SamplingOptions,
  sampling,
  strategyOf,
} from "./core/decoding/sample.ts";
export { InputError } from "./core/errors.ts";
export * from "./evaluation/index.ts";
export { compressionRate, type Efficiency } from "./node/efficiency/efficiency.ts";
export {
  type ExportFormat,
  type ExportOptions,
  exportFormats,
  exportModel,
  mergeRun,
} from "./node/export/export-model.ts";
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
export type { ReportFiles } from "./reporting/write-report.ts";
export { type Divergence, type DivergenceOptions, measureDivergence } from "./retention/kl-divergence.ts";
export { readNeutralText, writeNeutralText } from "./retention/neutral-text.ts";
export { type ModelServer, type ServeOptions, serveModel } from "./server/serve.ts";
export type { StudyEstimate } from "./studies/estimate.ts";
export type { StudyKindName, StudyResultsOf } from "./studies/kinds.ts";
export { miniatureStudy } from "./studies/miniature-study.ts";
export {
  resumeStudy,
  runStudy,
  type StudyEvents,
  type StudyOutcome,
  type StudyPart,
  type StudyPlan,
} from "./studies/run-study.ts";
export type { SlimmingResults } from "./studies/slimming/results.ts";
export type { StudyOptions } from "./studies/study-config.ts";
export { rebuildReport } from "./studies/study-report.ts";
