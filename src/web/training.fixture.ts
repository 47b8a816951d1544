/** @file For tests: a few steps of training, in Node.js and in a page. */

import {
  adamW,
  createEngine,
  type Device,
  encodeText,
  initializeParameters,
  lora,
  loraConfigSchema,
  type Model,
  sumLosses,
  zerosLike,
} from "../core/index.ts";

/** The losses of two LoRA steps on a text. */
export async function train({ config, weights, tokenizer }: Model, device: Device): Promise<number[]> {
  const adaptation = lora(loraConfigSchema.parse({ r: 4 }), config);
  const parameters = await initializeParameters(config, adaptation, weights, 0);
  const engine = createEngine(device, config, weights, adaptation, { segmentSize: 1 });
  const update = adamW(parameters, { learningRate: 1e-2 });
  const inputIds = Int32Array.from(encodeText(tokenizer, "Tom has 3 pens and buys 2 more, so he has 5."));
  const { length } = inputIds;
  const batch = {
    rows: 1,
    length,
    inputIds,
    positionIds: Int32Array.from(inputIds.keys()),
    segmentIds: new Int32Array(length).fill(1),
    labelPositions: Int32Array.from({ length: length - 1 }, (_, i) => i),
    labels: inputIds.slice(1),
  };
  const losses: number[] = [];
  for (let step = 0; step < 2; step++) {
    const gradients = zerosLike(parameters);
    const weights = 1 / (length - 1);
    const { logProbabilities } = await engine.accumulate(batch, parameters, gradients, { weights });
    losses.push(sumLosses(logProbabilities));
    update(gradients);
  }
  await engine.release();
  return losses;
}
