/** @file What the runs and evaluations of a grid found. */

import { existsSync } from "node:fs";
import { z } from "zod";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { countParameters } from "../../core/architectures/modules.ts";
import { compare, type ScoreComparison, type ScoreName } from "../../evaluation/compare.ts";
import { type RecordedEvaluation, readEvaluation } from "../../evaluation/evaluation-folder.ts";
import { outputFolder } from "../../evaluation/output-folder.ts";
import { readJson } from "../../node/files/structured.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { resolveModel } from "../../node/models/hub-model.ts";
import { readMetrics } from "../../node/training/metrics-log.ts";
import { readIdentity, runFolder } from "../../node/training/run-folder.ts";
import { type StudyFolder, whyMissing } from "../study-folder.ts";
import { readRunSummary, runSummaryPath } from "../tuning.ts";
import type { Cell } from "./cells.ts";
import type { GridConfig } from "./options.ts";
import {
  efficiencySchema,
  type GridCell,
  type GridResults,
  type StudyData,
  type StudyRun,
  type StudyTask,
} from "./results.ts";
import { describeSplits } from "./study-data.ts";
import { chooseBits, chooseScore, findScore } from "./task-scores.ts";

/** What of an evaluation's results.json is needed beside its scores. */
const evaluationSchema = z.object({
  /** Seconds since 1970, when it was begun. */
  date: z.number(),
  slimtune: z.object({
    model: z.object({ sha256: z.string() }),
    prompt_hashes: z.record(z.string(), z.string()),
  }),
});

/** What a grid found, but for its cells. */
export interface GridFindings
  extends Pick<GridResults, "date" | "model" | "data" | "tasks" | "variants" | "base"> {
  /** The score by which each task is judged. */
  readonly chosen: readonly ScoreName[];
  /** The bits per byte of the right answers of each task that has them. */
  readonly chosenBits: readonly ScoreName[];
}

/** @throws InputError if the base model was not evaluated yet, or a file of the study is damaged. */
export async function collectGrid(
  config: GridConfig,
  cells: readonly Cell[],
  folder: StudyFolder,
): Promise<GridFindings> {
  const base = await readEvaluation(folder.base);
  const { scores } = await compare(folder.base, folder.base);
  const chosen = config.tasks.map((task) => chooseScore(task, scores, config));
  const { slimtune } = readJson(outputFolder(folder.base).results, evaluationSchema);
  return {
    chosen,
    chosenBits: chooseBits(config.tasks, scores),
    date: lastDate(cells, folder),
    model: {
      name: config.model,
      sha256: slimtune.model.sha256,
      parameters: countParameters(await readConfig(await resolveModel(config.model))),
    },
    data: Object.entries(config.data).map(([name, source]) => describeData(name, source, cells, folder)),
    tasks: chosen.map((score) => describeTask(score, scores, base, slimtune.prompt_hashes, config, cells)),
    ...(config.variants && {
      variants: Object.entries(config.variants).map(([name, options]) => ({ name, options })),
    }),
    base: {
      evaluation: "evaluations/base",
      scores: Object.fromEntries(
        chosen.map((score) => [score.task, findScore(scores, score)!.before] as const),
      ),
    },
  };
}

/** A cell, with why it has no results, if it has none. */
export function describeCell(
  { id, method, data, variant, seed }: Cell,
  folder: StudyFolder,
  isComputed: boolean,
): GridCell {
  const cell = { id, method, data: data.name, ...(variant !== undefined && { variant }), seed };
  const error = whyMissing(folder, id, isComputed);
  return error === undefined ? cell : { ...cell, error };
}

/** Which items the models were asked, in sentences: nothing if all of each task. */
export function describeItems(config: GridConfig): string[] {
  const limits = Object.entries(config.limits).map(([task, limit]) => `of ${task} ${limit}`);
  if (config.limit !== undefined) limits.unshift(`of each task ${config.limit}`);
  const asked = limits.length > 0 ? [`At most the first items were asked: ${limits.join(", ")}.`] : [];
  return [...describeSplits(config), ...asked];
}

