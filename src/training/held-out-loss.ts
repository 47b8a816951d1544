/** @file The loss of a model on examples that it was not tuned on. */

import { type AdaptedModel, noAdapter } from "../adapters/adapted-model.ts";
import { buildMicroBatches } from "../data/batch.ts";
import { loadDataset } from "../data/load-dataset.ts";
import { createEngine } from "../engine/engine.ts";
import type { Device } from "../runtime/device.ts";

/**
 * Mean negative log-likelihood, in nats, of the completions in a file of examples.
 *
 * @throws InputError as `loadDataset` does.
 */
export async function measureLoss(device: Device, model: AdaptedModel, path: string): Promise<number> {
  const { tokenizer, config } = model;
  const { examples } = await loadDataset(path, { tokenizer, context: config.maxPositionEmbeddings });
  const { adaptation, parameters } = model.adapter ?? noAdapter;
  const engine = createEngine(device, config, model.weights, adaptation, { segmentSize: 1 });
  let loss = 0;
  let labels = 0;
  for (const batch of buildMicroBatches(examples, { microBatchTokens: 512, packing: true })) {
    loss += await engine.evaluate(batch, parameters);
    labels += batch.labels.length;
  }
  await engine.release();
  return loss / labels;
}
