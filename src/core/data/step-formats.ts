/** @file The formats in which people keep solutions with labels of their steps, for process reward models. */

import { Float } from "../python/number.ts";
import type { Fields } from "./row-fields.ts";

/** A solution in steps. */
export interface JudgedSolution {
  readonly steps: readonly string[];
  /** How right each step is, from 0 to 1; {@link unlabelled} of one that says nothing. */
  readonly labels: readonly number[];
}

/** The label of a step that has none: PyTorch's index that a loss leaves out, which TRL passes on. */
export const unlabelled = -100;

/** TRL's rows: a list of steps, and one of as many labels. */
export function readJudgedSolution(fields: Fields): JudgedSolution {
  const steps = fields
    .list("completions")
    .map((step) =>
      typeof step === "string" ? step : fields.fail('the field "completions" is not a list of texts'),
    );
  const labels = fields.list("labels").map((label, i) => readLabel(label, i, fields));
  return checkSolution({ steps, labels }, fields);
}

function readLabel(value: unknown, index: number, fields: Fields): number {
  const isNumber = ["boolean", "number", "bigint"].includes(typeof value) || value instanceof Float;
  const label = isNumber ? Number(value) : Number.NaN;
  if (label === unlabelled || (label >= 0 && label <= 1)) return label;
  return fields.fail(
    `label ${index + 1} of its steps is neither true nor false nor a number from 0 to 1; give ${unlabelled} to a step without a label`,
  );
}

function checkSolution({ steps, labels }: JudgedSolution, fields: Fields): JudgedSolution {
  if (steps.length !== labels.length)
    fields.fail(`there are ${steps.length} steps and ${labels.length} labels; give each step one`);
  const empty = steps.findIndex((step) => step.trim() === "");
  if (empty >= 0) fields.fail(`step ${empty + 1} is empty; leave it out, with its label`);
  if (labels.every((label) => label === unlabelled))
    fields.fail("no step has a label, so nothing is learnt from it");
  return { steps, labels };
}

/** The mark at the end of a step. */
const tag = "ки";

/**
 * Math-Shepherd's rows: "input" has "ки" at the end of each step, and "label" is the same text with "+" or "-" in its place. The question
 * ends before "Step 1:" or, without that, after its first question mark; a tag in the question belongs to no step.
 */
export function readMathShepherd(fields: Fields): {
  readonly question: string;
  readonly solutions: readonly JudgedSolution[];
} {
  const [input, label] = [fields.text("input"), fields.text("label")];
  const numbered = /step 1:/i.exec(input);
  const border = numbered?.index ?? input.indexOf("?") + 1;
  if (border === 0) fields.fail('the input has neither "Step 1:" nor "?", so that the question has no end');
  const ends = [...input.matchAll(new RegExp(tag, "g"))].map(({ index }) => index);
  if (ends.length === 0) fields.fail(`the input has no "${tag}", so that its steps have no end`);
  if (input.slice(ends.at(-1)! + tag.length).trim() !== "")
    fields.fail(`the input goes on after its last "${tag}", so that the last step has no end`);
  const marks = ends.map((end, i) => {
    // A mark of the label is shorter than a tag.
    const mark = label[end - i * (tag.length - 1)];
    if (mark === "+" || mark === "-") return Number(mark === "+");
    return fields.fail(`the label has no "+" or "-" where "${tag}" number ${i + 1} of the input is`);
  });
  const ofSolution = ends.findIndex((end) => end >= border);
  const starts = [border, ...ends.slice(ofSolution).map((end) => end + tag.length)];
  const steps = ends.slice(ofSolution).map((end, i) => input.slice(starts[i], end).trim());
  const question = input.slice(0, border).replaceAll(tag, "").trim();
  return { question, solutions: [checkSolution({ steps, labels: marks.slice(ofSolution) }, fields)] };
}

/**
 * PRM800K's rows: at each step the completions that were rated, and which of them was gone on with. Each that was not is a solution that
 * ends with it, as in TRL's conversion: 1 of a rating of 1, 0 of one of 0 or -1.
 */
export function readPrm800k(fields: Fields): {
  readonly question: string;
  readonly solutions: readonly JudgedSolution[];
} {
  const { problem } = asRecord(fields.value("question"));
  const { steps } = asRecord(fields.value("label"));
  if (typeof problem !== "string" || !Array.isArray(steps))
    return fields.fail('the field "question" has no "problem", or "label" no "steps", as PRM800K\'s rows do');
  const solutions: JudgedSolution[] = [];
  let path: JudgedSolution = { steps: [], labels: [] };
  const extend = ({ text, rating }: Readonly<Record<string, unknown>>, i: number): JudgedSolution => {
    if (typeof text !== "string") return fields.fail(`a completion of step ${i + 1} has no text`);
    const label = rating == null ? unlabelled : Number(Number(rating) === 1);
    return { steps: [...path.steps, text], labels: [...path.labels, label] };
  };
  for (const [i, step] of steps.map(asRecord).entries()) {
    const completions = Array.isArray(step.completions) ? step.completions.map(asRecord) : [];
    for (const [index, completion] of completions.entries())
      if (index !== step.chosen_completion) solutions.push(extend(completion, i));
    const chosen = step.chosen_completion == null ? undefined : completions[Number(step.chosen_completion)];
    // What a person wrote is right.
    const human =
      step.human_completion == null ? undefined : { ...asRecord(step.human_completion), rating: 1 };
    const next = chosen ?? human;
    if (!next) break;
    path = extend(next, i);
  }
  if (path.steps.length > 0) solutions.push(path);
  const labelled = solutions.filter(({ labels }) => labels.some((label) => label !== unlabelled));
  if (labelled.length === 0) fields.fail("no step is rated, so nothing is learnt from it");
  return { question: problem, solutions: labelled.map((solution) => checkSolution(solution, fields)) };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
