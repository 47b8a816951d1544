/** @file What the variants of a run gain and forget, and whether one gains as much as another and forgets less. */

import type { ScoreName } from "../../evaluation/compare.ts";
import { readEvaluation } from "../../evaluation/evaluation-folder.ts";
import { bitsPerByte } from "../../evaluation/metrics/aggregations.ts";
import { pairEvaluations } from "../../evaluation/paired-items.ts";
import { collectPairedScores } from "../../evaluation/paired-scores.ts";
import { pAboveZero, pNotZero } from "../../statistics/crossed-bootstrap.ts";
import { mean } from "../../statistics/estimates.ts";
import { holm } from "../../statistics/holm.ts";
import { percentileInterval } from "../../statistics/paired-bootstrap.ts";
import type { GridFindings } from "../grid/collect.ts";
import { divergencePath, readWindows } from "../grid/divergence.ts";
import { describeMeasured, type Items, type Measured, measure } from "../grid/measured.ts";
import type { GridResults, StudyTask } from "../grid/results.ts";
import type { StudyFolder } from "../study-folder.ts";
import type { ForgettingMeasure, SlimmingCell, Tradeoff } from "./results.ts";

/** Which share of another's gain may be missing where one "gains as much". */
export const gainMargin = 0.1;

/** The group of what a tuned model may have forgotten. */
const retentionGroup = "retention";

/** A variant of the study's runs. */
export type Variant = NonNullable<GridResults["variants"]>[number];

/** The weight with which a variant keeps its runs near their beginning; undefined of one that differs in anything else. */
export function weightOf({ options: { keep, keep_text: _, ...others } }: Variant): number | undefined {
  return typeof keep === "number" && Object.keys(others).length === 0 ? keep : undefined;
}

/** The variant that others are compared with. */
function plainOf(variants: readonly Variant[]): Variant {
  return variants.find((variant) => weightOf(variant) === 0) ?? variants[0]!;
}

/**
 * The trade-offs of each method on each set of data of which two variants at least were computed with a seed in common.
 *
 * @throws InputError if a file of the study is damaged.
 */
export async function measureTradeoffs(
  cells: readonly SlimmingCell[],
  { variants = [], tasks, chosenBits }: Pick<GridFindings, "variants" | "tasks" | "chosenBits">,
  folder: StudyFolder,
): Promise<Tradeoff[]> {
  const finished = cells.filter(({ error }) => error === undefined);
  const pairs = new Map(
    finished.map(({ method, data }) => [JSON.stringify([method, data]), { method, data }]),
  );
  const measured: Unadjusted[] = [];
  for (const { method, data } of pairs.values()) {
    const own = finished.filter((cell) => cell.method === method && cell.data === data);
    const found = await measureTradeoff(own, variants, tasks, chosenBits, folder);
    if (found) measured.push({ method, data, ...found });
  }
  return adjust(measured);
}

/** A test whose p is not yet adjusted. */
interface Test {
  readonly p: number;
}
type Raw<T> = T extends { readonly adjustedP: number }
  ? Omit<T, "adjustedP">
  : T extends readonly (infer Item)[]
    ? readonly Raw<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Raw<T[Key]> }
      : T;
type Unadjusted = Raw<Tradeoff>;

