/** @file Two evaluations compared, and the items whose judgement changed. */

import { compare } from "../../evaluation/compare.ts";
import {
  describeAgreement,
  describeScore,
  explainMethods,
  listFlips,
  nameMetric,
  shownPrompt,
} from "../../evaluation/comparison-report.ts";
import type { Comparison } from "../api.ts";

/** Items that are shown of each score and change, and of all. */
const shownOfScore = 50;
const shownOfAll = 500;

/** Characters of a text of an item. */
const shownCharacters = 2000;

/** Paths of two evaluations. */
export interface Compared {
  readonly before: string;
  readonly after: string;
}

/** @throws InputError as `compare` does. */
export async function* compareItems(paths: Compared): AsyncGenerator<Omit<Comparison, "before" | "after">> {
  const compared = await compare(paths.before, paths.after);
  yield {
    scores: compared.scores.map((score) => ({
      task: score.task,
      metric: nameMetric(score),
      items: score.items,
      before: score.before.value,
      after: score.after.value,
      difference: score.difference.value,
      low: score.difference.low,
      high: score.difference.high,
      p: score.p,
      adjustedP: score.adjustedP,
      inPoints: score.inPoints,
      verdict: score.verdict,
      sentence: describeScore(score),
    })),
    agreements: compared.agreements.map(describeAgreement),
    notes: compared.notes,
    methods: explainMethods(compared),
    changed: compared.scores
      .flatMap((score) => listFlips(score, shownOfScore))
      .slice(0, shownOfAll)
      .map(({ change, score, pair: { task, before, after } }) => ({
        task,
        metric: nameMetric(score),
        id: String(before.docId),
        isFixed: change === "fixed",
        question: shownPrompt(after.prompt),
        gold: cut(after.target),
        before: cut(before.answer),
        after: cut(after.answer),
      })),
  };
}

function cut(text: string): string {
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text;
}
