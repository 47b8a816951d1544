/** @file The parts of a grid: tuning a cell's model, and asking a model the tasks, each into a folder. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Storage } from "../../core/models/linear.ts";
import { outputFolder } from "../../evaluation/output-folder.ts";
import { runEvaluation } from "../../evaluation/run-evaluation.ts";
import { readJson } from "../../node/files/structured.ts";
import { writeWhole } from "../../node/files/write.ts";
import { fineTune, resumeRun } from "../../node/training/fine-tune.ts";
import { parseRunConfig, type RunOptions } from "../../node/training/run-config.ts";
import type { RunEvents, RunPlan } from "../../node/training/run-events.ts";
import { runFolder } from "../../node/training/run-folder.ts";
import { baseId, type StudyFolder } from "../study-folder.ts";
import type { Part, PartEvents } from "../study-kind.ts";
import type { Cell } from "./cells.ts";
import type { GridConfig } from "./options.ts";
import { studyTasks } from "./study-data.ts";
import { createWorkload } from "./workload.ts";

/** A model as it is opened. */
export interface ModelChoice {
  readonly model: string;
  readonly adapter?: string;
  readonly storage?: Storage;
}

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
    work: { type: "evaluation", flops: workload.evaluation },
    isDone: () => isEvaluated(folder, id),
    compute: (events) => evaluate(config, choose(), folder.evaluation(id), events),
  });
  return {
    tuning: ({ id, run }) => ({
      name: `${id}: tuning`,
      cell: id,
      work: { type: "tuning", flops: () => workload.tuning(run) },
      savesState: true,
      isDone: () => findTunedModel(run) !== undefined,
      compute: (events) => tune(run, events),
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

/** The tuned model of a cell. @throws Error before its run is finished. */
export function tunedModel({ id, run }: Cell): ModelChoice {
  const found = findTunedModel(run);
  if (!found) throw new Error(`The run of ${id} is not finished.`);
  return found;
}

function findTunedModel(options: RunOptions): ModelChoice | undefined {
  const run = runFolder(options.out);
  if (existsSync(run.model)) return { model: run.model };
  if (!existsSync(run.adapter)) return undefined;
  const { model, storage } = parseRunConfig(options, "The study");
  return { model, adapter: run.adapter, storage };
}

const runSummarySchema = z
  .object({
    trainableParameters: z.number(),
    totalSteps: z.number(),
    examples: z.number(),
    tokens: z.number(),
  })
  .readonly();

/** What a run's folder says of it beside its files: written before its first step. */
export type RunSummary = z.infer<typeof runSummarySchema>;

/** Where a run's summary is. */
export function runSummaryPath(folder: string): string {
  return join(folder, "summary.json");
}

/** @throws InputError if it is missing or damaged. */
export function readRunSummary(folder: string): RunSummary {
  return readJson(runSummaryPath(folder), runSummarySchema);
}

async function tune(options: RunOptions, { onProgress, signal }: PartEvents): Promise<void> {
  let plan: RunPlan | undefined;
  const events: RunEvents = {
    signal,
    onStage: onProgress,
    onPlan(given) {
      plan = given;
      const { dataset, totalSteps, trainableParameters } = given;
      const { examples, tokens } = dataset;
      const summary: RunSummary = { trainableParameters, totalSteps, examples, tokens };
      writeWhole(runSummaryPath(options.out), `${JSON.stringify(summary, undefined, 1)}\n`);
    },
    onStep({ step, loss }, { tokens, seconds }) {
      onProgress(
        `step ${step}/${plan!.totalSteps}  loss ${loss.toFixed(3)}  ${(tokens / seconds).toFixed(0)} tokens/s`,
      );
    },
  };
  const isBegun = existsSync(runFolder(options.out).config);
  await (isBegun ? resumeRun(options.out, events) : fineTune(options, events));
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
