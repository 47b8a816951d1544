/** @file The report of a study of demonstrations: what they bring and cost, how they compare, and what was chosen for whom. */

import type { Demonstration } from "../evaluation/demonstration-selector.ts";
import { type Chart, lookKey, type Mark, scatterPlot } from "../reporting/charts.ts";
import {
  countOf,
  formatNumber,
  formatShare,
  joinWords,
  withRange,
  withSignedRange,
} from "../reporting/format.ts";
import {
  type Block,
  code,
  figures,
  key,
  list,
  note,
  paragraph,
  type Report,
  table,
} from "../reporting/sections.ts";
import {
  type ArmComparison,
  type ArmScore,
  type ChosenForItem,
  type DemonstrationArm,
  type DemonstrationResults,
  type DemonstrationScore,
  type DemonstrationTask,
  nameArm,
} from "./results.ts";

/** Items of each task whose demonstrations are shown. */
const shownItems = 3;
/** Contaminated items that are listed. */
const shownOverlaps = 20;
/** Colours, and shapes, of marks. */
const looksInARow = 7;

const scoreFormats: Readonly<
  Record<DemonstrationScore, { title: string; scale: number; digits: number; unit: string }>
> = {
  answers: { title: "right answers, %", scale: 100, digits: 1, unit: "points" },
  bits: { title: "bits per byte of the right answer", scale: 1, digits: 3, unit: "bits per byte" },
};

/** @param texts what the choices are of: the pool of each task, by its name */
export function demonstrationReport(
  results: DemonstrationResults,
  items: readonly ChosenForItem[],
  texts: readonly { readonly name: string; readonly demonstrations: readonly Demonstration[] }[],
): Report {
  const { model, adapter, pool, tasks } = results;
  const counted = tasks.map(({ task, items }) => countOf(items, `item of ${task}`, `items of ${task}`));
  return {
    title: `Demonstrations for ${model}${adapter === null ? "" : ` with ${adapter}`}`,
    about: `${joinWords(counted)} after demonstrations from ${pool.name} (${pool.size}), chosen in several ways.`,
    answer: tasks.flatMap(describeTask),
    sections: [
      ...tasks.map((task) => ({
        id: `cost-${task.task}`,
        title: `Score against cost: ${task.task}`,
        blocks: chartBlocks(task),
      })),
      ...tasks.map((task) => ({
        id: `table-${task.task}`,
        title: `Selections on ${task.task}`,
        blocks: tableBlocks(task),
      })),
      ...tasks.map((task) => ({
        id: `overlap-${task.task}`,
        title: `Items of ${task.task} in the pool`,
        blocks: overlapBlocks(task),
      })),
      ...texts.map(({ name, demonstrations }) => ({
        id: `chosen-${name}`,
        title: `Chosen for the first items of ${name}`,
        blocks: chosenBlocks(
          items.filter(({ task }) => task === name),
          demonstrations,
        ),
      })),
      { id: "provenance", title: "How it was made", blocks: [list(describeProvenance(results))] },
    ],
  };
}

/** What is shown of each score, in sentences. */
function describeTask({ task, arms, contaminated, checkedItems }: DemonstrationTask): string[] {
  const sentences = scoresOf(arms).flatMap(({ score }, place) => {
    const { scale, digits, unit } = scoreFormats[score];
    const pairs = arms.flatMap((arm) => {
      return arm.scores[place]!.comparisons.map((comparison) => ({ arm, comparison }));
    });
    const bases = [...new Set(pairs.map(({ comparison }) => comparison.against))];
    return bases.flatMap((against) => {
      const ofBase = pairs.filter(({ comparison }) => comparison.against === against);
      const shown = ofBase
        .filter(({ comparison }) => comparison.verdict !== "no difference shown")
        .map(
          ({ arm, comparison }) =>
            `${nameArm(arm)}${arm.isOracle ? " (an oracle)" : ""} ${comparison.verdict} by ${formatNumber(Math.abs(scale * comparison.difference.value), digits)} ${unit}`,
        );
      const what = `${task}, ${scoreFormats[score].title}, against ${against}`;
      return shown.length > 0
        ? `${what}: ${joinWords(shown)}; no other difference is shown.`
        : `${what}: no difference is shown.`;
    });
  });
  const rejecting = arms.filter(({ rejected }) => rejected > 0);
  return [
    ...sentences,
    ...rejecting.map(
      (arm) =>
        `${task}: ${nameArm(arm)} rejects ${formatShare(arm.rejected)} of the demonstrations, and leaves ${formatShare(arm.bare)} of the items without any.`,
    ),
    ...(contaminated.length > 0
      ? [`${task}: ${contaminated.length} of ${checkedItems} items stand in the pool, in whole or in part.`]
      : []),
  ];
}

/** The scores that the arms have; all have the same. */
function scoresOf(arms: readonly DemonstrationArm[]): readonly ArmScore[] {
  return arms[0]!.scores;
}