/** @param compressionRate how many times smaller the base model is kept than in float32, times the ratio of the scores */
export function collectRun(id: string, folder: StudyFolder, compressionRate: number | null): StudyRun {
  const run = runFolder(folder.run(id));
  const { trainableParameters, totalSteps } = readRunSummary(run.path);
  const metrics = readMetrics(run.metrics);
  const efficiency = readJson(run.efficiency, efficiencySchema);
  return {
    folder: `runs/${id}`,
    evaluation: `evaluations/${id}`,
    trainableParameters,
    steps: totalSteps,
    loss: metrics.flatMap((line) => ("loss" in line ? [[line.step, line.loss] as const] : [])),
    heldOutLoss: metrics.flatMap((line) =>
      "eval_loss" in line ? [[line.step, line.eval_loss] as const] : [],
    ),
    efficiency: { ...efficiency, compressionRate },
  };
}

function describeData(name: string, source: string, cells: readonly Cell[], folder: StudyFolder): StudyData {
  const run = cells
    .filter(({ data }) => data.name === name)
    .map(({ id }) => runFolder(folder.run(id)))
    .find(({ path }) => existsSync(runSummaryPath(path)));
  if (!run) return { name, source, sha256: "", examples: 0, tokens: 0 };
  const { examples, tokens } = readRunSummary(run.path);
  const { dataSha256 } = readIdentity(run);
  return { name, source, sha256: dataSha256, examples, tokens };
}

function describeTask(
  { task, metric, filter }: ScoreName,
  scores: readonly ScoreComparison[],
  base: RecordedEvaluation,
  promptHashes: Readonly<Record<string, string>>,
  config: GridConfig,
  cells: readonly Cell[],
): StudyTask {
  const score = findScore(scores, { task, metric, filter })!;
  const members = score.pooled ?? [task];
  const recorded = members.map((name) => base.tasks.get(name)!);
  const alignedData = Object.entries(config.data).flatMap(([name]) => {
    const ofSplit = cells.find(({ data }) => data.name === name)?.data.task;
    const meant = config.aligned[name] ?? (ofSplit === undefined ? [] : [ofSplit]);
    return meant.includes(task) || meant.some((one) => members.includes(one)) ? [name] : [];
  });
  return {
    name: task,
    version: recorded.map(({ version }) => version)[0]!,
    metric,
    filter,
    higherIsBetter: score.higherIsBetter,
    inPoints: score.inPoints,
    items: score.items,
    chance: chanceOf(recorded, filter),
    promptHashes: Object.fromEntries(members.map((name) => [name, promptHashes[name]!])),
    alignedData,
  };
}

/** The share of right answers of who guesses: the mean over the items of 1 / choices; null where answers are written. */
function chanceOf(tasks: readonly RecordedEvaluationTask[], filter: string): number | null {
  const choices = tasks.flatMap(({ items }) => (items.get(filter) ?? []).map((item) => item.choices));
  if (choices.length === 0 || choices.includes(undefined)) return null;
  return choices.reduce<number>((sum, count) => sum + 1 / count!, 0) / choices.length;
}

type RecordedEvaluationTask = NonNullable<ReturnType<RecordedEvaluation["tasks"]["get"]>>;

async function readConfig(path: string): Promise<ModelConfig> {
  const checkpoint = await openCheckpoint(path);
  checkpoint.close();
  return checkpoint.config;
}

/** When the last of the evaluations was begun, in ISO 8601. */
function lastDate(cells: readonly Cell[], folder: StudyFolder): string {
  const dates = [folder.base, ...cells.map(({ id }) => folder.evaluation(id))]
    .map((path) => outputFolder(path).results)
    .filter((path) => existsSync(path))
    .map((path) => readJson(path, evaluationSchema).date);
  return new Date(1000 * Math.max(...dates)).toISOString();
}
