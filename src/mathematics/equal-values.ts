/** @file Whether two expressions have the same value, by exact fractions or at points drawn once for all. */

import type { Complex } from "complex.js";
import { createRandom } from "../core/random.ts";
import { evaluateAt, evaluateExactly, type Work } from "./evaluate.ts";
import { apply, type Comparison, type Expression, number } from "./parse-answer.ts";

export interface EqualityOptions {
  /**
   * Numbers that differ by no more than this share of the larger one are equal, as by Python's `math.isclose`; TATA's 1e-4. By
   * default whole numbers and fractions must be the same, and decimals agree to six places.
   */
  readonly relativeTolerance?: number;
  /** Whether a number is also equal to a hundred times itself, with or without a percent sign, as for TATA. Default: false. */
  readonly allowHundredfold?: boolean;
}

export interface Context {
  readonly options: EqualityOptions;
  readonly work: Work;
}

/** Whether they are equal, a percent sign meaning nothing or a hundredth. */
export function isSameExpression(given: Expression, gold: Expression, context: Context): boolean {
  const pairs = readPercents(given, gold);
  if (context.options.allowHundredfold)
    pairs.push([apply("multiply", given, number(100)), gold], [given, apply("multiply", gold, number(100))]);
  return pairs.some(([a, b]) => isSameValue(a, b, context));
}

/** What they may mean if one of them has a percent sign. */
function readPercents(given: Expression, gold: Expression): [Expression, Expression][] {
  const withoutSign = (answer: Expression) =>
    answer.kind === "application" && answer.operator === "percent" ? answer.operands[0] : undefined;
  const [a, b] = [withoutSign(given), withoutSign(gold)];
  if (a && b) return [[a, b]];
  const asWritten: [Expression, Expression] = [given, gold];
  return a || b ? [asWritten, [a ?? given, b ?? gold]] : [asWritten];
}

function isSameValue(a: Expression, b: Expression, context: Context): boolean {
  const infinite = infinityOf(a);
  if (infinite !== 0 || infinityOf(b) !== 0) return infinite === infinityOf(b);
  const [x, y] = [evaluateExactly(a, context.work), evaluateExactly(b, context.work)];
  if (x && y && x.equals(y)) return true;
  const tolerance = chooseTolerance(a, b, context.options);
  if (x && y && tolerance === constantTolerance) return false;
  const variables = listVariables(a, b);
  const values = evaluateBoth(a, b, variables, context);
  const chosen = variables.length > 0 && tolerance === constantTolerance ? symbolicTolerance : tolerance;
  return values.length > 0 && values.every(([value, other]) => isClose(value, other, chosen));
}

/** 1 or -1 for infinity, with its sign, and 0 for anything else. */
function infinityOf(expression: Expression): -1 | 0 | 1 {
  if (expression.kind === "constant") return expression.name === "∞" ? 1 : 0;
  if (expression.kind !== "application" || expression.operator !== "negate") return 0;
  return -infinityOf(expression.operands[0]!) as -1 | 0 | 1;
}

/** How far two values may lie apart: by either bound. */
interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
  /** What the absolute bound may be at most, as a share of the value. */
  readonly relativeMaximum: number;
}

/** What floats lose on the way. */
const constantTolerance: Tolerance = { relative: 1e-9, absolute: 0, relativeMaximum: 0 };
/** The same where terms of some hundreds nearly cancel at a point. */
const symbolicTolerance: Tolerance = {
  relative: 1e-9,
  absolute: 1e-10,
  relativeMaximum: Number.POSITIVE_INFINITY,
};
/** Six decimal places, and of small numbers five digits. */
const decimalTolerance: Tolerance = { relative: 1e-12, absolute: 1e-6, relativeMaximum: 1e-5 };

function chooseTolerance(a: Expression, b: Expression, { relativeTolerance }: EqualityOptions): Tolerance {
  if (relativeTolerance !== undefined) return { ...constantTolerance, relative: relativeTolerance };
  return hasDecimal(a) || hasDecimal(b) ? decimalTolerance : constantTolerance;
}

function hasDecimal(expression: Expression): boolean {
  if (expression.kind === "application") return expression.operands.some(hasDecimal);
  return expression.kind === "number" && expression.isDecimal;
}

function isClose(a: Complex, b: Complex, { relative, absolute, relativeMaximum }: Tolerance): boolean {
  const size = Math.max(a.abs(), b.abs());
  const difference = a.sub(b).abs();
  return difference <= relative * size || difference <= Math.min(absolute, relativeMaximum * size);
}

/** Ranges from which variables are drawn: whole numbers are for factorials, and small ones for what is defined up to 1. */
const ranges: readonly ((uniform: number) => number)[] = [
  (uniform) => uniform,
  (uniform) => 1 + 5 * uniform,
  (uniform) => -5 * uniform,
  (uniform) => 2 + Math.floor(12 * uniform),
];
const pointsPerRange = 4;

/** Values of both where both are real, or where there are none such, where both are defined. */
function evaluateBoth(
  a: Expression,
  b: Expression,
  variables: readonly string[],
  { work }: Context,
): [Complex, Complex][] {
  const values: [Complex, Complex][] = [];
  const points = variables.length === 0 ? 1 : ranges.length * pointsPerRange;
  for (let i = 0; i < points; i++) {
    const random = createRandom(i);
    const draw = ranges[i % ranges.length]!;
    const point = new Map(variables.map((name) => [name, draw(random.uniform())]));
    const pair: [Complex, Complex] = [evaluateAt(a, point, work), evaluateAt(b, point, work)];
    if (pair.some((value) => value.isNaN())) continue;
    // Of tiny values rounding may be all there is.
    const size = Math.max(pair[0].abs(), pair[1].abs());
    if (variables.length === 0 || size === 0 || size > 1e-6) values.push(pair);
  }
  const real = values.filter((pair) => pair.every(({ im }) => im === 0));
  return real.length > 0 ? real : values;
}

/**
 * Whether one expression is a multiple of the other: of an equation's two sides the difference, and of an inequality's, where
 * the multiple must be positive.
 */
export function areMultiples(
  a: Expression,
  b: Expression,
  comparison: Comparison,
  context: Context,
): boolean {
  const variables = listVariables(a, b);
  if (variables.length === 0) return isSameExpression(a, b, context);
  const values = evaluateBoth(a, b, variables, context).filter(([, value]) => value.abs() > 1e-6);
  const [first] = values;
  if (!first || first[0].abs() < 1e-6) return false;
  const ratio = first[0].div(first[1]);
  if (comparison !== "=" && comparison !== "≠" && ratio.re < 0) return false;
  return values.every(([value, other]) => isClose(value, other.mul(ratio), symbolicTolerance));
}

/** The variables of expressions, sorted by name. */
export function listVariables(...expressions: Expression[]): string[] {
  const found = new Set<string>();
  const visit = (expression: Expression) => {
    if (expression.kind === "application") expression.operands.forEach(visit);
    else if (expression.kind === "variable") found.add(expression.name);
  };
  expressions.forEach(visit);
  return [...found].sort();
}