async function measureTradeoff(
  cells: readonly SlimmingCell[],
  variants: readonly Variant[],
  tasks: readonly StudyTask[],
  bits: readonly ScoreName[],
  folder: StudyFolder,
): Promise<Omit<Unadjusted, "method" | "data"> | undefined> {
  const computed = variants.filter(({ name }) => cells.some(({ variant }) => variant === name));
  const runsOf = ({ name }: Variant) => cells.filter(({ variant }) => variant === name);
  const seeds = [...new Set(cells.map(({ seed }) => seed))].filter((seed) =>
    computed.every((variant) => runsOf(variant).some((cell) => cell.seed === seed)),
  );
  if (computed.length < 2 || seeds.length === 0) return undefined;
  const { gained, kept } = chooseTasks(cells[0]!.data, tasks, bits);
  const models: Answers[][] = [];
  for (const variant of computed) {
    const runs = seeds.map((seed) => runsOf(variant).find((cell) => cell.seed === seed)!);
    models.push(await Promise.all(runs.map((run) => readAnswers(run, gained, kept, folder))));
  }
  const [gains, forgotten, divergences] = (["gain", "forgotten", "divergence"] as const).map((quantity) =>
    // There may be no items of what was meant to be gained, or forgotten.
    models[0]![0]![quantity].sizes.length === 0
      ? undefined
      : measure(models.map((runs) => runs.map((answers) => answers[quantity]))),
  ) as [Measured[] | undefined, Measured[] | undefined, Measured[]];
  const quantities = computed.map((variant, i): Quantities => {
    const [gain, loss] = [gains?.[i], forgotten?.[i]];
    return { variant, divergence: divergences[i]!, ...(gain && { gain }), ...(loss && { forgotten: loss }) };
  });
  const plain = quantities.find(({ variant }) => variant === plainOf(computed))!;
  const others = quantities.filter((one) => one !== plain);
  const isKeeping = ({ variant }: Quantities) => (weightOf(variant) ?? 0) > 0;
  return {
    plain: plain.variant.name,
    seeds,
    gainTasks: gained.map(({ task }) => task),
    keptTasks: kept.map(({ task }) => task),
    variants: quantities.map(({ variant, gain, forgotten, divergence }) => ({
      variant: variant.name,
      ...(gain && { gain: describeMeasured(gain) }),
      ...(forgotten && { forgotten: describeMeasured(forgotten) }),
      divergence: describeMeasured(divergence),
    })),
    comparisons: others.map((one) => compareWith(plain, one)),
    rivalries: others
      .filter(isKeeping)
      .flatMap((keeping) =>
        others.filter((one) => !isKeeping(one)).flatMap((rival) => compareRivals(keeping, rival)),
      ),
  };
}

/** The tasks whose bits say what was gained and what was forgotten. Texts, beside which answers are short, count only where there are no answers. */
function chooseTasks(
  data: string,
  tasks: readonly StudyTask[],
  bits: readonly ScoreName[],
): { readonly gained: readonly ScoreName[]; readonly kept: readonly ScoreName[] } {
  const meant = tasks.filter(({ alignedData }) => alignedData.includes(data)).map(({ name }) => name);
  const gained = bits.filter(({ task }) => meant.includes(task));
  const others = bits.filter(({ task }) => !meant.includes(task));
  const group = others.filter(({ task }) => task === retentionGroup);
  const answers = others.filter(({ metric }) => metric === "bits_per_byte_gold");
  return { gained, kept: [group, answers, others].find(({ length }) => length > 0) ?? [] };
}

/** What one tuned model differs in from the base model, item by item. */
interface Answers {
  readonly gain: Items;
  readonly forgotten: Items;
  readonly divergence: Items;
}

async function readAnswers(
  { id }: SlimmingCell,
  gained: readonly ScoreName[],
  kept: readonly ScoreName[],
  folder: StudyFolder,
): Promise<Answers> {
  const base = await readEvaluation(folder.base);
  const paired = pairEvaluations(base, await readEvaluation(folder.evaluation(id)), false);
  const scores = collectPairedScores(paired, base.groups, []);
  const bitsOf = bitsPerByte.ofQuotient!.score;
  /** Rises of the bits of the right answers, in the order of the items, with their bytes. */
  const rises = (chosen: readonly ScoreName[], sign: 1 | -1): Items => {
    const found = chosen.flatMap((name) =>
      scores.filter(
        ({ task, metric, filter }) => task === name.task && metric === name.metric && filter === name.filter,
      ),
    );
    return {
      values: Float64Array.from(
        found.flatMap(({ before, after }) => [...after].map((value, i) => sign * bitsOf(value - before[i]!))),
      ),
      sizes: Float64Array.from(found.flatMap(({ sizes }) => [...sizes])),
    };
  };
  const windows = Float64Array.from(readWindows(divergencePath(folder.run(id))));
  return {
    gain: rises(gained, -1),
    forgotten: rises(kept, 1),
    divergence: { values: windows, sizes: windows.map(() => 1) },
  };
}

