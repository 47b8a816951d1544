/** @file slimtune's public surface. */

export {
  type Alignment,
  type AlignmentData,
  type AlignmentOptions,
  type AlignmentResult,
  type AlignmentScore,
  type ContaminatedItem,
  measureAlignment,
} from "./alignment/align.ts";
export type { BenchmarkOptions } from "./alignment/benchmark.ts";
export {
  type AlignmentRunOptions,
  runAlignment,
} from "./alignment/run-alignment.ts";
export type { Agreement, Consistency, Measured } from "./assessment/agreement.ts";
export type { Evidence, JudgedTurn } from "./assessment/formulations/formulation.ts";
export type { Scored } from "./assessment/pieces.ts";
export type { Reading } from "./assessment/respondent.ts";
export type { AssessmentResults, DimensionResults, TextScore, WayResults } from "./assessment/results.ts";
export { type Dimension, type Level, type Rubric, readRubric } from "./assessment/rubric.ts";
export {
  type AssessmentEvents,
  type AssessmentOptions,
  type AssessmentOutcome,
  type AssessmentPlan,
  runAssessment,
} from "./assessment/run-assessment.ts";
export type { ShotSelection } from "./assessment/shots.ts";
export type { SplitOptions } from "./assessment/split-texts.ts";
export { type AssessedText, readTexts, type Turn } from "./assessment/texts.ts";

export type {
  Adaptation,
  AdapterTensors,
  AttentionAdapter,
  EmbeddingAdapter,
  LinearAdapter,
  ParameterSpec,
  SharedSpec,
  TrainedRows,
} from "./core/adapters/adaptation.ts";

