/** @file How far tuned models of a grid have moved from their base, as a part of a study. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { wholeOf } from "../../core/models/matrix-rows.ts";
import type { Model } from "../../core/models/model.ts";
import { loadAdapter } from "../../node/adapters/load-adapter.ts";
import { readJson } from "../../node/files/structured.ts";
import { writeWhole } from "../../node/files/write.ts";
import { openModel } from "../../node/models/open-model.ts";
import { measureDivergence } from "../../retention/kl-divergence.ts";
import { readNeutralText, writeNeutralText } from "../../retention/neutral-text.ts";
import type { Part, PartEvents } from "../study-kind.ts";
import { estimateSchema } from "../study-results.ts";
import type { ModelChoice } from "../tuning.ts";

/** The option that names the text. */
export const neutralText = z
  .string()
  .optional()
  .describe(
    "file of text on which the divergence from the base model is measured; by default the project's own",
  );

interface DivergenceConfig {
  readonly model: string;
  readonly neutral_text?: string | undefined;
}

/**
 * The divergence of a model from the base.
 *
 * @param below the folder of a cell's run, or that of a quantized base's evaluation
 * @param choose called when it is opened
 */
export function divergencePart(
  config: DivergenceConfig,
  id: string,
  below: string,
  choose: () => ModelChoice,
): Part {
  return {
    name: `${id}: divergence`,
    cell: id,
    isIndependent: true,
    isDone: () => existsSync(divergencePath(below)),
    compute: (events) => diverge(config, choose(), divergencePath(below), events),
  };
}

/** @param below the folder of a cell's run, or that of a quantized base's evaluation */
export function divergencePath(below: string): string {
  return join(below, "divergence.json");
}

const divergenceSchema = z
  .object({ divergence: estimateSchema, weightBytes: z.number(), float32Bytes: z.number() })
  .readonly();

const windowsSchema = z.object({ divergence: z.object({ windowMeans: z.array(z.number()).min(1) }) });

/** Of a tuned model: how far its predictions moved from the base model's, and the bytes of its weights. */
export type DivergenceFile = z.infer<typeof divergenceSchema>;

/** @throws InputError if it is missing or damaged. */
export function readDivergence(path: string): DivergenceFile {
  return readJson(path, divergenceSchema, `remove ${path} and run the study again`);
}

/** The mean divergence of each window of the neutral text. @throws InputError if the file is missing or damaged. */
export function readWindows(path: string): readonly number[] {
  const { divergence } = readJson(path, windowsSchema, `remove ${path} and run the study again`);
  return divergence.windowMeans;
}

async function diverge(
  config: DivergenceConfig,
  { model, adapter, storage }: ModelChoice,
  out: string,
  { onProgress }: PartEvents,
): Promise<void> {
  onProgress("loading the models");
  const base = await openModel(config.model);
  const opened = await openModel(model, storage === undefined ? {} : { storage });
  const tuned = adapter === undefined ? opened : await loadAdapter(opened, adapter);
  const text = config.neutral_text === undefined ? writeNeutralText() : readNeutralText(config.neutral_text);
  const divergence = await measureDivergence(base, tuned, text, {
    onWindow: (done, windows) => onProgress(`divergence ${done}/${windows}`),
  });
  const result: DivergenceFile = {
    divergence,
    weightBytes: await countBytes(opened),
    float32Bytes: await countBytes(base),
  };
  writeWhole(out, `${JSON.stringify(result, undefined, 1)}\n`);
}

/** Bytes of a model's weights as they are kept in memory. */
async function countBytes({ config, weights }: Model): Promise<number> {
  const tensors = new Set([weights.norm]);
  for (const table of [weights.embedding, weights.head]) tensors.add(await wholeOf(table));
  for (let layer = 0; layer < config.numHiddenLayers; layer++)
    for (const tensor of Object.values(await weights.block(layer))) tensors.add(tensor);
  return [...tensors].reduce((sum, { data }) => sum + (data as ArrayBufferView).byteLength, 0);
}