interface Quantities {
  readonly variant: Variant;
  readonly gain?: Measured;
  readonly forgotten?: Measured;
  readonly divergence: Measured;
}

function compareWith(plain: Quantities, one: Quantities): Unadjusted["comparisons"][number] {
  return {
    variant: one.variant.name,
    ...(one.gain &&
      plain.gain && {
        gain: differ(one.gain, plain.gain),
        gainsAsMuch: { p: pGainsAsMuch(one.gain, plain.gain) },
      }),
    ...(one.forgotten && plain.forgotten && { forgotten: differ(one.forgotten, plain.forgotten) }),
    divergence: differ(one.divergence, plain.divergence),
  };
}

function differ(one: Measured, other: Measured) {
  const differences = one.draws.map((value, i) => value - other.draws[i]!);
  return {
    value: mean(one.seeds) - mean(other.seeds),
    ...percentileInterval(differences),
    p: pNotZero(differences),
  };
}

/** That one gain is above all but the margin of the other, and the other is one at all: a test of non-inferiority. */
function pGainsAsMuch(one: Measured, other: Measured): number {
  return pAboveZero(
    one.draws.map((value, i) => Math.min(other.draws[i]!, value - (1 - gainMargin) * other.draws[i]!)),
  );
}

/** The claim holds if both of its parts do, so its p is the larger of theirs (Berger 1982). */
function compareRivals(keeping: Quantities, rival: Quantities): Unadjusted["rivalries"][number][] {
  return (["forgotten", "divergence"] satisfies ForgettingMeasure[]).flatMap((by) => {
    const [ours, theirs] = [keeping[by], rival[by]];
    if (!ours || !theirs || !keeping.gain || !rival.gain) return [];
    const difference = differ(ours, theirs);
    const isBetter = difference.value < 0;
    const [better, worse] = isBetter ? [keeping, rival] : [rival, keeping];
    return [
      {
        keeping: keeping.variant.name,
        rival: rival.variant.name,
        by,
        better: better.variant.name,
        p: Math.max(difference.p, pGainsAsMuch(better.gain!, worse.gain!)),
      },
    ];
  });
}

/** Adjusts the p-values of all comparisons with the plain variants for their number (Holm 1979), and those of all rivalries for theirs. */
function adjust(measured: readonly Unadjusted[]): Tradeoff[] {
  const quantities = ["gain", "gainsAsMuch", "forgotten", "divergence"] as const;
  const adjusted = adjustedBy(
    measured.flatMap(({ comparisons }) =>
      comparisons.flatMap((comparison) => quantities.flatMap((quantity) => comparison[quantity] ?? [])),
    ),
  );
  const adjustedRivalry = adjustedBy(measured.flatMap(({ rivalries }) => rivalries));
  return measured.map(({ comparisons, rivalries, ...tradeoff }) => ({
    ...tradeoff,
    comparisons: comparisons.map(({ gain, gainsAsMuch, forgotten, divergence, variant }) => ({
      variant,
      ...(gain && { gain: adjusted(gain) }),
      ...(gainsAsMuch && { gainsAsMuch: adjusted(gainsAsMuch) }),
      ...(forgotten && { forgotten: adjusted(forgotten) }),
      divergence: adjusted(divergence),
    })),
    rivalries: rivalries.map(adjustedRivalry),
  }));
}

/** @returns what adds the adjusted p to each of these tests */
function adjustedBy(tests: readonly Test[]): <T extends Test>(test: T) => T & { readonly adjustedP: number } {
  const values = holm(tests.map(({ p }) => p));
  const byTest = new Map(tests.map((test, i) => [test, values[i]!]));
  return (test) => ({ ...test, adjustedP: byTest.get(test)! });
}
