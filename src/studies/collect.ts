/** @file What a study found, from the folders of its runs and evaluations. */

import { existsSync } from "node:fs";
import { z } from "zod";
import { alignmentScores } from "../alignment/align.ts";
import type { ModelConfig } from "../core/architectures/architecture.ts";
import { countParameters } from "../core/architectures/modules.ts";
import { compare, judgeFamily, type ScoreComparison, type ScoreName } from "../evaluation/compare.ts";
import { type RecordedEvaluation, readEvaluation } from "../evaluation/evaluation-folder.ts";
import { slimtuneVersion } from "../evaluation/model-identity.ts";
import { outputFolder } from "../evaluation/output-folder.ts";
import type { ItemPair } from "../evaluation/paired-items.ts";
import { compressionRate } from "../node/efficiency/efficiency.ts";
import { readJson } from "../node/files/structured.ts";
import { openCheckpoint } from "../node/models/checkpoint.ts";
import { resolveModel } from "../node/models/hub-model.ts";
import { readMetrics } from "../node/training/metrics-log.ts";
import { readIdentity, runFolder } from "../node/training/run-folder.ts";
import { alignmentSchema, efficiencySchema } from "../reporting/study-file.ts";
import { spearman } from "../statistics/spearman.ts";
import { type Cell, listCells, listQuantizedBases, type QuantizedBase } from "./cells.ts";
import { readMachines } from "./machine.ts";
import { readDivergence, readRunSummary, runSummaryPath } from "./perform-job.ts";
import type {
  Estimate,
  Flip,
  Machine,
  QuantizedBaseResult,
  StudyAlignment,
  StudyCell,
  StudyChange,
  StudyData,
  StudyResults,
  StudyRun,
  StudyTask,
} from "./results.ts";
import type { StudyConfig } from "./study-config.ts";
import { describeSplits, prepareData } from "./study-data.ts";
import { readFailures, type StudyFolder } from "./study-folder.ts";
import { chooseScore, findScore } from "./task-scores.ts";

/** Pairs of data and task from which a correlation is told: of fewer, its interval says nothing. */
const leastFits = 6;

/** Answers that changed which are shown, of each task and direction. */
const shownFlips = 2;

/** What of an evaluation's results.json is needed beside its scores. */
const evaluationSchema = z.object({
  /** Seconds since 1970, when it was begun. */
  date: z.number(),
  slimtune: z.object({
    model: z.object({ sha256: z.string() }),
    prompt_hashes: z.record(z.string(), z.string()),
  }),
});

const alignmentsSchema = z.object({ alignments: z.array(alignmentSchema) });

/**
 * Collects what a study found. Cells that failed, or were not computed yet, say so.
 *
 * @throws InputError if the base model was not evaluated yet, or a file of the study is damaged.
 */
export async function collectResults(config: StudyConfig, folder: StudyFolder): Promise<StudyResults> {
  const base = await readEvaluation(folder.base);
  const itself = (await compare(folder.base, folder.base)).scores;
  const chosen = config.tasks.map((task) => chooseScore(task, itself, config));
  const data = await prepareData(config, folder.data);
  const cells = listCells(config, data, folder);
  const failures = readFailures(folder);
  const collected: StudyCell[] = [];
  for (const cell of cells) collected.push(await collectCell(cell, chosen, folder, failures[cell.id]));
  const bases: QuantizedBaseResult[] = [];
  for (const quantized of listQuantizedBases(cells))
    bases.push(await collectQuantizedBase(quantized, chosen, folder, failures[quantized.id]));
  const judge = judgeTogether([...collected, ...bases]);
  const studyCells = collected.map(judge);

  const [machine, ...others] = readMachines(folder);
  const { slimtune } = readJson(outputFolder(folder.base).results, evaluationSchema);
  const tasks = chosen.map((score) =>
    describeTask(score, itself, base, slimtune.prompt_hashes, config, cells),
  );
  const { alignments } = readJson(folder.alignment, alignmentsSchema);
  return {
    kind: config.kind,
    date: lastDate(cells, folder),
    command: `slimtune study resume ${folder.path}`,
    machine,
    versions: { slimtune: slimtuneVersion },
    model: {
      name: config.model,
      sha256: slimtune.model.sha256,
      parameters: countParameters(readConfig(await resolveModel(config.model))),
    },
    settings: config,
    data: data.map(({ name, source }) => describeData(name, source, cells, folder)),
    tasks,
    base: {
      evaluation: "evaluations/base",
      scores: Object.fromEntries(
        chosen.map((score) => [score.task, findScore(itself, score)!.before] as const),
      ),
    },
    quantizedBases: bases.map(judge),
    cells: studyCells,
    alignment: alignments,
    predictions: predictGains(alignments, studyCells, tasks),
    notes: [...describeLimits(config, bases), ...describeMachines(others)],
  };
}

