/** @file What a slimming study found, from the folders of its runs and evaluations. */

import { existsSync } from "node:fs";
import { z } from "zod";
import { type Alignment, alignmentScores } from "../../alignment/align.ts";
import { compare, judgeFamily, type ScoreComparison, type ScoreName } from "../../evaluation/compare.ts";
import type { ItemPair } from "../../evaluation/paired-items.ts";
import { compressionRate } from "../../node/efficiency/efficiency.ts";
import { readJson } from "../../node/files/structured.ts";
import { spearman } from "../../statistics/spearman.ts";
import type { Estimate } from "../../statistics/wilson.ts";
import { type Cell, listCells } from "../grid/cells.ts";
import { collectGrid, collectRun, describeCell, describeItems } from "../grid/collect.ts";
import { isEvaluated } from "../grid/parts.ts";
import type { StudyTask } from "../grid/results.ts";
import { type StudyFolder, whyMissing } from "../study-folder.ts";
import type { Found } from "../study-kind.ts";
import type { SlimmingConfig } from "./options.ts";
import {
  alignmentPath,
  divergencePath,
  listQuantizedBases,
  type QuantizedBase,
  readDivergence,
} from "./parts.ts";
import {
  alignmentSchema,
  type Flip,
  type QuantizedBaseResult,
  type SlimmingCell,
  type SlimmingResults,
  type StudyChange,
} from "./results.ts";

/** Pairs of data and task from which a correlation is told: of fewer, its interval says nothing. */
const leastFits = 6;

/** Answers that changed which are shown, of each task and direction. */
const shownFlips = 2;

const alignmentsSchema = z.object({ alignments: z.array(alignmentSchema) });

/**
 * Collects what a study found. Cells that failed, or were not computed yet, say so.
 *
 * @throws InputError if the base model was not evaluated yet, or a file of the study is damaged.
 */
export async function collectSlimming(
  config: SlimmingConfig,
  folder: StudyFolder,
): Promise<Found<SlimmingResults>> {
  const cells = await listCells(config, folder);
  const { chosen, ...grid } = await collectGrid(config, cells, folder);
  const collected: SlimmingCell[] = [];
  for (const cell of cells) collected.push(await collectCell(cell, chosen, folder));
  const bases: QuantizedBaseResult[] = [];
  for (const base of listQuantizedBases(cells)) bases.push(await collectQuantizedBase(base, chosen, folder));
  const judge = judgeTogether([...collected, ...bases]);
  const judged = collected.map(judge);
  const { alignments } = readJson(alignmentPath(folder), alignmentsSchema);
  return {
    ...grid,
    quantizedBases: bases.map(judge),
    cells: judged,
    alignment: alignments,
    predictions: predictGains(alignments, judged, grid.tasks),
    notes: describeLimits(config, bases),
  };
}

async function collectCell(
  cell: Cell,
  chosen: readonly ScoreName[],
  folder: StudyFolder,
): Promise<SlimmingCell> {
  const { id } = cell;
  const divergenceFile = divergencePath(folder.run(id));
  const isWhole = isEvaluated(folder, id) && existsSync(divergenceFile);
  const described = describeCell(cell, folder, isWhole);
  if (described.error !== undefined) return described;
  const { scores } = await compare(folder.base, folder.evaluation(id), { scores: chosen });
  const { divergence, weightBytes, float32Bytes } = readDivergence(divergenceFile);
  const rate = compressionRate(
    { bytes: float32Bytes, score: meanScore(scores, "before") },
    { bytes: weightBytes, score: meanScore(scores, "after") },
  );
  return {
    ...described,
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
): Promise<QuantizedBaseResult> {
  const divergenceFile = divergencePath(folder.evaluation(id));
  const error = whyMissing(folder, id, existsSync(divergenceFile));
  if (error !== undefined) return { id, storage, error };
  const { scores } = await compare(folder.base, folder.evaluation(id), { scores: chosen });
  const { divergence } = readDivergence(divergenceFile);
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

/**
 * How well each score of alignment predicts the gain, over all cells and tasks of which a hundredth is a point: by
 * Spearman's rank correlation, since the scores have no scale in common with the gain. Cells of other methods and seeds have
 * the same alignment, so they are drawn together for the interval.
 */
function predictGains(
  alignments: readonly Alignment[],
  cells: readonly SlimmingCell[],
  tasks: readonly StudyTask[],
): SlimmingResults["predictions"] {
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

function describeLimits(config: SlimmingConfig, bases: readonly QuantizedBaseResult[]): string[] {
  const notes = describeItems(config);
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
