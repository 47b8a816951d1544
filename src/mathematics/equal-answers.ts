/** @file Whether two answers to a mathematical problem are the same. */

import {
  areMultiples,
  type Context,
  type EqualityOptions,
  isSameExpression,
  listVariables,
} from "./equal-values.ts";
import { spend, WorkExhausted } from "./evaluate.ts";
import {
  type Answer,
  apply,
  type Comparison,
  constant,
  type Expression,
  isExpression,
  type List,
  parseAnswer,
  type Relation,
} from "./parse-answer.ts";

/** Longer answers are compared as texts only. */
const maximumLength = 2000;
/** Evaluated operators and operands for a pair of answers, which take some tenths of a second at most. */
const maximumWork = 100_000;

/**
 * Whether a given answer says the same as the gold one. Either is written in LaTeX or as people type it.
 *
 * - Numbers: with separators (1,000; 1{,}000; 1\,000), in scientific notation, as fractions, mixed numbers (3\frac{1}{2}, 3 1/2),
 *   repeating decimals (0.\overline{3}). Fractions are compared exactly; a decimal with anything else to six places, so that
 *   0.333333 is a third and 0.33 is not.
 * - Currencies, units, degrees and bases are dropped, whatever they are: 18, \$18, 18\text{ cm}^2, 18_9 and 18 apples are equal.
 * - A percent sign says nothing or a hundredth: 25\% is 25 and 0.25.
 * - Expressions with variables, roots, powers, logarithms, trigonometric functions, factorials and i are evaluated at
 *   points drawn once for all, and are equal if they agree wherever both are real: \ln(x^2) is 2\ln x. A difference below 1e-9
 *   of the value is not seen.
 * - Sets, and answers side by side ("1 and 2", "x = 1, x = 2", 1 \pm \sqrt{2}), are equal in any order; tuples, intervals (by
 *   their brackets, also in unions) and matrices element by element.
 * - "x = 3" is 3, but not "y = 3"; equations are equal if one is a multiple of the other, inequalities if they are
 *   the same interval (also written as one) or multiples.
 * - Words are equal but for their case; so is what cannot be read as mathematics, but for space.
 *
 * It ends soon whatever it is given: texts beyond 2,000 characters, deep nesting and large powers are not computed, and are
 * equal only if they are written alike.
 *
 * @example
 * const { equalAnswers } = await import("slimtune");
 * console.log(equalAnswers("\\frac{\\sqrt{8}}{4}", "1/\\sqrt{2}")); // true
 */
export function equalAnswers(given: string, gold: string, options: EqualityOptions = {}): boolean {
  if (Math.max(given.length, gold.length) > maximumLength) return given.trim() === gold.trim();
  const text = normalizeText(given);
  if (text === normalizeText(gold)) return text !== "";
  try {
    return isSame(parseAnswer(given), parseAnswer(gold), { options, work: { left: maximumWork } });
  } catch (error) {
    if (!(error instanceof WorkExhausted)) throw error;
    return false;
  }
}

