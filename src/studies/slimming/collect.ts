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
import { divergencePath, readDivergence } from "../grid/divergence.ts";
import { isEvaluated } from "../grid/parts.ts";
import { type StudyFolder, whyMissing } from "../study-folder.ts";
import type { Found } from "../study-kind.ts";
import type { SlimmingConfig } from "./options.ts";
import { alignmentPath, listQuantizedBases, type QuantizedBase } from "./parts.ts";
import {
  alignmentSchema,
  type Flip,
  type QuantizedBaseResult,
  type SlimmingCell,
  type SlimmingResults,
  type StudyChange,
} from "./results.ts";
import { measureTradeoffs } from "./tradeoffs.ts";

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
  const found = await collectGrid(config, cells, folder);
  const { chosen, chosenBits, ...grid } = found;
  const collected: SlimmingCell[] = [];
  const judged: ChosenScores = { scores: chosen, bits: chosenBits };
  for (const cell of cells) collected.push(await collectCell(cell, judged, folder));
  const bases: QuantizedBaseResult[] = [];
  for (const base of listQuantizedBases(cells)) bases.push(await collectQuantizedBase(base, judged, folder));
  const models = [...collected, ...bases];
  const judgeScores = judgeTogether(models, "changes", "comparisons of the study");
  const judgeBits = judgeTogether(models, "bits", "comparisons of bits per byte of the study");
  const tuned = collected.map(judgeScores).map(judgeBits);
  const { alignments } = readJson(alignmentPath(folder), alignmentsSchema);
  return {
    ...grid,
    quantizedBases: bases.map(judgeScores).map(judgeBits),
    cells: tuned,
    alignment: alignments,
    predictions: predictGains(alignments, tuned, gainInPoints),
    ...(chosenBits.length > 0 && { bitsPredictions: predictGains(alignments, tuned, fallOfBits) }),
    ...(found.variants && { tradeoffs: await measureTradeoffs(tuned, found, folder) }),
    notes: describeLimits(config, bases),
  };
}

/** What is compared of each task. */
interface ChosenScores {
  readonly scores: readonly ScoreName[];
  readonly bits: readonly ScoreName[];
}

async function compareWithBase(folder: StudyFolder, id: string, chosen: ChosenScores) {
  const { scores: compared } = await compare(folder.base, folder.evaluation(id), {
    scores: [...chosen.scores, ...chosen.bits],
  });
  const scores = compared.slice(0, chosen.scores.length);
  const bits = compared.slice(chosen.scores.length);
  const differences = {
    changes: describeChanges(scores),
    ...(bits.length > 0 && { bits: describeChanges(bits) }),
  };
  return { scores, differences };
}

async function collectCell(cell: Cell, chosen: ChosenScores, folder: StudyFolder): Promise<SlimmingCell> {
  const { id } = cell;
  const divergenceFile = divergencePath(folder.run(id));
  const isWhole = isEvaluated(folder, id) && existsSync(divergenceFile);
  const described = describeCell(cell, folder, isWhole);
  if (described.error !== undefined) return described;
  const { scores, differences } = await compareWithBase(folder, id, chosen);
  const { divergence, weightBytes, float32Bytes } = readDivergence(divergenceFile);
  const rate = compressionRate(
    { bytes: float32Bytes, score: meanScore(scores, "before") },
    { bytes: weightBytes, score: meanScore(scores, "after") },
  );
  return {
    ...described,
    run: collectRun(id, folder, rate),
    ...differences,
    divergence,
    flips: scores.flatMap(({ task, fixed = [], broken = [] }) => [
      ...fixed.slice(0, shownFlips).map((pair) => describeFlip(task, "fixed", pair)),
      ...broken.slice(0, shownFlips).map((pair) => describeFlip(task, "broken", pair)),
    ]),
  };
}

async function collectQuantizedBase(
  { id, storage }: QuantizedBase,
  chosen: ChosenScores,
  folder: StudyFolder,
): Promise<QuantizedBaseResult> {
  const divergenceFile = divergencePath(folder.evaluation(id));
  const error = whyMissing(folder, id, existsSync(divergenceFile));
  if (error !== undefined) return { id, storage, error };
  const { differences } = await compareWithBase(folder, id, chosen);
  const { divergence } = readDivergence(divergenceFile);
  return { id, storage, evaluation: `evaluations/${id}`, ...differences, divergence };
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

type Changed = Pick<SlimmingCell, "changes" | "bits">;

/**
 * Adjusts the p-values of all changes of scores, or of bits, for their number in the whole study.
 *
 * @returns what puts them in place
 */
function judgeTogether(
  all: readonly Changed[],
  of: keyof Changed,
  family: string,
): <T extends Changed>(one: T) => T {
  const changes = all.flatMap((one) => Object.values(one[of] ?? {}));
  const judged = judgeFamily(changes, family);
  const byChange = new Map(changes.map((change, i) => [change, judged[i]!]));
  return (one) =>
    one[of]
      ? {
          ...one,
          [of]: Object.fromEntries(
            Object.entries(one[of]).map(([task, change]) => [task, byChange.get(change)!]),
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

/** How much better a cell is than the base model at a task; undefined if that is not measured. */
type GainOf = (cell: SlimmingCell, task: string) => number | undefined;

/** Only of tasks of which a hundredth is a point. */
const gainInPoints: GainOf = ({ changes }, task) =>
  changes?.[task]?.inPoints ? changes[task].difference.value : undefined;

const fallOfBits: GainOf = ({ bits }, task) => bits?.[task] && -bits[task].difference.value;

/**
 * How well each score of alignment predicts the gain, over all cells and tasks that have one: by
 * Spearman's rank correlation, since the scores have no scale in common with the gain. Cells of other methods and seeds have
 * the same alignment, so they are drawn together for the interval.
 */
function predictGains(
  alignments: readonly Alignment[],
  cells: readonly SlimmingCell[],
  gainOf: GainOf,
): SlimmingResults["predictions"] {
  return alignmentScores.flatMap((score) => {
    const pairs = cells.flatMap((cell) =>
      alignments.flatMap((fit) => {
        const gain = fit.data === cell.data ? gainOf(cell, fit.task) : undefined;
        const alignment = fit[score];
        return gain === undefined || alignment === null ? [] : [{ fit, alignment, gain }];
      }),
    );
    const groups = pairs.map(({ fit }) => alignments.indexOf(fit));
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
