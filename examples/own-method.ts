/** Trains by an adapter method of your own: W x + B tanh(A x), a small network beside each linear layer. */

import { generate, inspectData, openDevice, openModel } from "slimtune";
import {
  type Adaptation,
  adamW,
  add,
  buildMicroBatches,
  createEngine,
  initializeParameters,
  type LinearAdapter,
  matmul,
  sumLosses,
  tanh,
  zerosLike,
} from "slimtune/core";

const width = 8;
/** How a linear layer computes with its trained tensors; the derivative follows by itself. */
const network = (outFeatures: number, inFeatures: number): LinearAdapter => ({
  signature: `network of ${width}`,
  dropout: 0,
  parameters: [
    {
      name: "A",
      shape: [width, inFeatures],
      initialize: (random) => Float32Array.from({ length: width * inFeatures }, () => 0.1 * random.normal()),
    },
    { name: "B", shape: [outFeatures, width], initialize: () => new Float32Array(outFeatures * width) },
  ],
  forward: (x, _dropped, weight, { A, B }) =>
    add(weight.multiply(x), matmul(tanh(matmul(x, A!, { transB: true })), B!, { transB: true })),
  merge() {
    throw new Error("No weight computes what the network does.");
  },
});
const adaptation: Adaptation = { trains: () => false, adapterOf: (_name, ...dims) => network(...dims) };

const { config, weights, ...model } = await openModel("fixtures/embedded-model");
const data = "fixtures/miniature/commonsense-train.jsonl";
const { examples } = await inspectData({ model: model.path, data });
const texts = examples.flatMap((example) => example.texts);
const batching = { microBatchTokens: 1024, packing: true };
const parameters = await initializeParameters(config, adaptation, weights, 0);
const engine = createEngine(openDevice("cpu"), config, weights, adaptation, { segmentSize: 1 });
const update = adamW(parameters, { learningRate: 1e-2 });

for (let step = 1; step <= 20; step++) {
  const gradients = zerosLike(parameters);
  const [batch] = buildMicroBatches(texts.slice(8 * step, 8 * step + 8), batching);
  const weights = 1 / batch!.labels.length;
  const { logProbabilities } = await engine.accumulate(batch!, parameters, gradients, { weights });
  const loss = weights * sumLosses(logProbabilities);
  update(gradients);
  if (step % 5 === 0) console.log(`step ${step}: loss ${loss.toFixed(3)}`);
}
await engine.release();

const tuned = { ...model, config, weights, adapter: { adaptation, parameters } };
console.log(await generate(tuned, "If Kate is sad, what does she do then?", { maxNewTokens: 20 }));