/** A text without dollars, space and what ends a sentence; in small letters if it is a single letter or has words. */
function normalizeText(text: string): string {
  const bare = text
    .replace(/\\(?:left|right)(?![a-zA-Z])|[\s$"]|(?<!\\)\\[,!; ]/g, "")
    .replace(/[.,;:]+$/, "")
    .replace(/^\((\p{L})\)$/u, "$1");
  const isWords = /^\p{L}$/u.test(bare) || (/\p{L}{3}/u.test(text) && !text.includes("\\"));
  return isWords ? bare.toLowerCase() : bare;
}

function isSame(given: Answer, gold: Answer, context: Context): boolean {
  spend(context.work);
  if (given.kind === "words" && gold.kind === "words")
    return normalizeText(given.text) === normalizeText(gold.text);
  if (given.kind === "words" || gold.kind === "words") return false;
  if (given.kind === "relation" && gold.kind === "relation") return isSameRelation(given, gold, context);
  if (given.kind === "relation") return isValueOf(given, gold, true, context);
  if (gold.kind === "relation") return isValueOf(gold, given, assigns(gold), context);
  if (given.kind === "union" || gold.kind === "union")
    return isSameSet(partsOf(given), partsOf(gold), context);
  if (given.kind === "list" || gold.kind === "list") return isSameList(asList(given), asList(gold), context);
  // A letter alone may name a choice.
  if (given.kind === "variable" && gold.kind === "variable")
    return given.name.toLowerCase() === gold.name.toLowerCase();
  return isSameExpression(given, gold, context);
}

function partsOf(answer: Answer): readonly Answer[] {
  if (answer.kind === "union") return answer.parts;
  return answer.kind === "list" && answer.open === "" ? answer.items : [answer];
}

const asList = (answer: Answer): List =>
  answer.kind === "list" ? answer : { kind: "list", open: "", close: "", items: [answer] };

function isSameSet(given: readonly Answer[], gold: readonly Answer[], context: Context): boolean {
  return (
    given.every((item) => gold.some((other) => isSame(item, other, context))) &&
    gold.every((other) => given.some((item) => isSame(item, other, context)))
  );
}

function isSameList(given: List, gold: List, context: Context): boolean {
  const isOrdered = ({ open }: List) => open === "(" || open === "[";
  if (!isOrdered(given) && !isOrdered(gold)) return isSameSet(given.items, gold.items, context);
  // A tuple may be written without its brackets; those of a pair may be those of an interval.
  if (given.open === "{" || gold.open === "{" || given.items.length !== gold.items.length) return false;
  const areBracketed = isOrdered(given) && isOrdered(gold) && given.items.length === 2;
  if (areBracketed && (given.open !== gold.open || given.close !== gold.close)) return false;
  return given.items.every((item, i) => isSame(item, gold.items[i]!, context));
}

/** Whether an inequality is the given interval or union, or the last side of an equation the given answer. */
function isValueOf(relation: Relation, answer: Answer, isValued: boolean, context: Context): boolean {
  const interval = toInterval(relation)?.interval;
  if (interval) return isSame(interval, answer, context);
  return isValued && isEquation(relation) && isSame(assignedValue(relation), answer, context);
}

const isEquation = ({ comparisons }: Relation) => comparisons.every((comparison) => comparison === "=");

/** Whether it is of names alone: x, f(x), (x, y). */
function isNamed(answer: Answer): boolean {
  if (answer.kind === "variable") return true;
  if (answer.kind === "list") return answer.items.every(isNamed);
  return answer.kind === "application" && answer.operator === "multiply" && answer.operands.every(isNamed);
}

const isReversed = ({ sides }: Relation) => !isNamed(sides[0]!) && isNamed(sides.at(-1)!);

/** Whether an equation gives something named a value. */
const assigns = (relation: Relation) =>
  isEquation(relation) && (isNamed(relation.sides[0]!) || isReversed(relation));

const assignedValue = (relation: Relation): Answer =>
  isReversed(relation) ? relation.sides[0]! : relation.sides.at(-1)!;

function isSameRelation(given: Relation, gold: Relation, context: Context): boolean {
  const intervals = [toInterval(given), toInterval(gold)] as const;
  if (intervals[0] && intervals[1])
    return (
      intervals[0].variable === intervals[1].variable &&
      isSame(intervals[0].interval, intervals[1].interval, context)
    );
  const [a, b] = [toDifference(given), toDifference(gold)];
  if (a && b)
    return a.comparison === b.comparison && areMultiples(a.difference, b.difference, a.comparison, context);
  return (
    given.comparisons.join() === gold.comparisons.join() &&
    given.sides.every((side, i) => isSame(side, gold.sides[i]!, context))
  );
}

const isBelow = (comparison: Comparison) => comparison === "<" || comparison === "≤";
const isAbove = (comparison: Comparison) => comparison === ">" || comparison === "≥";
const mirrored: Readonly<Record<Comparison, Comparison>> = {
  ...{ "=": "=", "≠": "≠", "<": ">", "≤": "≥", ">": "<", "≥": "≤" },
};

/** The interval of a variable's values that satisfy x < 2, x > 1 or 1 < x < 2. */
function toInterval(relation: Relation): { variable: string; interval: List } | undefined {
  const { sides, comparisons } = relation.comparisons.every(isAbove) ? mirror(relation) : relation;
  if (!comparisons.every(isBelow)) return undefined;
  const infinite = constant("∞");
  const isBounded = sides.length > 2;
  const isFirst = sides[0]!.kind === "variable";
  const unbounded = isFirst ? [apply("negate", infinite), ...sides] : [...sides, infinite];
  const [low, middle, high, ...others] = isBounded ? sides : unbounded;
  const isClosed = comparisons.map((comparison) => comparison === "≤");
  if (middle?.kind !== "variable" || others.length > 0 || !isConstant(low!) || !isConstant(high!))
    return undefined;
  return {
    variable: middle.name,
    interval: {
      kind: "list",
      open: (isBounded || !isFirst) && isClosed[0] ? "[" : "(",
      close: (isBounded || isFirst) && isClosed.at(-1) ? "]" : ")",
      items: [low!, high!],
    },
  };
}

const isConstant = (answer: Answer) => isExpression(answer) && listVariables(answer).length === 0;

const mirror = ({ sides, comparisons }: Relation): Relation => ({
  kind: "relation",
  sides: sides.toReversed(),
  comparisons: comparisons.map((comparison) => mirrored[comparison]).reverse(),
});

/** a = b as a - b = 0, and a > b as b - a < 0. Of an equation with more than two sides the first and the last count. */
function toDifference(relation: Relation): { difference: Expression; comparison: Comparison } | undefined {
  const [left, right] = [relation.sides[0]!, relation.sides.at(-1)!];
  const [comparison] = relation.comparisons as [Comparison];
  if (!isExpression(left) || !isExpression(right)) return undefined;
  if (relation.comparisons.length > 1 && !isEquation(relation)) return undefined;
  return isAbove(comparison)
    ? { difference: subtract(right, left), comparison: mirrored[comparison] }
    : { difference: subtract(left, right), comparison };
}

const subtract = (a: Expression, b: Expression) => apply("add", a, apply("negate", b));
