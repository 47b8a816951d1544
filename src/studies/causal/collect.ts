/** @file What the parts of a causal study found. */

import type { ScoreName } from "../../evaluation/compare.ts";
import { readEvaluation } from "../../evaluation/evaluation-folder.ts";
import { bitsPerByte } from "../../evaluation/metrics/aggregations.ts";
import { pairEvaluations } from "../../evaluation/paired-items.ts";
import { collectPairedScores } from "../../evaluation/paired-scores.ts";
import { pNotZero } from "../../statistics/crossed-bootstrap.ts";
import { mean } from "../../statistics/estimates.ts";
import { holm } from "../../statistics/holm.ts";
import { percentileInterval } from "../../statistics/paired-bootstrap.ts";
import { collectGrid, collectRun, describeCell, describeItems, type GridFindings } from "../grid/collect.ts";
import { divergencePath, readWindows } from "../grid/divergence.ts";
import { describeMeasured, type Items, type Measured, measure } from "../grid/measured.ts";
import { isEvaluated } from "../grid/parts.ts";
import type { GridCell } from "../grid/results.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { Found } from "../study-kind.ts";
import { listCausalCells } from "./cells.ts";
import { type CausalConfig, gridsOf, releaseVariant } from "./options.ts";
import { type PromptsFile, readPrompts } from "./prompts.ts";
import type { CausalComparison, CausalResults, CausalTuning, PromptSplit, TaskRole } from "./results.ts";

export async function collectCausal(
  config: CausalConfig,
  folder: StudyFolder,
): Promise<Found<CausalResults>> {
  const listed = await listCausalCells(config, folder);
  const { chosen, chosenBits, ...grid } = await collectGrid(gridsOf(config)[1], listed, folder);
  const cells = listed.map((cell): GridCell => {
    const described = describeCell(cell, folder, isEvaluated(folder, cell.id));
    return described.error === undefined
      ? { ...described, run: collectRun(cell.id, folder, null) }
      : described;
  });
  const quantities = listQuantities(grid.tasks, chosen, chosenBits);
  const found = await Promise.all(
    Object.keys(config.data).map((data) => collectSet(data, cells, quantities, config, folder)),
  );
  return {
    ...grid,
    cells,
    seeds: Object.fromEntries(found.map(({ data, seeds }) => [data, seeds])),
    tunings: found.flatMap(({ tunings }) => tunings),
    comparisons: adjust(found.flatMap(({ comparisons }) => comparisons)),
    notes: [
      ...describeItems(gridsOf(config)[0]),
      "Intervals are those of a bootstrap that draws items and, independently of them, seeds, one fewer than there are; where seeds differ by more than items do, intervals of so few seeds are too narrow.",
      `Prompts are measured on at most ${config.prompt_items} items of the first task of each set, in the last layer, where the term is.`,
    ],
  };
}

/** A score, or bits, of a task. */
interface Quantity {
  readonly name: ScoreName;
  readonly of: "score" | "bits";
  readonly higherIsBetter: boolean;
}

function listQuantities(
  tasks: GridFindings["tasks"],
  chosen: readonly ScoreName[],
  bits: readonly ScoreName[],
): Quantity[] {
  const scores = chosen.map((name): Quantity => {
    const { higherIsBetter } = tasks.find((task) => task.name === name.task)!;
    return { name, of: "score", higherIsBetter };
  });
  const isKnown = (name: ScoreName) =>
    chosen.some(({ task, metric }) => task === name.task && metric === name.metric);
  return [
    ...scores,
    ...bits
      .filter((name) => !isKnown(name))
      .map((name): Quantity => ({ name, of: "bits", higherIsBetter: false })),
  ];
}

/** A method, or a variant of it, on a set of data, with its cells in the order of the seeds. */
interface Tuning {
  readonly method: string;
  readonly variant?: string;
  readonly cells: readonly GridCell[];
}

interface FoundOfSet {
  readonly data: string;
  readonly seeds: readonly number[];
  readonly tunings: readonly CausalTuning[];
  readonly comparisons: readonly Unadjusted[];
}
type Unadjusted = Omit<CausalComparison, "adjustedP">;

