/** @file The parts of a slimming study: the grid's, alignment before tuning, and divergence after it. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { measureAlignment } from "../../alignment/align.ts";
import { isQuantized, type Storage } from "../../core/models/linear.ts";
import { adjustChat } from "../../core/models/model.ts";
import { writeWhole } from "../../node/files/write.ts";
import { openModel } from "../../node/models/open-model.ts";
import { parseRunConfig } from "../../node/training/run-config.ts";
import { type Cell, listCells } from "../grid/cells.ts";
import { divergencePart } from "../grid/divergence.ts";
import { gridParts } from "../grid/parts.ts";
import { prepareData, studyTasks } from "../grid/study-data.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { Part, PartEvents, PartList } from "../study-kind.ts";
import { tunedModel } from "../tuning.ts";
import type { SlimmingConfig } from "./options.ts";

/**
 * The base model's scores, the alignment, those of the base as methods keep it that quantize it, and of each cell its run, its
 * scores and its divergence from the base.
 */
export async function listSlimmingParts(config: SlimmingConfig, folder: StudyFolder): Promise<PartList> {
  const cells = await listCells(config, folder);
  const { tuning, baseEvaluation, evaluation } = gridParts(config, folder);
  const parts: Part[] = [
    baseEvaluation(),
    {
      name: "alignment",
      isIndependent: true,
      isDone: () => existsSync(alignmentPath(folder)),
      compute: (events) => align(config, folder, events),
    },
    ...listQuantizedBases(cells).flatMap(({ id, storage }) => {
      const choose = () => ({ model: config.model, storage });
      return [evaluation(id, choose), divergencePart(config, id, folder.evaluation(id), choose)];
    }),
    ...cells.flatMap((cell) => {
      const choose = () => tunedModel(cell.id, cell.run);
      return [
        tuning(cell),
        evaluation(cell.id, choose),
        divergencePart(config, cell.id, folder.run(cell.id), choose),
      ];
    }),
  ];
  return { cells: cells.map(({ id }) => id), parts };
}

export function alignmentPath({ path }: StudyFolder): string {
  return join(path, "alignment.json");
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
  writeWhole(alignmentPath(folder), `${JSON.stringify(result, undefined, 1)}\n`);
}