async function collectCell(
  { id, method, data, seed }: Cell,
  chosen: readonly ScoreName[],
  folder: StudyFolder,
  failure: string | undefined,
): Promise<StudyCell> {
  const cell = { id, method, data: data.name, seed };
  if (failure !== undefined) return { ...cell, error: failure };
  const evaluation = folder.evaluation(id);
  const isWhole = existsSync(outputFolder(evaluation).results) && existsSync(folder.divergence(id));
  if (!isWhole) return { ...cell, error: "It is not computed yet." };
  const { scores } = await compare(folder.base, evaluation, { scores: chosen });
  const { divergence, weightBytes, float32Bytes } = readDivergence(folder.divergence(id));
  const rate = compressionRate(
    { bytes: float32Bytes, score: meanScore(scores, "before") },
    { bytes: weightBytes, score: meanScore(scores, "after") },
  );
  return {
    ...cell,
    run: collectRun(id, folder, rate),
    changes: describeChanges(scores),
    divergence,
    flips: scores.flatMap(({ task, fixed = [], broken = [] }) => [
      ...fixed.slice(0, shownFlips).map((pair) => describeFlip(task, "fixed", pair)),
      ...broken.slice(0, shownFlips).map((pair) => describeFlip(task, "broken", pair)),
    ]),
  };
}

async function collectQuantizedBase(
  { id, storage }: QuantizedBase,
  chosen: readonly ScoreName[],
  folder: StudyFolder,
  failure: string | undefined,
): Promise<QuantizedBaseResult> {
  if (failure !== undefined) return { id, storage, error: failure };
  if (!existsSync(folder.baseDivergence(id))) return { id, storage, error: "It is not computed yet." };
  const { scores } = await compare(folder.base, folder.evaluation(id), { scores: chosen });
  const { divergence } = readDivergence(folder.baseDivergence(id));
  return { id, storage, evaluation: `evaluations/${id}`, changes: describeChanges(scores), divergence };
}

/** Each score's comparison, with the numbers of the items that became right and wrong in place of the items. */
function describeChanges(scores: readonly ScoreComparison[]): Record<string, StudyChange> {
  return Object.fromEntries(
    scores.map(({ fixed, broken, ...change }) => [
      change.task,
      { ...change, ...(fixed && broken && { fixed: fixed.length, broken: broken.length }) },
    ]),
  );
}

interface Changed {
  readonly changes?: Readonly<Record<string, StudyChange>>;
}

/** Adjusts the p-values of all changes for their number in the whole study. @returns what puts them in place */
function judgeTogether(all: readonly Changed[]): <T extends Changed>(one: T) => T {
  const changes = all.flatMap(({ changes = {} }) => Object.values(changes));
  const judged = judgeFamily(changes, "comparisons of the study");
  const byChange = new Map(changes.map((change, i) => [change, judged[i]!]));
  return (one) =>
    one.changes
      ? {
          ...one,
          changes: Object.fromEntries(
            Object.entries(one.changes).map(([task, change]) => [task, byChange.get(change)!]),
          ),
        }
      : one;
}

