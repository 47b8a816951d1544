/**
 * @file The core: what runs anywhere, in Node.js and in browsers: `slimtune/core`. A device of either comes from `slimtune`
 * (`openDevice`) or `slimtune/web` (`openWebDevice`).
 */

export {
  type Adaptation,
  type AdapterTensors,
  type AttentionAdapter,
  frozen,
  full,
  type LinearAdapter,
  type ParameterSpec,
} from "./adapters/adaptation.ts";
export { type AdaptedModel, type Adapter, noAdapter } from "./adapters/adapted-model.ts";
export {
  type AdaptionPromptConfig,
  adaptionPrompt,
  adaptionPromptSchema,
} from "./adapters/adaption-prompt.ts";
export { freeze } from "./adapters/freeze.ts";
export { type LoraConfig, lora, loraConfigSchema } from "./adapters/lora.ts";
export type { OptimizerStep, StepInputs } from "./adapters/method.ts";
export { initializeParameters, type Parameter, type Parameters, zerosLike } from "./adapters/parameters.ts";
export type { LayerAttention, ModelConfig } from "./architectures/architecture.ts";
export type { KeysAndValues } from "./architectures/attention.ts";
export {
  type Batch,
  type BatchOptions,
  buildMicroBatches,
  type MicroBatch,
  type TokenBatch,
  type TokenizedExample,
} from "./data/batch.ts";
export { createExampleReader, type Example, type FieldMapping } from "./data/example.ts";
export type { ExampleContent } from "./data/example-formats.ts";
export { addMismatched } from "./data/mismatched.ts";
export { type PreparedRow, prepareExample } from "./data/prepare-example.ts";
export type { Row } from "./data/row-fields.ts";
export { splitSteps, type TextStep } from "./data/split-steps.ts";
export type { JudgedSolution } from "./data/step-formats.ts";
export type { TokenizedRow } from "./data/tokenize-conversation.ts";
export {
  type TokenizationOptions,
  type TrainOn,
  tokenizeExample,
} from "./data/tokenize-example.ts";
export type { AskedProblem, ExampleKind, TrainingExample } from "./data/training-example.ts";
export {
  createGenerator,
  type GeneratorOptions,
  type LocalGenerator,
  type LocalRequest,
} from "./decoding/batch-generator.ts";
export { type Branches, type BranchesOptions, createBranches } from "./decoding/branches.ts";
export { type GenerateOptions, generate } from "./decoding/generate.ts";
export type { Generation, GenerationRequest, Generator } from "./decoding/generator.ts";
export { encodeChat, encodeText } from "./decoding/prompt.ts";
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
} from "./decoding/sample.ts";
export {
  findThinkTokens,
  limitThinking,
  type ThinkingBudget,
  type ThinkTokens,
} from "./decoding/thinking.ts";
export type { NewTokens } from "./engine/attention-mask.ts";
export { createDecoder, type Decoder, type DecoderOptions, type Extension } from "./engine/decoder.ts";
export type { Predictions } from "./engine/divergence-layer.ts";
export {
  type Accumulated,
  type AccumulateOptions,
  createEngine,
  type DistillationOptions,
  type DropoutKey,
  type Engine,
  type EngineOptions,
  type GradientSums,
  type HiddenLoss,
  sumLosses,
} from "./engine/engine.ts";
export { findInputBits } from "./engine/integer-arithmetic.ts";
export type { KeyValues } from "./engine/key-values.ts";
export type { TokenScores } from "./engine/output-layer.ts";
export type { OutputTile } from "./engine/vocabulary-slices.ts";
export { InputError } from "./errors.ts";
export type { ByteSource, SourceFolder } from "./formats/byte-source.ts";
export { type GgufFile, type GgufValue, openGguf } from "./formats/gguf.ts";
export type { GgufTensorToWrite, GgufValueToWrite } from "./formats/gguf-encoding.ts";
export {
  encodeSafetensors,
  openSafetensors,
  type SafetensorsFile,
  type TensorToWrite,
} from "./formats/safetensors.ts";
export type { RowRange, TensorInfo, WeightFile } from "./formats/weight-file.ts";
export type { SizedTensor } from "./graph/cost.ts";
export { vjp } from "./graph/grad.ts";
export { add, div, exp, mul, sigmoid, sqrt, sub, tanh } from "./graph/operators/elementwise.ts";
export { type MatmulOptions, matmul } from "./graph/operators/matmul.ts";
export { reshape, transpose } from "./graph/operators/movement.ts";
export { reduceSum } from "./graph/operators/reduction.ts";
export type { InputBits } from "./graph/operators/rounded-products.ts";
export {
  constant,
  type DType,
  detach,
  input,
  scalar,
  type Tensor,
  type TensorData,
} from "./graph/tensor.ts";
export { type Checkpoint, openFolderCheckpoint } from "./models/checkpoint.ts";
export { openGgufCheckpoint } from "./models/gguf-checkpoint.ts";
export type { Storage } from "./models/linear.ts";
export { type LoadOptions, loadWeights } from "./models/load-weights.ts";
export { adjustChat, createModel, type Model } from "./models/model.ts";
export type { ModelWeights } from "./models/weights.ts";
export { type Divergence, forwardKl, jensenShannon, reverseKl } from "./objectives/divergences.ts";
export type {
  Objective,
  ObjectiveValue,
  ScoredExample,
  ScoredText,
} from "./objectives/objective.ts";
export {
  createObjective,
  type ObjectiveName,
  type ObjectiveOptions,
  objectiveNames,
} from "./objectives/objectives.ts";
export { sft } from "./objectives/sft.ts";
export { dequantizeInt8, type Int8Matrix, quantizeInt8 } from "./quantization/int8.ts";
export { dequantizeNF4, type NestedStatistics, type NF4Tensor, quantizeNF4 } from "./quantization/nf4.ts";
export {
  type AnyTensor,
  type Device,
  type DeviceOperations,
  type DeviceTensor,
  float32,
  type HostTensor,
  int64,
  type Program,
} from "./runtime/device.ts";
export { makeInterruptible } from "./runtime/interruptible.ts";
export type { ChatMessage, ChatSettings } from "./tokenization/chat-template.ts";
export { openFolderTokenizer } from "./tokenization/hugging-face.ts";
export type { Tokenizer } from "./tokenization/tokenizer.ts";
export {
  type AdamWConfig,
  type AdamWOptions,
  adamW,
  createMoments,
  type Moments,
} from "./training/adamw.ts";
export { openDeviceOptimizer } from "./training/device-optimizer.ts";
export type { DivergenceTerm } from "./training/divergence-term.ts";
export {
  estimateStep,
  type StepEstimate,
  type StepExtras,
  type StepShape,
  type StoredModel,
} from "./training/estimate.ts";
export {
  type EvaluationMetrics,
  initialProgress,
  type LoopEvents,
  type LoopOutcome,
  type LoopPlan,
  type Progress,
  runTrainingLoop,
  type StepMetrics,
  type TrainingState,
} from "./training/loop.ts";
export type { OpenOptimizer, OptimizedTensors, Optimizer, UpdateOptions } from "./training/optimizer.ts";
export type { SchedulerType } from "./training/schedule.ts";
export type { ReferencedExample } from "./training/scored-examples.ts";
export type { LossPlan, WrittenExamples } from "./training/step-loss.ts";