function chartBlocks({ arms }: DemonstrationTask): Block[] {
  const selections = [...new Set(arms.map(({ selection }) => selection))];
  const lookOf = (selection: string) => {
    const place = selections.indexOf(selection);
    return { colour: place, shape: place + Math.floor(place / looksInARow) };
  };
  if (arms.some(({ tokens }) => tokens === null)) return [];
  const charts = scoresOf(arms).map(({ score }, place): Chart => {
    const { title, scale, digits } = scoreFormats[score];
    const marks = arms.map((arm): Mark => {
      const { value, low, high } = arm.scores[place]!.estimate;
      return {
        ...{ x: arm.tokens!.read, y: scale * value, low: scale * low, high: scale * high },
        ...{ ...lookOf(arm.selection), filled: !arm.isOracle, series: arm.selection },
        title: `${nameArm(arm)}: ${formatNumber(scale * value, digits)} with ${formatNumber(arm.tokens!.read, 0)} tokens`,
      };
    });
    return { title, svg: scatterPlot(marks, { x: "tokens of a prompt", y: title }) };
  });
  return [
    key(lookKey(selections.map((label) => ({ label, ...lookOf(label), filled: true })))),
    figures(charts),
    note(
      "Lines join the numbers of demonstrations of one selection. Bars are 95 % intervals. Hollow marks read the right answers, so that they cannot be used.",
    ),
  ];
}

function tableBlocks({ arms, metric }: DemonstrationTask): Block[] {
  const scores = scoresOf(arms);
  const compared = (comparisons: readonly ArmComparison[], isRandom: boolean) =>
    comparisons.find(({ against }) => (against === "zero-shot") !== isRandom);
  const cell = (comparison: ArmComparison | undefined, score: DemonstrationScore) => {
    if (!comparison) return "–";
    const { scale, digits } = scoreFormats[score];
    const { difference, adjustedP, verdict } = comparison;
    return `${withSignedRange(difference, scale, digits)} ${verdict}, p ${formatNumber(adjustedP, 3)}`;
  };
  return [
    ...scores.map(({ score }, place) => {
      const { title, scale, digits } = scoreFormats[score];
      return table({
        headings: ["selection", title, "against zero-shot", "against random, as many"],
        rows: arms.map((arm) => {
          const { estimate, comparisons } = arm.scores[place]!;
          return [
            nameArm(arm) + (arm.isOracle ? " (oracle)" : ""),
            withRange(estimate, scale, digits),
            cell(compared(comparisons, false), score),
            cell(compared(comparisons, true), score),
          ];
        }),
        numeric: true,
      });
    }),
    note(
      `${metric === null ? "" : `Right answers by ${metric}. `}95 % bootstrap intervals over the items as pairs, and over draws where there are several; p by Holm's method over all comparisons of a score.`,
    ),
    table({
      headings: [
        "selection",
        "draws",
        "rejected, %",
        "items without any, %",
        "tokens of a prompt",
        "of them its own",
      ],
      rows: arms.map((arm) => [
        nameArm(arm),
        String(arm.seeds),
        formatNumber(100 * arm.rejected, 1),
        formatNumber(100 * arm.bare, 1),
        arm.tokens ? formatNumber(arm.tokens.read, 0) : "–",
        arm.tokens ? formatNumber(arm.tokens.own, 0) : "–",
      ]),
      numeric: true,
    }),
    note(
      "What is a prompt's own cannot be computed once for all items: a selection that chooses for each item pays for each of its demonstrations each time, one that chooses the same for all pays once.",
    ),
  ];
}

function overlapBlocks({ contaminated, checkedItems }: DemonstrationTask): Block[] {
  if (contaminated.length === 0) return [];
  return [
    table({
      headings: ["item", "row of the pool", "words in common"],
      rows: contaminated
        .slice(0, shownOverlaps)
        .map(({ docId, demonstration, ngram }) => [String(docId), String(demonstration), ngram]),
      numeric: false,
    }),
    note(
      `${contaminated.length} of ${checkedItems} items that are long enough to be looked for${contaminated.length > shownOverlaps ? `; results.json lists them all` : ""}. Rows are counted from 0. A row with an item's very question is never chosen for it.`,
    ),
  ];
}

function chosenBlocks(items: readonly ChosenForItem[], pool: readonly Demonstration[]): Block[] {
  return items.slice(0, shownItems).flatMap(({ question, demonstrations }): Block[] => [
    paragraph(question),
    code(
      Object.entries(demonstrations)
        .filter(([arm]) => arm !== "zero-shot")
        .map(([arm, places]) => {
          const texts = places.map((place) => `  [${place}] ${pool[place]!.text}`);
          return [arm, ...(texts.length > 0 ? texts : ["  (all rejected)"])].join("\n");
        })
        .join("\n"),
    ),
  ]);
}

function describeProvenance(results: DemonstrationResults): string[] {
  const { model, adapter, chooser, pool, applyChatTemplate, lms3, slimtune, date } = results;
  return [
    `Model ${model}, ${adapter === null ? "no adapter" : `adapter ${adapter}`}; slimtune ${slimtune}, ${date}.`,
    `Texts are read to choose by ${chooser ?? "no model"}, without an adapter. Pool ${pool.name}, ${pool.size} demonstrations.`,
    `Prompts ${applyChatTemplate ? "are conversations in the chat template" : "are plain text"}; the best demonstration stands first.`,
    `LMS3 counts ${formatShare(lms3.lambda)} of the pool as similar, and follows ${lms3.compat === "paper" ? "the paper" : "the published code"}.`,
  ];
}
