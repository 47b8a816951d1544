/** @file A model that predicts the public texts, and is taught on them what others have predicted. */

import { createAdaptation } from "../../core/adapters/methods.ts";
import { copyParameters, type Parameter, type Parameters } from "../../core/adapters/parameters.ts";
import { countTokens } from "../../core/data/training-example.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { InputError } from "../../core/errors.ts";
import { distill } from "../../core/objectives/distill.ts";
import { forwardKl } from "../../core/objectives/divergences.ts";
import { makeInterruptible } from "../../core/runtime/interruptible.ts";
import { createMoments } from "../../core/training/adamw.ts";
import { initialProgress, runTrainingLoop } from "../../core/training/loop.ts";
import { planSteps } from "../../core/training/step-plan.ts";
import { openModel } from "../../node/models/open-model.ts";
import { planLoop } from "../../node/training/fine-tune.ts";
import type { RunConfig } from "../../node/training/run-config.ts";
import { openRunDevice, readExamples } from "../../node/training/run-inputs.ts";
import { predictPublicTexts, teachPublicTexts } from "./public-texts.ts";
import {
  checkDistribution,
  decodePredictions,
  type EncodedPredictions,
  encodePredictions,
  type SparsePredictions,
} from "./sparse-predictions.ts";
import type { DistillationTask } from "./task.ts";

export interface PublicLearner {
  /** Of a prediction of all public texts. */
  readonly shape: Pick<SparsePredictions, "vocabSize" | "count" | "entries">;
  /** Tokens of the public texts, and of all steps of a distillation. */
  readonly tokens: number;
  readonly taughtTokens: number;
  /** Bytes of an encoded prediction. */
  readonly bytes: number;
  predict(parameters: Parameters): Promise<SparsePredictions>;
  /** An adapter after it was distilled from predictions; the one that is given stays as it is. */
  teach(parameters: Parameters, from: SparsePredictions, seed: number): Promise<Taught>;
  encode(predictions: SparsePredictions): Uint8Array;
  /** Reads a stranger's. @throws InputError if it has not the shape, or is no distribution. */
  decode(bytes: Uint8Array, whose: string): SparsePredictions;
  release(): Promise<void>;
}

export interface Taught {
  readonly parameters: Map<string, Parameter>;
  /** KL(what is taught ‖ model) of the first and of the last step, in nats a token. */
  readonly divergence: { readonly first: number; readonly last: number };
}

/**
 * Opens a model over the public texts.
 *
 * @param config of the tuning, with the file of public rows as its data
 * @throws InputError if the model or the file cannot be read, the texts have no labels, or more entries are asked for than there are.
 */
export async function openPublicLearner(
  config: RunConfig,
  { top_k, distill_steps, distill_learning_rate }: DistillationTask,
  signal?: AbortSignal,
): Promise<PublicLearner> {
  const { storage, micro_batch_tokens: microBatchTokens, packing } = config;
  const model = await openModel(config.model, { revision: config.revision, storage });
  const { vocabSize } = model.config;
  if (top_k > vocabSize)
    throw new InputError(
      `Of each prediction ${top_k} entries are to be sent, and the vocabulary of ${config.model} has ${vocabSize}; lower "top_k".`,
    );
  const source = { config: model.config, tokenizer: async () => model.tokenizer };
  const { examples } = await readExamples(config, config.data, source);
  const texts = examples.flatMap((example) => example.texts);
  const tokens = examples.map(countTokens);
  const device = openRunDevice(config);
  const adaptation = createAdaptation(config, model.config);
  const engine = createEngine(
    signal ? makeInterruptible(device, signal) : device,
    model.config,
    model.weights,
    adaptation,
    { segmentSize: 1 },
  );
  const batching = { microBatchTokens, packing };
  const predict = (parameters: Parameters) =>
    predictPublicTexts(engine, parameters, texts, { entries: top_k, batching });
  const count = texts.reduce((sum, { trained }) => sum + trained.subarray(1).reduce((a, b) => a + b, 0), 0);
  if (count === 0)
    throw new InputError(`The public texts of ${config.data} have no token to predict; give others.`);
  const shape = { vocabSize, count, entries: top_k };
  const encoded: Omit<EncodedPredictions, "bytes"> = { ...shape, temperature: 1, format: "float32" };
  const rate = distill_learning_rate ?? config.learning_rate;
  const asked = { validation: 0, num_train_epochs: 1, max_steps: distill_steps, learning_rate: rate };
  const taughtConfig = { ...config, ...asked };
  return {
    shape,
    tokens: tokens.reduce((sum, each) => sum + each, 0),
    taughtTokens: planSteps(taughtConfig, tokens).trainedTokens,
    bytes: count * (top_k * 8 + 4),
    predict,
    async teach(given, from, seed) {
      const parameters = copyParameters(given);
      const ofRound = { ...taughtConfig, seed };
      const plan = {
        ...planLoop({ config: ofRound, steps: planSteps(ofRound, tokens) }, examples),
        objective: distill({ label_weight: 0 }),
        divergences: [
          {
            ...{ name: "distillation", weight: 1, divergence: forwardKl },
            predict: teachPublicTexts(engine, parameters, texts, from),
          },
        ],
      };
      const state = { parameters, moments: createMoments(parameters), progress: initialProgress };
      const losses: number[] = [];
      await runTrainingLoop(engine, plan, state, {
        onStep: ({ loss }) => losses.push(loss),
        onEvaluation: () => {},
        save: async () => {},
      });
      return { parameters, divergence: { first: losses[0]!, last: losses.at(-1)! } };
    },
    encode: (predictions) => encodePredictions(predictions, "float32").bytes,
    decode(bytes, whose) {
      const predictions = decodePredictions({ ...encoded, bytes });
      checkDistribution(predictions, whose);
      return predictions;
    },
    release: () => engine.release(),
  };
}
