/** Trains by an objective of your own: some answers are imitated, others unlearnt (unlikelihood; Welleck et al. 2020). */

import { inspectData, openDevice, openModel } from "slimtune";
import * as core from "slimtune/core";

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const odds = (logProbability: number) => 1 / Math.expm1(-Math.min(logProbability, -1e-6));
/** The mean of −log p over the tokens of wanted answers, and of −log(1 − p) over those of the others. */
const unlikelihood: core.Objective = {
  name: "unlikelihood",
  learnsFrom: "unpaired",
  usesReference: false,
  isLinear: false,
  evaluate(examples) {
    const tokensOf = (side: boolean) =>
      examples.flatMap(({ texts, label }) => (label === side ? [...texts[0]!.logProbabilities] : []));
    const [wanted, unwanted] = [tokensOf(true), tokensOf(false)];
    return {
      loss: mean(unwanted.map((value) => Math.log1p(odds(value)))) - mean(wanted),
      // The loss's derivative by each log-probability; those by the model's parameters follow.
      coefficients: examples.map(({ texts: [text], label }) => {
        const slope = (value: number) => (label ? -1 / wanted.length : odds(value) / unwanted.length);
        return [text!.logProbabilities.map(slope)];
      }),
      metrics: { wanted: mean(wanted), unwanted: mean(unwanted) },
    };
  },
};

const { config, weights, path: model } = await openModel("fixtures/embedded-model");
const read = (set: string) => inspectData({ model, data: `fixtures/miniature/${set}-train.jsonl` });
const sets = [await read("commonsense"), await read("math")];
const some = (start: number, end: number) =>
  sets.flatMap(({ examples }, i) =>
    examples.slice(start, end).map(({ texts }) => ({ texts, label: i === 0 })),
  );
const adaptation = core.freeze(2, config);
const parameters = await core.initializeParameters(config, adaptation, weights, 0);
const engine = core.createEngine(openDevice("cpu"), config, weights, adaptation, { segmentSize: 1 });
const plan = {
  totalSteps: 20,
  stepsPerEpoch: 60,
  objective: unlikelihood,
  examplesOf: (step: number) => some(8 * step, 8 * step + 8),
  heldOut: some(500, 520),
  batching: { microBatchTokens: 1024, packing: true },
  evalSteps: 10,
  saveSteps: 20,
  earlyStoppingPatience: undefined,
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  learningRate: 3e-3,
  scheduler: "constant",
  warmupSteps: 0,
  maxGradNorm: 1,
  seed: 0,
} as const;
const state = { parameters, moments: core.createMoments(parameters), progress: core.initialProgress };
// Of the held-out answers, in nats a token.
const onEvaluation = ({ step, metrics }: core.EvaluationMetrics) => console.log(`step ${step}:`, metrics);
await core.runTrainingLoop(engine, plan, state, { onEvaluation, onStep() {}, save: async () => {} });
