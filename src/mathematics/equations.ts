/** @file Equations in solutions, and whether they hold: what is known of steps without a model. */

import { equalAnswers } from "./equal-answers.ts";
import { evaluateExactly } from "./evaluate.ts";
import { isExpression, parseAnswer } from "./parse-answer.ts";

const number = String.raw`\d+(?:,\d{3})*(?:\.\d+)?%?`;
const operand = String.raw`\(*-?${number}\)*`;
const expression = `${operand}(?:[-+*/]${operand})*`;
/** Characters of the longest calculation whose result may be rounded. */
const longestRounded = 200;
/** Not what is a part of something longer, as in "2x + 3 + 1 = 6". */
const chain = new RegExp(
  String.raw`(?<![\p{L}\d.,+*/)(-])${expression}(?:=${expression})+(?![\p{L}\d+*/(-])`,
  "gu",
);

/**
 * How many equations between numbers a text holds, and how many of them are true: in GSM8K's annotations (`<<48/2=24>>`) if it has
 * such, or else as they are written ("48 / 2 = 24"). A result with decimals may be rounded to as many.
 *
 * @example
 * const { checkEquations } = await import("slimtune");
 * console.log(checkEquations("First 3 * 4 = 12 eggs, then 12 - 5 = 8.")); // { equations: 2, valid: 1 }
 */
export function checkEquations(text: string): { readonly equations: number; readonly valid: number } {
  const annotations = [...text.matchAll(/<<([^<>]*)>>/g)].map(([, inside]) => inside!);
  const pairs = (annotations.length > 0 ? annotations : [text]).flatMap(listEquations);
  return { equations: pairs.length, valid: pairs.filter(([left, right]) => isTrue(left, right)).length };
}

/** Both sides of each, of which one at least is a calculation. */
function listEquations(text: string): (readonly [string, string])[] {
  const plain = text
    .replaceAll("$", "")
    .replace(/[×·]|(?<=[\d)]) ?x ?(?=[\d(])/g, "*")
    .replaceAll("÷", "/")
    .replaceAll("−", "-")
    .replace(/ *([-+*/=()]) */g, "$1");
  return [...plain.matchAll(chain)].flatMap(([found]) => {
    const sides = found.split("=");
    const pairs = sides.slice(1).map((right, i) => [sides[i]!, right] as const);
    return pairs.filter((pair) => pair.some((side) => /[\d%]\)*[-+*/]/.test(side)));
  });
}

function isTrue(left: string, right: string): boolean {
  if (equalAnswers(left, right)) return true;
  const [, decimals] = /\.(\d+)$/.exec(right) ?? [];
  if (decimals === undefined || left.length > longestRounded) return false;
  const exact = parseAnswer(left);
  const value = isExpression(exact) ? evaluateExactly(exact, { left: 100_000 }) : undefined;
  const off = value?.sub(right.replaceAll(",", "")).abs();
  return off !== undefined && off.compare(0.5 * 10 ** -decimals.length) <= 0;
}
