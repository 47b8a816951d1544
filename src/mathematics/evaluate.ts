/** @file Values of expressions: as fractions where they are rational, and as complex numbers at given values of the variables. */

import { Complex } from "complex.js";
import Fraction from "fraction.js";
import type { Application, Constant, Expression, FunctionName, Operator } from "./parse-answer.ts";

/** What may still be done: an operator or operand that is evaluated counts one, and more if it is a large fraction. */
export interface Work {
  left: number;
}

/** More is to do than was allowed. */
export class WorkExhausted extends Error {}

/** @throws WorkExhausted */
export function spend(work: Work, amount = 1): void {
  work.left -= amount;
  if (work.left < 0) throw new WorkExhausted();
}

/** Larger fractions are not computed: about the largest float. */
const maximumBits = 1024;
const maximumFactorial = 200;
const countBits = ({ n, d }: Fraction) => 4 * Math.max(n.toString(16).length, d.toString(16).length);

/** The value as a fraction; undefined where it is irrational, depends on a variable, or is too large. */
export function evaluateExactly(expression: Expression, work: Work): Fraction | undefined {
  spend(work);
  if (expression.kind === "number") return expression.value;
  if (expression.kind !== "application") return undefined;
  const operands: Fraction[] = [];
  for (const operand of expression.operands) {
    const value = evaluateExactly(operand, work);
    if (!value) return undefined;
    operands.push(value);
  }
  const value = applyExactly(expression.operator, operands, work);
  const bits = value ? countBits(value) : 0;
  spend(work, bits / 8);
  return bits > maximumBits ? undefined : value;
}

function applyExactly(operator: Operator, operands: readonly Fraction[], work: Work): Fraction | undefined {
  const [first, second] = operands as [Fraction, Fraction];
  switch (operator) {
    case "add":
      return operands.reduce((sum, term) => sum.add(term));
    case "multiply":
      return operands.reduce((product, factor) => product.mul(factor));
    case "divide":
      return second.n === 0n ? undefined : first.div(second);
    case "negate":
      return first.neg();
    case "percent":
      return first.div(100);
    case "abs":
      return first.abs();
    case "floor":
      return first.floor();
    case "ceil":
      return first.ceil();
    case "power": {
      if (second.d !== 1n || second.n * BigInt(countBits(first)) > maximumBits) return undefined;
      if (first.n === 0n && second.s < 0n) return undefined;
      return first.pow(second) ?? undefined;
    }
    case "factorial":
      return first.s >= 0n ? multiplyDown(first, first, work) : undefined;
    case "binomial": {
      if (second.s < 0n) return undefined;
      const product = multiplyDown(first, second, work);
      const divisor = multiplyDown(second, second, work);
      return product && divisor && product.div(divisor);
    }
    default:
      return undefined;
  }
}

/** n (n - 1) … of `count` factors; undefined unless both are whole, and `count` is at most some hundreds. */
function multiplyDown(n: Fraction, count: Fraction, work: Work): Fraction | undefined {
  if (n.d !== 1n || count.d !== 1n || count.n > maximumFactorial) return undefined;
  let product = 1n;
  for (let i = 0n; i < count.n; i++) {
    spend(work);
    product *= n.s * n.n - i;
  }
  return new Fraction(product);
}

const undefinedValue = new Complex(Number.NaN, Number.NaN);

const constants: Readonly<Record<Constant["name"], Complex>> = {
  π: new Complex(Math.PI, 0),
  e: new Complex(Math.E, 0),
  i: new Complex(0, 1),
  "∞": undefinedValue,
};

const functions: Readonly<Record<FunctionName, (value: Complex) => Complex>> = {
  sin: (value) => value.sin(),
  cos: (value) => value.cos(),
  tan: (value) => value.tan(),
  cot: (value) => value.cot(),
  sec: (value) => value.sec(),
  csc: (value) => value.csc(),
  arcsin: (value) => value.asin(),
  arccos: (value) => value.acos(),
  arctan: (value) => value.atan(),
  sinh: (value) => value.sinh(),
  cosh: (value) => value.cosh(),
  tanh: (value) => value.tanh(),
  exp: (value) => value.exp(),
  ln: (value) => value.log(),
  abs: (value) => new Complex(value.abs(), 0),
};

/**
 * The value at a point that has all variables. NaN where it is not defined, or beyond floats; of a factorial where its operand is no whole number.
 *
 * @param point the variables' values by name
 */
export function evaluateAt(expression: Expression, point: ReadonlyMap<string, number>, work: Work): Complex {
  spend(work);
  if (expression.kind === "number") return new Complex(expression.value.valueOf(), 0);
  if (expression.kind === "constant") return constants[expression.name];
  if (expression.kind === "variable") return new Complex(point.get(expression.name), 0);
  const operands = expression.operands.map((operand) => evaluateAt(operand, point, work));
  const value = applyAt(expression, operands, work);
  if (!Number.isFinite(value.re) || !Number.isFinite(value.im)) return undefinedValue;
  // A negative zero would turn the angle of a negative number.
  return new Complex(value.re + 0, value.im + 0);
}

function applyAt({ operator }: Application, operands: readonly Complex[], work: Work): Complex {
  const [first, second] = operands as [Complex, Complex];
  switch (operator) {
    case "add":
      return settle(
        operands.reduce((sum, term) => sum.add(term)),
        Math.max(...operands.map((term) => term.abs())),
      );
    case "multiply":
      return operands.reduce((product, factor) => product.mul(factor));
    case "divide":
      return second.re === 0 && second.im === 0 ? undefinedValue : first.div(second);
    case "negate":
      return first.neg();
    case "percent":
      return first.div(100, 0);
    case "power":
      return power(first, second);
    case "root": {
      // The real root of a negative number where there is one.
      const isOdd = second.im === 0 && Math.abs(second.re % 2) === 1;
      if (isOdd && first.im === 0 && first.re < 0) return power(first.neg(), second.inverse()).neg();
      return power(first, second.inverse());
    }
    case "log":
      return first.log().div(second.log());
    case "floor":
      return new Complex(first.im === 0 ? Math.floor(first.re) : Number.NaN, 0);
    case "ceil":
      return new Complex(first.im === 0 ? Math.ceil(first.re) : Number.NaN, 0);
    case "factorial":
    case "binomial": {
      if (operands.some(({ re, im }) => im !== 0 || !Number.isInteger(re))) return undefinedValue;
      const value = applyExactly(
        operator,
        operands.map(({ re }) => new Fraction(re)),
        work,
      );
      return value ? new Complex(value.valueOf(), 0) : undefinedValue;
    }
    default:
      return settle(functions[operator](first), 1);
  }
}

function power(base: Complex, exponent: Complex): Complex {
  const value = base.pow(exponent);
  // What is too small for a float is no zero.
  const isUnderflow = value.re === 0 && value.im === 0 && (base.re !== 0 || base.im !== 0);
  return isUnderflow ? undefinedValue : settle(value, value.abs());
}

/** A value whose parts are 0 where they are no more than what floats lose of numbers of this size. */
function settle({ re, im }: Complex, size: number): Complex {
  const settlePart = (part: number) => (Math.abs(part) < 1e-14 * size ? 0 : part);
  return new Complex(settlePart(re), settlePart(im));
}
