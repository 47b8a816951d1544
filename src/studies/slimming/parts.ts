/** @file The parts of a slimming study: the grid's, alignment before tuning, and divergence after it. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { measureAlignment } from "../../alignment/align.ts";
import { isQuantized, type Storage } from "../../core/models/linear.ts";
import { wholeOf } from "../../core/models/matrix-rows.ts";
import type { Model } from "../../core/models/model.ts";
import { adjustChat } from "../../core/models/model.ts";
import { loadAdapter } from "../../node/adapters/load-adapter.ts";
import { readJson } from "../../node/files/structured.ts";
import { writeWhole } from "../../node/files/write.ts";
import { openModel } from "../../node/models/open-model.ts";
import { parseRunConfig } from "../../node/training/run-config.ts";
import { measureDivergence } from "../../retention/kl-divergence.ts";
import { readNeutralText, writeNeutralText } from "../../retention/neutral-text.ts";
import { type Cell, listCells } from "../grid/cells.ts";
import { gridParts } from "../grid/parts.ts";
import { prepareData, studyTasks } from "../grid/study-data.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { Part, PartEvents, PartList } from "../study-kind.ts";
import { estimateSchema } from "../study-results.ts";
import { type ModelChoice, tunedModel } from "../tuning.ts";
import type { SlimmingConfig } from "./options.ts";

/**
 * The base model's scores, the alignment, those of the base as methods keep it that quantize it, and of each cell its run, its
 * scores and its divergence from the base.
 */
export async function listSlimmingParts(config: SlimmingConfig, folder: StudyFolder): Promise<PartList> {
  const cells = await listCells(config, folder);
  const { tuning, baseEvaluation, evaluation } = gridParts(config, folder);
  const divergence = (id: string, below: string, choose: () => ModelChoice): Part => ({
    name: `${id}: divergence`,
    cell: id,
    isDone: () => existsSync(divergencePath(below)),
    compute: (events) => diverge(config, choose(), divergencePath(below), events),
  });
  const parts: Part[] = [
    baseEvaluation(),
    {
      name: "alignment",
      isDone: () => existsSync(alignmentPath(folder)),
      compute: (events) => align(config, folder, events),
    },
    ...listQuantizedBases(cells).flatMap(({ id, storage }) => {
      const choose = () => ({ model: config.model, storage });
      return [evaluation(id, choose), divergence(id, folder.evaluation(id), choose)];
    }),
    ...cells.flatMap((cell) => {
      const choose = () => tunedModel(cell.id, cell.run);
      return [tuning(cell), evaluation(cell.id, choose), divergence(cell.id, folder.run(cell.id), choose)];
    }),
  ];
  return { cells: cells.map(({ id }) => id), parts };
}

export function alignmentPath({ path }: StudyFolder): string {
  return join(path, "alignment.json");
}

/** @param below the folder of a cell's run, or that of a quantized base's evaluation */
export function divergencePath(below: string): string {
  return join(below, "divergence.json");
}

/** The base model as some of the methods keep it, not tuned: what quantizing alone changes. */
export interface QuantizedBase {
  /** Such as "base-nf4". */
  readonly id: string;
  readonly storage: Storage;
}

export function listQuantizedBases(cells: readonly Cell[]): QuantizedBase[] {
  const storages = new Set(cells.map(({ run }) => parseRunConfig(run, "The study").storage));
  return [...storages].filter(isQuantized).map((storage) => ({ id: `base-${storage}`, storage }));
}

async function align(config: SlimmingConfig, folder: StudyFolder, { onProgress }: PartEvents): Promise<void> {
  const { limit, data_dir: dataDir, alignment_samples: samples, tasks } = config;
  const { apply_chat_template: applyChatTemplate, chat_template: chatTemplate, date } = config;
  const data = await prepareData(config, folder.data);
  const sets = data.map(({ name, path }) => ({ name, path, applyChatTemplate }));
  const model = adjustChat(await openModel(config.model), { chatTemplate, date });
  const result = await measureAlignment(model, sets, tasks, {
    samples,
    registry: studyTasks(config),
    onStage: onProgress,
    ...(limit !== undefined && { limit }),
    ...(dataDir !== undefined && { dataDir }),
  });
  writeJson(alignmentPath(folder), result);
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
  config: SlimmingConfig,
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
  writeJson(out, result);
}

/** Bytes of a model's weights as they are kept in memory. */
async function countBytes({ config, weights }: Model): Promise<number> {
  const tensors = new Set([weights.norm]);
  for (const table of [weights.embedding, weights.head]) tensors.add(await wholeOf(table));
  for (let layer = 0; layer < config.numHiddenLayers; layer++)
    for (const tensor of Object.values(await weights.block(layer))) tensors.add(tensor);
  return [...tensors].reduce((sum, { data }) => sum + (data as ArrayBufferView).byteLength, 0);
}

function writeJson(path: string, value: unknown): void {
  writeWhole(path, `${JSON.stringify(value, undefined, 1)}\n`);
}
