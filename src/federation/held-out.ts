/** @file How well an adapter predicts rows that no client has learnt from. */

import { createAdaptation } from "../core/adapters/methods.ts";
import type { Parameters } from "../core/adapters/parameters.ts";
import { buildMicroBatches } from "../core/data/batch.ts";
import { createEngine } from "../core/engine/engine.ts";
import { scoreTexts } from "../core/training/scored-examples.ts";
import { openModel } from "../node/models/open-model.ts";
import type { RunConfig } from "../node/training/run-config.ts";
import { openRunDevice, readExamples } from "../node/training/run-inputs.ts";

export interface HeldOutMeter {
  /** The mean loss of the trained tokens of each client's held-out rows, in nats, in the order of the files. */
  measure(parameters: Parameters): Promise<number[]>;
  release(): Promise<void>;
}

/**
 * Reads the clients' held-out rows as a run's examples.
 *
 * @param files of rows, one for each client
 * @throws InputError if the model or a file cannot be read.
 */
export async function openHeldOutMeter(config: RunConfig, files: readonly string[]): Promise<HeldOutMeter> {
  const { storage, micro_batch_tokens: microBatchTokens, packing } = config;
  const model = await openModel(config.model, { revision: config.revision, storage });
  const source = { config: model.config, tokenizer: async () => model.tokenizer };
  const texts = await Promise.all(
    files.map(async (file) => (await readExamples(config, file, source)).examples.flatMap((e) => e.texts)),
  );
  const adaptation = createAdaptation(config, model.config);
  const engine = createEngine(openRunDevice(config), model.config, model.weights, adaptation, {
    segmentSize: 1,
  });
  return {
    async measure(parameters) {
      const losses: number[] = [];
      for (const ofClient of texts) {
        const batches = buildMicroBatches(ofClient, { microBatchTokens, packing });
        const scores = await scoreTexts(engine, parameters, ofClient, batches, () => {});
        const values = scores.flatMap((score) => [...score]);
        losses.push(-values.reduce((sum, value) => sum + value, 0) / values.length);
      }
      return losses;
    },
    release: () => engine.release(),
  };
}
