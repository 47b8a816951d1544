/** @file The parts of a causal study: all models are tuned first, since prompts are exchanged between them. */

import { divergencePart } from "../grid/divergence.ts";
import { gridParts } from "../grid/parts.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { PartList } from "../study-kind.ts";
import { tunedModel } from "../tuning.ts";
import { listCausalCells } from "./cells.ts";
import { type CausalConfig, gridsOf } from "./options.ts";
import { promptsPart } from "./prompts.ts";

export async function listCausalParts(config: CausalConfig, folder: StudyFolder): Promise<PartList> {
  const cells = await listCausalCells(config, folder);
  const { tuning, baseEvaluation, evaluation } = gridParts(gridsOf(config)[0], folder);
  return {
    cells: cells.map(({ id }) => id),
    parts: [
      baseEvaluation(),
      ...cells.map(tuning),
      ...cells.flatMap((cell) => {
        const choose = () => tunedModel(cell.id, cell.run);
        return [
          evaluation(cell.id, choose),
          divergencePart(config, cell.id, folder.run(cell.id), choose),
          ...promptsPart(config, cell, cells, folder),
        ];
      }),
    ],
  };
}
