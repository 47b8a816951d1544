/** @file A comparison of two evaluations as text, as Markdown and as JSON. */

import { type Paint, plain } from "../node/colours.ts";
import type { Estimate } from "../statistics/wilson.ts";
import type { AnswerAgreement, ComparedScores, Run, ScoreComparison } from "./compare.ts";
import type { ItemPair } from "./paired-items.ts";

const headings = [
  "task",
  "metric",
  "items",
  "before [95 %]",
  "after [95 %]",
  "difference [95 %]",
  "p",
  "p (Holm)",
  "fixed / broken",
];

const meanings = { better: "good", worse: "bad", "no difference shown": "aside" } as const;

/** The comparison for a terminal: a table, a sentence for each score, up to `flips` items each way, and the notes. */
export function toText(compared: ComparedScores, flips = 0, paint: Paint = plain): string {
  const rows = [headings, ...compared.scores.map(toCells)];
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const table = rows.map((row, index) => {
    const line = row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd();
    return index === 0 ? paint("heading", line) : line;
  });
  const describePainted = (score: ScoreComparison) =>
    describeScore(score).replace(score.verdict, (verdict) => paint(meanings[score.verdict], verdict));
  const sections = [
    [`before: ${describeRun(compared.before)}`, `after:  ${describeRun(compared.after)}`],
    table,
    compared.scores.map((score) => `${nameOf(score)}: ${describePainted(score)}`),
    compared.agreements.map(describeAgreement),
    ...compared.scores.flatMap((score) => listFlips(score, flips).map(describeFlip)),
    compared.notes.map((note) => `${paint("warning", "Note:")} ${note}`),
    explainMethods(compared).map((line) => paint("aside", line)),
  ];
  return `${sections.flatMap((lines) => (lines.length > 0 ? [lines.join("\n")] : [])).join("\n\n")}\n`;
}

