/** @file How well an adapter predicts rows, such as those that no client has learnt from. */

import { isDeepStrictEqual } from "node:util";
import type { Adaptation } from "../core/adapters/adaptation.ts";
import type { Adapter } from "../core/adapters/adapted-model.ts";
import { createAdaptation, methodOf } from "../core/adapters/methods.ts";
import { initializeParameters } from "../core/adapters/parameters.ts";
import { buildMicroBatches } from "../core/data/batch.ts";
import { createEngine } from "../core/engine/engine.ts";
import { scoreTexts } from "../core/training/scored-examples.ts";
import { readAdapter } from "../node/adapters/peft-files.ts";
import { openModel } from "../node/models/open-model.ts";
import type { RunConfig } from "../node/training/run-config.ts";
import { openRunDevice, readExamples } from "../node/training/run-inputs.ts";
import { mean } from "../statistics/estimates.ts";

export interface HeldOutMeter {
  /** The mean loss of the trained tokens of each file's rows, in nats, in the order of the files. */
  measure(adapter: Adapter): Promise<number[]>;
  /** The mean loss of each row's trained tokens, in nats, for each file; of rows without such there is none. */
  measureRows(adapter: Adapter): Promise<number[][]>;
  /**
   * @param adapter folder in PEFT's layout. Default: the adapter as a run begins with it, under which the model is as it was
   * @throws InputError if it cannot be read, or is of another model.
   */
  read(adapter?: string): Promise<Adapter>;
  release(): Promise<void>;
}

/**
 * Reads files of rows as a run's examples.
 *
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
  const openEngine = (of: Adaptation) =>
    createEngine(openRunDevice(config), model.config, model.weights, of, { segmentSize: 1 });
  let current = { adaptation, engine: openEngine(adaptation) };
  const engineOf = async (of: Adaptation) => {
    if (current.adaptation !== of) {
      await current.engine.release();
      current = { adaptation: of, engine: openEngine(of) };
    }
    return current.engine;
  };
  /** The loss of each token of each row of each file. */
  const score = async ({ adaptation, parameters }: Adapter) => {
    const engine = await engineOf(adaptation);
    const losses: number[][][] = [];
    for (const ofFile of texts) {
      const batches = buildMicroBatches(ofFile, { microBatchTokens, packing });
      const scores = await scoreTexts(engine, parameters, ofFile, batches, () => {});
      losses.push(scores.map((ofRow) => Array.from(ofRow, (value) => -value)));
    }
    return losses;
  };
  return {
    measure: async (adapter) => (await score(adapter)).map((rows) => mean(rows.flat())),
    measureRows: async (adapter) =>
      (await score(adapter)).map((rows) => rows.filter(({ length }) => length > 0).map(mean)),
    async read(adapter) {
      if (adapter === undefined) {
        const { config: ofModel, weights } = model;
        const parameters = await initializeParameters(ofModel, adaptation, weights, config.seed);
        return { adaptation, parameters };
      }
      const { format, settings, ...files } = await readAdapter(adapter, model.config, model.fingerprint);
      const own = config[methodOf(config.method).peft!.section as keyof RunConfig];
      // So that what is alike is computed by the same programs.
      return isDeepStrictEqual(settings, own) ? { ...files, adaptation } : files;
    },
    release: () => current.engine.release(),
  };
}