/** Only seeds count with which all that was computed at all was computed, so that all is paired. */
async function collectSet(
  data: string,
  cells: readonly GridCell[],
  quantities: readonly Quantity[],
  config: CausalConfig,
  folder: StudyFolder,
): Promise<FoundOfSet> {
  const own = cells.filter((cell) => cell.data === data && cell.error === undefined);
  const isOf = (one: GridCell, other: GridCell) =>
    one.method === other.method && one.variant === other.variant;
  const firsts = own.filter((cell) => own.find((other) => isOf(other, cell)) === cell);
  const seeds = config.seeds.filter((seed) =>
    firsts.every((first) => own.some((cell) => isOf(cell, first) && cell.seed === seed)),
  );
  if (seeds.length === 0) return { data, seeds, tunings: [], comparisons: [] };
  const tunings = firsts.map((first): Tuning => {
    const { method, variant } = first;
    const ofSeeds = seeds.map((seed) => own.find((cell) => isOf(cell, first) && cell.seed === seed)!);
    return { method, ...(variant !== undefined && { variant }), cells: ofSeeds };
  });
  const roleOf = (task: string): TaskRole => {
    const place = config.aligned[data]!.indexOf(task);
    return place === 0 ? "in distribution" : place > 0 ? "out of distribution" : "other";
  };
  const answers = await Promise.all(
    tunings.map((tuning) => Promise.all(tuning.cells.map(({ id }) => readItems(id, quantities, folder)))),
  );
  const measured = quantities.map((_, i) => measure(answers.map((seeds) => seeds.map((one) => one[i]!))));
  const windows = tunings.map((tuning) => tuning.cells.map(({ id }) => readDivergenceItems(id, folder)));
  const divergences = measure(windows);

  const compareTo = (question: Unadjusted["question"], one: number, other: number): Unadjusted[] => {
    const { cells: _, ...tuning } = tunings[one]!;
    const { cells: __, ...against } = tunings[other]!;
    const common = { data, ...tuning, against, question };
    return [
      ...quantities.map(
        ({ name, of, higherIsBetter }, i): Unadjusted => ({
          ...common,
          ...{ task: name.task, role: roleOf(name.task), of, higherIsBetter },
          ...differ(measured[i]![one]!, measured[i]![other]!),
        }),
      ),
      {
        ...common,
        ...{ task: "divergence", role: "divergence", of: "nats", higherIsBetter: false },
        ...differ(divergences[one]!, divergences[other]!),
      },
    ];
  };
  const release = tunings.findIndex(({ variant }) => variant === releaseVariant);
  const first = tunings.findIndex(({ method }) => method === config.baselines[0]);
  return {
    data,
    seeds,
    tunings: tunings.map((tuning, i) => ({
      ...describeTuning(data, tuning),
      quantities: quantities.map(({ name, of }, place) => ({
        ...{ task: name.task, role: roleOf(name.task), of },
        ...describeMeasured(measured[place]![i]!),
      })),
      divergence: describeMeasured(divergences[i]!),
      splits: collectSplits(tuning, folder),
    })),
    comparisons: tunings.flatMap(({ method, variant }, i) => [
      ...(method === "dca" && variant !== releaseVariant && release >= 0
        ? compareTo("the term", i, release)
        : []),
      ...(first >= 0 && i !== first && (method !== "dca" || variant === releaseVariant)
        ? compareTo("the method", i, first)
        : []),
    ]),
  };
}

function describeTuning(data: string, { method, variant, cells }: Tuning) {
  const runs = cells.map(({ run }) => run!);
  return {
    ...{ data, method, ...(variant !== undefined && { variant }) },
    trainableParameters: runs[0]!.trainableParameters,
    seconds: mean(runs.map(({ efficiency }) => efficiency.seconds)),
    peakMemoryBytes: mean(runs.map(({ efficiency }) => efficiency.peakMemoryBytes)),
  };
}

async function readItems(id: string, quantities: readonly Quantity[], folder: StudyFolder): Promise<Items[]> {
  const base = await readEvaluation(folder.base);
  const paired = pairEvaluations(base, await readEvaluation(folder.evaluation(id)), false);
  const scores = collectPairedScores(paired, base.groups, []);
  return quantities.map(({ name, of }) => {
    const { after, sizes } = scores.find(
      ({ task, metric, filter }) => task === name.task && metric === name.metric && filter === name.filter,
    )!;
    return { values: of === "bits" ? after.map(bitsPerByte.ofQuotient!.score) : after, sizes };
  });
}

function readDivergenceItems(id: string, folder: StudyFolder): Items {
  return toItems(readWindows(divergencePath(folder.run(id))));
}

function toItems(values: readonly number[]): Items {
  return { values: Float64Array.from(values), sizes: Float64Array.from(values, () => 1) };
}

function differ(one: Measured, other: Measured) {
  const differences = one.draws.map((value, i) => value - other.draws[i]!);
  return {
    value: mean(one.seeds) - mean(other.seeds),
    ...percentileInterval(differences),
    p: pNotZero(differences),
  };
}

function collectSplits({ cells }: Tuning, folder: StudyFolder): PromptSplit[] {
  const files = cells.flatMap(({ id }) => readPrompts(folder, id) ?? []);
  if (files.length < cells.length) return [];
  return files[0]!.splits.map(({ shared }, place) => collectSplit(shared, place, files));
}

function collectSplit(shared: number, place: number, files: readonly PromptsFile[]): PromptSplit {
  const splits = files.map((file) => file.splits[place]!);
  const average = (name: "variance" | "meanSquare" | "particularVariance" | "particularMeanSquare") =>
    mean(splits.map((split) => split[name]));
  const rises = splits[0]!.changed
    .map(({ part, how }) => ({
      ...{ part, how },
      items: splits.map(({ changed }, i) => {
        const found = changed.find((one) => one.part === part && one.how === how);
        return found && toItems(found.losses.map((loss, item) => loss - files[i]!.losses[item]!));
      }),
    }))
    .filter((rise) => !rise.items.includes(undefined));
  const measured = measure(rises.map(({ items }) => items as Items[]));
  const exchanged = (part: "shared" | "particular") =>
    measured[rises.findIndex((rise) => rise.how === "exchanged" && rise.part === part)];
  const [ofShared, ofParticular] = [exchanged("shared"), exchanged("particular")];
  const { p: _, ...difference } =
    ofShared && ofParticular ? differ(ofParticular, ofShared) : { p: 1, value: 0, low: 0, high: 0 };
  return {
    shared,
    variance: average("variance"),
    meanSquare: average("meanSquare"),
    particularVariance: average("particularVariance"),
    particularMeanSquare: average("particularMeanSquare"),
    variances: splits.map(({ variance }) => variance),
    changes: rises.map(({ part, how }, i) => ({ part, how, ...describeMeasured(measured[i]!) })),
    particularLessShared: ofShared && ofParticular ? difference : null,
  };
}

/** Adjusts the p-values of each question's comparisons for their number (Holm 1979). */
function adjust(comparisons: readonly Unadjusted[]): CausalComparison[] {
  return (["the term", "the method"] as const).flatMap((question) => {
    const own = comparisons.filter((one) => one.question === question);
    const adjusted = holm(own.map(({ p }) => p));
    return own.map((one, i) => ({ ...one, adjustedP: adjusted[i]! }));
  });
}