/** The mean of the scores of which a hundredth is a point. */
function meanScore(scores: readonly ScoreComparison[], side: "before" | "after"): number {
  const values = scores.filter(({ inPoints }) => inPoints).map((score) => score[side].value);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function describeFlip(task: string, direction: Flip["direction"], { before, after }: ItemPair): Flip {
  const { docId: item, prompt, target: expected } = before;
  return { task, item, direction, prompt, expected, base: before.answer, tuned: after.answer };
}

function collectRun(id: string, folder: StudyFolder, rate: number | null): StudyRun {
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
    efficiency: { ...efficiency, compressionRate: rate },
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
  config: StudyConfig,
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

function readConfig(path: string): ModelConfig {
  const checkpoint = openCheckpoint(path);
  checkpoint.close();
  return checkpoint.config;
}

/**
 * How well each score of alignment predicts the gain, over all cells and tasks of which a hundredth is a point: by
 * Spearman's rank correlation, since the scores have no scale in common with the gain. Cells of other methods and seeds have
 * the same alignment, so they are drawn together for the interval.
 */
function predictGains(
  alignments: readonly StudyAlignment[],
  cells: readonly StudyCell[],
  tasks: readonly StudyTask[],
): StudyResults["predictions"] {
  return alignmentScores.flatMap((score) => {
    const pairs = cells.flatMap(({ data, changes = {} }) =>
      tasks.flatMap(({ name, inPoints }) => {
        const fit = alignments.find((one) => one.data === data && one.task === name);
        const change = changes[name];
        const alignment = fit?.[score];
        if (!inPoints || !change || typeof alignment !== "number") return [];
        return [{ fit, alignment, gain: change.difference.value }];
      }),
    );
    const groups = pairs.map(({ fit }) => alignments.indexOf(fit!));
    if (new Set(groups).size < leastFits) return [];
    const correlation = spearman(
      pairs.map(({ alignment }) => alignment),
      pairs.map(({ gain }) => gain),
      { groups },
    );
    if (!correlation) return [];
    const { value, low, high }: Estimate = correlation;
    const fits = new Set(groups).size;
    return [{ score, correlation: { value, low, high }, cells: pairs.length, fits }];
  });
}

/** When the last of the evaluations was begun, in ISO 8601. */
function lastDate(cells: readonly Cell[], folder: StudyFolder): string {
  const dates = [folder.base, ...cells.map(({ id }) => folder.evaluation(id))]
    .map((path) => outputFolder(path).results)
    .filter((path) => existsSync(path))
    .map((path) => readJson(path, evaluationSchema).date);
  return new Date(1000 * Math.max(...dates)).toISOString();
}

function describeMachines(others: readonly Machine[]): string[] {
  return others.map(
    ({ cpu, cores, node }) =>
      `Parts were computed on another machine (${cpu}, ${cores} cores, Node.js ${node}); costs of the two cannot be compared.`,
  );
}

function describeLimits(config: StudyConfig, bases: readonly QuantizedBaseResult[]): string[] {
  const notes = [...describeSplits(config)];
  const limits = Object.entries(config.limits).map(([task, limit]) => `of ${task} ${limit}`);
  if (config.limit !== undefined) limits.unshift(`of each task ${config.limit}`);
  if (limits.length > 0) notes.push(`At most the first items were asked: ${limits.join(", ")}.`);
  if (config.seeds.length === 1)
    notes.push(
      "Each model was tuned once, so the intervals are over the items and not over the training's chance.",
    );
  if (bases.length > 0)
    notes.push(
      "The changes of models on a quantized base are those by tuning and by quantizing, for the base model is in float32; the rows of the base that is quantized and not tuned say what quantizing alone does. Models on a base in NF4 write their texts with that base in 8 bits; likelihoods are computed with NF4 itself.",
    );
  if (config.neutral_text === undefined)
    notes.push(
      "The divergence is measured on the embedded model's own kind of text, which is strange to other models.",
    );
  return notes;
}
