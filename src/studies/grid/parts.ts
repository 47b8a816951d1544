/** @file The parts of a grid: tuning a cell's model, and asking a model the tasks, each into a folder. */

import { existsSync } from "node:fs";
import { outputFolder } from "../../evaluation/output-folder.ts";
import { runEvaluation } from "../../evaluation/run-evaluation.ts";
import { baseId, type StudyFolder } from "../study-folder.ts";
import type { Part, PartEvents } from "../study-kind.ts";
import { findTunedModel, type ModelChoice, tuneModel } from "../tuning.ts";
import type { Cell } from "./cells.ts";
import type { GridConfig } from "./options.ts";
import { studyTasks } from "./study-data.ts";
import { createWorkload } from "./workload.ts";

/** Makes the parts of a grid. */
export interface GridParts {
  /** A cell's tuning run. */
  tuning(cell: Cell): Part;
  /** The base model's scores, without which there is no study. */
  baseEvaluation(): Part;
  /** The scores of a model. @param choose called when it is opened */
  evaluation(id: string, choose: () => ModelChoice): Part;
}

export function gridParts(config: GridConfig, folder: StudyFolder): GridParts {
  const workload = createWorkload(config);
  const evaluation = (id: string, choose: () => ModelChoice): Part => ({
    name: `${id}: evaluation`,
    cell: id,
    isIndependent: true,
    work: { type: "evaluation", flops: workload.evaluation },
    isDone: () => isEvaluated(folder, id),
    compute: (events) => evaluate(config, choose(), folder.evaluation(id), events),
  });
  return {
    tuning: ({ id, run }) => ({
      name: `${id}: tuning`,
      cell: id,
      isIndependent: true,
      work: { type: "tuning", flops: () => workload.tuning(run) },
      savesState: true,
      isDone: () => findTunedModel(run) !== undefined,
      compute: (events) => tuneModel(run, events),
    }),
    evaluation,
    baseEvaluation() {
      const { cell: _, ...part } = evaluation(baseId, () => ({ model: config.model }));
      return part;
    },
  };
}

/** Whether the evaluation of this name is finished. */
export function isEvaluated(folder: StudyFolder, id: string): boolean {
  return existsSync(outputFolder(folder.evaluation(id)).results);
}

async function evaluate(
  config: GridConfig,
  tuned: ModelChoice,
  out: string,
  { onProgress }: PartEvents,
): Promise<void> {
  const { tasks, limit, num_fewshot: numFewshot, apply_chat_template, data_dir: dataDir } = config;
  const { chat_template: chatTemplate, date } = config;
  await runEvaluation(
    {
      ...tuned,
      tasks,
      registry: studyTasks(config),
      out,
      applyChatTemplate: apply_chat_template,
      ...(chatTemplate !== undefined && { chatTemplate }),
      ...(date !== undefined && { date }),
      ...(limit !== undefined && { limit }),
      ...(numFewshot !== undefined && { numFewshot }),
      ...(dataDir !== undefined && { dataDir }),
    },
    {
      onStage: onProgress,
      onProgress: ({ type, answered, total }) => onProgress(`${type} ${answered}/${total}`),
    },
  );
}