/** What `toText` says, but for the items, as Markdown. */
export function toMarkdown(compared: ComparedScores): string {
  const escapeMarkdown = (text: string) => text.replace(/[\\|_*<]/g, "\\$&");
  const toRow = (cells: readonly string[]) => `| ${cells.map(escapeMarkdown).join(" | ")} |`;
  const toList = (texts: readonly string[]) => texts.map((text) => `- ${text}`).join("\n");
  const sections = [
    toList([
      `before: ${escapeMarkdown(describeRun(compared.before))}`,
      `after: ${escapeMarkdown(describeRun(compared.after))}`,
    ]),
    [
      toRow(headings),
      `|${" --- |".repeat(headings.length)}`,
      ...compared.scores.map((score) => toRow(toCells(score))),
    ].join("\n"),
    toList(
      compared.scores.map(
        (score) => `**${escapeMarkdown(nameOf(score))}**: ${escapeMarkdown(describeScore(score))}`,
      ),
    ),
    toList(compared.agreements.map((agreement) => escapeMarkdown(describeAgreement(agreement)))),
    toList(compared.notes.map((note) => `Note: ${escapeMarkdown(note)}`)),
    explainMethods(compared).map(escapeMarkdown).join("\n"),
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

/** The comparison as plain data: items by task and docId, and up to `flips` of them each way with prompt and answers. */
export function toPlain(compared: ComparedScores, flips = 0): object {
  const { before, after, scores, agreements, notes, resamples, seed } = compared;
  const identify = (pairs: readonly ItemPair[] | undefined) =>
    pairs?.map((pair) => ({ task: pair.task, docId: pair.before.docId }));
  return {
    before,
    after,
    scores: scores.map((score) => ({
      ...score,
      fixed: identify(score.fixed),
      broken: identify(score.broken),
      sentence: describeScore(score),
      ...(flips > 0 && {
        flips: listFlips(score, flips).map(({ change, pair }) => ({
          change,
          task: pair.task,
          docId: pair.before.docId,
          prompt: pair.after.prompt,
          target: pair.after.target,
          before: pair.before.answer,
          after: pair.after.answer,
        })),
      }),
    })),
    agreements,
    notes,
    resamples,
    seed,
  };
}

export function describeAgreement({ task, filter, items, same, share }: AnswerAgreement): string {
  const [value, low, high] = [share.value, share.low, share.high].map((part) => (100 * part).toFixed(1));
  return `${task}${filter === "none" ? "" : ` (${filter})`}: the same answer to ${same} of ${items} items, ${value} %, 95 % interval ${low} to ${high}.`;
}

/** One score's comparison in a sentence, such as "better by 4.1 points, 95 % interval 1.2 to 7.0, p = 0.006; …". */
export function describeScore(score: ScoreComparison): string {
  const { difference, verdict, family, p, adjustedP, items, detectable } = score;
  const unit = score.inPoints ? " points" : "";
  const print = printerOf(score);
  const size = `${print(Math.abs(difference.value))}${unit}`;
  const direction =
    difference.value > 0 ? ` ${size} higher` : difference.value < 0 ? ` ${size} lower` : " equal";
  const result = verdict === "no difference shown" ? `${verdict}:${direction}` : `${verdict} by ${size}`;
  const adjusted = family.size > 1 ? ` (${printP(adjustedP)} adjusted for ${family.size} tests)` : "";
  const counted = items === 1 ? "1 item" : `${items} items`;
  const power =
    detectable !== undefined
      ? `${counted} could have shown ${print(detectable)}${unit}`
      : difference.value === 0
        ? `none of ${counted} differs`
        : `too little to say what ${counted} could have shown`;
  return `${result}, 95 % interval ${print(difference.low)} to ${print(difference.high)}, p ${equalsP(p)}${adjusted}; ${power}.`;
}

function nameOf({ task, metric, filter }: ScoreComparison): string {
  return `${task}, ${nameMetric({ metric, filter })}`;
}

/** Such as "exact_match (strict-match)". */
export function nameMetric({ metric, filter }: { readonly metric: string; readonly filter: string }): string {
  return filter === "none" ? metric : `${metric} (${filter})`;
}

function describeRun({ model, path }: Run): string {
  return `${model} (${path})`;
}

function toCells(score: ScoreComparison): string[] {
  const print = printerOf(score);
  const range = ({ low, high }: Estimate) => `[${print(low)}, ${print(high)}]`;
  const sign = score.difference.value > 0 ? "+" : "";
  return [
    score.task,
    nameMetric(score),
    String(score.items),
    `${print(score.before.value)} ${range(score.before)}`,
    `${print(score.after.value)} ${range(score.after)}`,
    `${sign}${print(score.difference.value)} ${range(score.difference)}`,
    printP(score.p),
    printP(score.adjustedP),
    score.fixed && score.broken ? `${score.fixed.length} / ${score.broken.length}` : "",
  ];
}

/** Prints a score and its differences: in points to a tenth, others so that the score has 4 digits. */
function printerOf({ inPoints, before }: ScoreComparison): (value: number) => string {
  const scale = inPoints ? 100 : 1;
  const digits = inPoints
    ? 1
    : Math.min(10, Math.max(0, 3 - Math.floor(Math.log10(Math.abs(before.value) || 1))));
  // -0.04 would be "-0.0".
  return (value) => (value * scale).toFixed(digits).replace(/^-(?=[0.]*$)/, "");
}

function printP(p: number): string {
  return p < 0.001 ? "< 0.001" : String(Number(p.toPrecision(2)));
}

function equalsP(p: number): string {
  return p < 0.001 ? printP(p) : `= ${printP(p)}`;
}

/** How intervals and p are computed, in sentences. */
export function explainMethods({ scores, resamples, seed }: ComparedScores): string[] {
  const families = new Map(scores.map(({ family }) => [family.name, family.size]));
  const pools = new Map(scores.flatMap(({ task, pooled }) => (pooled ? [[task, pooled.length]] : [])));
  const count = resamples.toLocaleString("en-US");
  return [
    ...[...pools].map(([group, tasks]) => `${group} counts all items of its ${tasks} tasks alike.`),
    "Items are compared in pairs. p: McNemar's exact test where each item is right or wrong, " +
      `elsewhere ${count} random signs of the differences.`,
    `p (Holm): adjusted for the number of tests among ${[...families].map(([name, size]) => `the ${name} (${size})`).join(" and among ")}.`,
    "Intervals: Wilson's for scores where each item is right or wrong, " +
      `elsewhere and for differences ${count} resamples of the items (seed ${seed}).`,
    '"Could have shown": the smallest true difference that such a test at 0.05 finds 4 times in 5.',
  ];
}

export interface Flip {
  readonly change: "fixed" | "broken";
  readonly score: ScoreComparison;
  readonly pair: ItemPair;
}

/** The first items that changed each way; of a group they are listed with its tasks. */
export function listFlips(score: ScoreComparison, count: number): Flip[] {
  if (score.pooled) return [];
  return (["fixed", "broken"] as const).flatMap((change) =>
    (score[change] ?? []).slice(0, count).map((pair) => ({ change, score, pair })),
  );
}

const shownPromptLength = 600;

/** The end of a prompt, where the item's own question is, after the few-shot examples. */
export function shownPrompt(prompt: string): string {
  return prompt.length > shownPromptLength ? `…${prompt.slice(-shownPromptLength)}` : prompt;
}

function describeFlip({ change, score, pair: { before, after } }: Flip): string[] {
  const indent = (text: string) => text.replace(/\n/g, "\n        ");
  return [
    `── ${nameOf(score)}, item ${after.docId}: ${change}`,
    `prompt: ${indent(shownPrompt(after.prompt))}`,
    `target: ${indent(after.target)}`,
    `before: ${indent(before.answer)}`,
    `after:  ${indent(after.answer)}`,
  ];
}
