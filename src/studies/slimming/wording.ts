/** @file What the page and the Markdown say alike. */

import type { AlignmentScore } from "../../alignment/align.ts";
import { countOf, formatNumber, formatRange, joinWords } from "../../reporting/format.ts";
import type { FinishedCell, ReportedTask, RowChange, Study } from "./study-rows.ts";

/** The names of alignment's scores and what they are. */
export const alignmentMeanings: Readonly<Record<AlignmentScore, string>> = {
  representation: "similarity of hidden states",
  gradient: "similarity of gradients",
  lexical: "similarity of words",
};

export function titleOf({ results: { kind, model } }: Study): string {
  return kind === "methods"
    ? `Methods of tuning ${model.name}, compared`
    : `What tuning does to ${model.name}`;
}

/** "chance 25.0" */
export function describeChance({ chance, print }: ReportedTask): string {
  return chance === null ? "no chance level" : `chance ${print.score(chance)}`;
}

/** " ▲" or " ▼" where every seed shows it, " ▲2/3" where some do; nothing where no difference is shown. */
export function markOf({ shownBetter, shownWorse, seeds }: RowChange): string {
  const part = (count: number) => (count === seeds.length ? "" : `${count}/${seeds.length}`);
  const better = shownBetter > 0 ? ` ▲${part(shownBetter)}` : "";
  const worse = shownWorse > 0 ? ` ▼${part(shownWorse)}` : "";
  return better + worse;
}

/** What a reader must know of the intervals, marks and seeds of this study. */
export function readingNotes({ results, tasks, rows }: Study): string[] {
  const models = [...(results.quantizedBases ?? []), ...results.cells];
  const changes = models.flatMap((model) => Object.values(model.changes ?? {}));
  const unlike = tasks.filter(({ inPoints }) => !inPoints);
  const notes: string[] = [];
  if (changes.length > 0) {
    notes.push(
      `Every tuned model and the base model answered the same items, which are compared in pairs. “Shown” means p ≤ 0.05 after Holm’s adjustment for all ${changes.length} comparisons of the study.`,
    );
  }
  if (rows.some(({ cells }) => cells.length > 1)) {
    notes.push(
      "Where there are several seeds, the change is their mean, and its interval the mean of theirs: it says how much other items could change it, and the seeds’ own changes how much another seed would. A mark without a count is shown with every seed; ▲2/3 with two of three.",
    );
  } else {
    notes.push("Each cell is one run with one seed: how much another seed would change was not measured.");
  }
  if (rows.some(({ retention }) => retention)) {
    notes.push(
      "Kept: the mean change over the tasks in points that the data were not meant for; its interval takes tasks as independent.",
    );
  }
  if (unlike.length > 0) {
    notes.push(
      `${joinWords(unlike.map(({ name, higherIsBetter }) => `${name} (${higherIsBetter ? "higher" : "lower"} is better)`))} ${unlike.length === 1 ? "has" : "have"} no points: changes are in the score’s own unit.`,
    );
  }
  return notes;
}

/** What a reader must know of the bits per byte. */
export function bitsNotes({ results }: Study): string[] {
  const models = [...(results.quantizedBases ?? []), ...results.cells];
  const count = models.reduce((sum, { changes = {} }) => sum + Object.keys(changes).length, 0);
  return [
    `Bits per byte are the sum of −log₂ of the answers’ probabilities over that of their UTF-8 bytes, so long answers count more; those of a group are over the items of all its tasks that have right answers. “Shown” means p ≤ 0.05 after Holm’s adjustment for all ${count} comparisons of bits per byte of the study, which are a family of their own.`,
  ];
}

export const quantityNote =
  "Means over the runs, by the definitions of EfficientLLM (Yuan et al. 2025): memory of the process and use of the " +
  "cores over time, seconds of an optimizer step, tokens and samples per second and million parameters, power, and " +
  "how many times smaller the base model is kept than in float32, times the ratio of the scores.";

/** How each score of alignment goes with the gain: a sentence. */
export function describePrediction({ results }: Study, score: AlignmentScore): string {
  const found = results.predictions.find((prediction) => prediction.score === score);
  if (!found) {
    const isMeasured = results.alignment.some((fit) => fit[score] !== null);
    return isMeasured ? "Too few pairs of data and task for a correlation." : "Not measured.";
  }
  const { correlation, cells, fits } = found;
  const of = fits < cells ? ` of ${countOf(fits, "pair")} of data and task` : "";
  const verdict =
    correlation.low > 0
      ? "a better fit went with a larger gain"
      : correlation.high < 0
        ? "a better fit went with a smaller gain"
        : "no relation shown";
  return `Spearman's ρ ${formatNumber(correlation.value, 2)}, 95 % interval ${formatRange(correlation, 2)}, over ${countOf(cells, "cell")}${of}: ${verdict}.`;
}

/** How many items became right and wrong: "gsm8k 21 became right and 13 wrong, hellaswag …". */
export function countFlips({ changes = {} }: FinishedCell): string {
  return Object.values(changes)
    .flatMap(({ task, fixed, broken }) =>
      fixed === undefined || broken === undefined
        ? []
        : [`${task}: ${fixed} became right, ${broken} became wrong`],
    )
    .join("; ");
}

/** The end of a prompt, where the item's own question is, after the few-shot examples. */
export function endOfPrompt(prompt: string): string {
  return prompt.length > 600 ? `…${prompt.slice(-600)}` : prompt;
}