export type { AdaptedModel, Adapter } from "./core/adapters/adapted-model.ts";
export type { AdaptionPromptConfig } from "./core/adapters/adaption-prompt.ts";
export type { Parameter, Parameters } from "./core/adapters/parameters.ts";
export type { LayerAttention, ModelConfig } from "./core/architectures/architecture.ts";
export type { KeysAndValues } from "./core/architectures/attention.ts";
export type {
  DynamicRopeScaling,
  FactorsRopeScaling,
  LinearRopeScaling,
  Llama3RopeScaling,
  LongRopeScaling,
  Rotary,
  YarnRopeScaling,
} from "./core/architectures/rotary.ts";
export type { TokenizedExample } from "./core/data/batch.ts";
export type { FieldMapping } from "./core/data/example.ts";
export type { Row } from "./core/data/row-fields.ts";
export type { TrainOn } from "./core/data/tokenize-example.ts";
export type { AskedProblem, ExampleKind, TrainingExample } from "./core/data/training-example.ts";
export type { GeneratorOptions, LocalGenerator, LocalRequest } from "./core/decoding/batch-generator.ts";
export { type Branches, type BranchesOptions, createBranches } from "./core/decoding/branches.ts";
export {
  type Conversation,
  type ConversationEvents,
  type ConversationOptions,
  createConversation,
} from "./core/decoding/conversation.ts";
export type { GenerateOptions } from "./core/decoding/generate.ts";
export type {
  GeneratedToken,
  Generation,
  GenerationRequest,
  Generator,
  Piece,
  TokenLogprob,
} from "./core/decoding/generator.ts";
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
export {
  findThinkTokens,
  limitThinking,
  type ThinkingBudget,
  type ThinkTokens,
} from "./core/decoding/thinking.ts";
export { InputError } from "./core/errors.ts";
export type { SizedTensor } from "./core/graph/cost.ts";
export type { BitWidth } from "./core/graph/operators/integer-matmul.ts";
export type { InputBits } from "./core/graph/operators/rounded-products.ts";
export type {
  Attributes,
  AttributeValue,
  Dim,
  DType,
  Node,
  Operator,
  Shape,
  Source,
  Tensor,
  TensorData,
  TensorType,
} from "./core/graph/tensor.ts";
export type { GgufFileType } from "./core/models/gguf-tensor-types.ts";
export type { Storage, StoredWeight } from "./core/models/linear.ts";
export type { LoadOptions } from "./core/models/load-weights.ts";
export { adjustChat, type Model } from "./core/models/model.ts";
export type { ModelWeights } from "./core/models/weights.ts";
export type { Random } from "./core/random.ts";
export type {
  AnyTensor,
  Device,
  DeviceOperations,
  DeviceTensor,
  HostTensor,
  Program,
  RowMatrix,
  StoredMatrix,
} from "./core/runtime/device.ts";
export type { ChatMessage, ChatSettings } from "./core/tokenization/chat-template.ts";
export type { TokenizerFiles } from "./core/tokenization/hugging-face.ts";
export type { Tokenizer } from "./core/tokenization/tokenizer.ts";
export type { StepEstimate, WritingEstimate } from "./core/training/estimate.ts";
export type { EvaluationMetrics, LoopOutcome, Progress, StepMetrics } from "./core/training/loop.ts";
export type { Lms3Compat } from "./demonstrations/lms3.ts";
export type {
  ArmComparison,
  ArmScore,
  ChosenForItem,
  DemonstrationArm,
  DemonstrationResults,
  DemonstrationScore,
  DemonstrationTask,
} from "./demonstrations/results.ts";
export { type SelectionOptions, selectDemonstrations } from "./demonstrations/select-demonstrations.ts";
export {
  createDemonstrationSelector,
  type SelectorName,
  type SelectorOptions,
} from "./demonstrations/selectors.ts";
export {
  type DemonstrationOutcome,
  type DemonstrationStudyEvents,
  type DemonstrationStudyOptions,
  studyDemonstrations,
} from "./demonstrations/study-demonstrations.ts";
export type {
  ChooseDemonstrations,
  Demonstration,
  DemonstrationSelector,
  OpenSelector,
  SelectorModels,
} from "./evaluation/demonstration-selector.ts";
export * from "./evaluation/index.ts";
export type { ClientRows, DivisionOptions } from "./federation/divide-rows.ts";
export type { FederationTask } from "./federation/frameworks.ts";
export type { Figures, RoundOptions } from "./federation/rounds/documents.ts";
export {
  type SimulatedRound,
  type Simulation,
  type SimulationEvents,
  type SimulationOptions,
  simulateFederation,
} from "./federation/simulate.ts";
export type { OwnOptions } from "./federation/tuning.ts";
export { equalAnswers } from "./mathematics/equal-answers.ts";
export type { EqualityOptions } from "./mathematics/equal-values.ts";
export { checkEquations } from "./mathematics/equations.ts";
export { type AnswerMarker, type ExtractionOptions, extractAnswer } from "./mathematics/extract-answer.ts";
export { judge } from "./mathematics/judge.ts";
export { loadAdapter } from "./node/adapters/load-adapter.ts";
export { type OpenAdaptedOptions, openAdaptedModel } from "./node/adapters/open-adapted.ts";
export type { StepFormat } from "./node/adapters/step-format.ts";
export {
  type DataInspection,
  type InspectionOptions,
  inspectData,
  renderExample,
  renderReport,
} from "./node/data/inspect.ts";
export type { Dataset, DatasetOptions, DatasetReport } from "./node/data/load-dataset.ts";
export { type Arithmetic, type ArithmeticChoice, chooseArithmetic } from "./node/decoding/arithmetic.ts";
export { createGenerator, type DeviceChoice, generate } from "./node/decoding/generate.ts";
export {
  type CheckedDevice,
  checkDevices,
  type DevicesOptions,
} from "./node/devices/checked-devices.ts";
export type { CheckedMethod, DeviceCheck } from "./node/devices/device-check.ts";
export {
  type AverageUsage,
  compressionRate,
  type Efficiency,
  type SizeAndScore,
} from "./node/efficiency/efficiency.ts";
export { exportWithGate } from "./node/export/convert-gate.ts";
export {
  type ExportFormat,
  type ExportOptions,
  exportFormats,
  exportModel,
  mergeRun,
} from "./node/export/export-model.ts";
export { exportGguf, exportGgufAdapter, type GgufOptions } from "./node/export/gguf.ts";
export type { LogitCheck, LogitCheckOptions, Verdict } from "./node/export/logit-check.ts";
export { type MergeOptions, mergeAdapter } from "./node/export/merge.ts";
export { type PushedFile, type PushedResult, type PushOptions, pushResult } from "./node/export/push.ts";
export type { HubOptions } from "./node/hub/hub.ts";
export type { FileToSend, SendOptions } from "./node/hub/hub-upload.ts";
export { type OpenOptions, openModel } from "./node/models/open-model.ts";
export { type DeviceName, type DeviceOptions, openDevice } from "./node/runtime/onnx-runtime.ts";
export type { RunProgress } from "./node/training/checkpoint.ts";
export {
  type EstimatedRun,
  type EstimateOptions,
  estimate,
  type RunEstimate,
  type SegmentEstimate,
} from "./node/training/estimate-run.ts";
export { type EstimatedWriter, estimateWriter } from "./node/training/estimate-writer.ts";
export {
  fineTune,
  type ResumeChanges,
  type RunResult,
  resumeRun,
} from "./node/training/fine-tune.ts";
export { completeOptions } from "./node/training/initial-adapter.ts";
export type { OwnRewards } from "./node/training/load-rewards.ts";
export type { Metrics, RunStepMetrics } from "./node/training/metrics-log.ts";
export { openRun, type TuningRun } from "./node/training/open-run.ts";
export type { PlanFile } from "./node/training/plan-file.ts";
export type { RunConfig, RunOptions } from "./node/training/run-config.ts";
export type { RunEvents, RunPlan } from "./node/training/run-events.ts";
export type { NamedTokens } from "./node/training/run-inputs.ts";
export type { Answered, RunSample } from "./node/training/samples.ts";
export { type JudgingOptions, type JudgingOutcome, judgeSteps } from "./prm/judge-steps.ts";
export { type LabelledRow, type LabelSource, type LabelSummary, labelByRule } from "./prm/label.ts";
export {
  type LabellingEvents,
  type LabellingOptions,
  type LabellingOutcome,
  labelSteps,
} from "./prm/label-steps.ts";
export { type ProcessRewardOptions, processRewardModel } from "./prm/process-reward-model.ts";
export { type JudgedStep, type JudgedText, reportSteps, type StepReport } from "./prm/step-report.ts";
export {
  createStepScorer,
  type StepScorer,
  type StepScorerOptions,
  type StepScores,
} from "./prm/step-scorer.ts";
export { drawDates } from "./problems/dates.ts";
export { readFinalAnswers } from "./problems/final-answers.ts";
export { drawLetters } from "./problems/letters.ts";
export type {
  ChosenItem,
  ProblemCounts,
  ProblemRow,
  ProblemSet,
  ProblemTask,
  WrittenItem,
} from "./problems/problem-set.ts";
export {
  type ProblemSetName,
  type ProblemsReport,
  type WriteProblemsOptions,
  writeProblems,
} from "./problems/write-problems.ts";
export type {
  Cost,
  CurvePoint,
  DifficultyBin,
  Gain,
  SolvedProblem,
} from "./reasoning/analysis.ts";
export { type AnswerJudge, mathematicalJudge } from "./reasoning/judge.ts";
export type { Meter } from "./reasoning/meter.ts";
export { openWriter, type WriterOptions } from "./reasoning/open-writer.ts";
export type { Problem } from "./reasoning/problem.ts";
export type { Manner, PromptOptions } from "./reasoning/prompts.ts";
export type { Curve, ReasoningResults } from "./reasoning/results.ts";
export {
  type ReasoningEvents,
  type ReasoningOptions,
  type ReasoningOutcome,
  type ReasoningProgress,
  runReasoning,
} from "./reasoning/run-reasoning.ts";
export { type OpenScorer, ruleScorer, type SolutionScorer, type SolutionScores } from "./reasoning/scorer.ts";
export { readSearched, type SearchedFilter, type SearchedProblem } from "./reasoning/searched-problem.ts";
export { parseStrategy, type StrategyOptions } from "./reasoning/strategies/strategies.ts";
export type {
  Question,
  ReasoningSettings,
  Solution,
  Strategy,
  Tools,
  WriterFacts,
} from "./reasoning/strategy.ts";
export type {
  Ability,
  ScoredText,
  TextRequest,
  WriteRequest,
  Writer,
  Written,
} from "./reasoning/writer.ts";
export type { ReportFiles } from "./reporting/write-report.ts";
export { type Divergence, type DivergenceOptions, measureDivergence } from "./retention/kl-divergence.ts";
export { readNeutralText, writeNeutralText } from "./retention/neutral-text.ts";
export type { Reward, Rollout } from "./rewards/reward.ts";
export { createReward } from "./rewards/rewards.ts";
export type { ProblemSource } from "./rollouts/problem-source.ts";
export type { ProgramFailure } from "./rollouts/programs/program-solution.ts";
export { toProgram } from "./rollouts/programs/solution-program.ts";
export {
  type SolutionProgramOptions,
  type SolutionProgramReport,
  writePrograms,
} from "./rollouts/programs/write-programs.ts";
export {
  type JudgedRollout,
  type RolloutGroup,
  type RolloutMessage,
  type RolloutSettings,
  readRollouts,
} from "./rollouts/rollout.ts";
export {
  type AnyCorrectOptions,
  type CorrectOptions,
  selectCorrect,
  selectShortestCorrect,
} from "./rollouts/rules/correct.ts";
export { type LengthPromptOptions, selectLengthPrompts } from "./rollouts/rules/l1.ts";
export {
  type PrunerOptions,
  type PrunerWeightOptions,
  prunerWeight,
  selectPruned,
} from "./rollouts/rules/o1-pruner.ts";
export { type PairKind, type PairOptions, selectPairs } from "./rollouts/rules/pairs.ts";
export type { CompletionRow, PairRow, RolloutPrompt, Selection } from "./rollouts/rules/selection.ts";
export {
  type ScoredWord,
  selectTokenSkip,
  type TokenSkipOptions,
  type WordScorer,
} from "./rollouts/rules/tokenskip.ts";
export {
  type SamplingEvents,
  type SamplingOutcome,
  type SamplingRunOptions,
  sampleSolutions,
} from "./rollouts/sample-solutions.ts";
export { type SelectionReport, type SelectionRunOptions, selectRows } from "./rollouts/select-rows.ts";
export type { RolloutSummary } from "./rollouts/summary.ts";
export { createWordScorer, type ModelWordScorer } from "./rollouts/word-surprisal.ts";
export {
  checkSandbox,
  type ProbeVerdict,
  type SandboxCheckOptions,
  type SandboxVerdict,
} from "./sandbox/check.ts";
export type { ProgramEnd } from "./sandbox/child.ts";
export {
  type CodeRunner,
  type CodeRunnerOptions,
  createCodeRunner,
  type ProgramOptions,
  type ProgramResult,
} from "./sandbox/code-runner.ts";
export type { Isolation } from "./sandbox/confinement.ts";
export type { ProbeKind } from "./sandbox/probes.ts";
export type { InterpreterName } from "./sandbox/tiers.ts";
export {
  aggregateRewards,
  type RewardAggregation,
  type WeightedVote,
  weightedVote,
} from "./search/ranking.ts";
export {
  type DrawnStep,
  type ScoredStep,
  type SearchBudget,
  type SearchOptions,
  type SearchResult,
  search,
} from "./search/search.ts";
export { beam, levin, type NodeSelection } from "./search/selection.ts";
export { type ShowOptions, showTree } from "./search/show-tree.ts";
export { pathTo, type SearchNode, type SearchTree } from "./search/tree.ts";
export * from "./server/index.ts";
export type { Calibration, ReliabilityBin } from "./statistics/calibration.ts";
export type { Estimate, Interval } from "./statistics/wilson.ts";
export type { StudyEstimate } from "./studies/estimate.ts";
export type { StudyKindName, StudyResultsOf } from "./studies/kinds.ts";
export { miniatureStudy } from "./studies/miniature-study.ts";
export type { PartsFolder } from "./studies/parts-folder.ts";
export { localWorkers, type PartOutcome, type Workers } from "./studies/run-part.ts";
export {
  resumeStudy,
  runStudy,
  type StudyEvents,
  type StudyOutcome,
  type StudyPart,
  type StudyPlan,
} from "./studies/run-study.ts";
export { shardWorkers } from "./studies/shard-workers.ts";
export type { SlimmingResults } from "./studies/slimming/results.ts";
export type { StudyOptions } from "./studies/study-config.ts";
export type { Part, PartEvents, Work } from "./studies/study-kind.ts";
export { rebuildReport } from "./studies/study-report.ts";
export type { Immutable } from "./studies/study-results.ts";
