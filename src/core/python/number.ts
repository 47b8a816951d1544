/** @file Python's numbers: integers of any size, floats apart from them, their arithmetic and how they are written. */

import { strip } from "./text.ts";

/** A float. It counts as its value where JavaScript wants a number. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  valueOf(): number {
    return this.value;
  }

  toJSON(): number {
    return this.value;
  }

  /** `repr(value)`: the shortest digits that give the float again. */
  toString(): string {
    return formatFloat(this.value);
  }
}

/** An integer is a number as long as one holds it exactly, else a bigint. */
export type Integer = number | bigint;
export type Numeric = Integer | Float;

/** `repr` of a float. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const [digits, exponent] = value.toExponential().split("e") as [string, string];
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  const text = Object.is(value, -0) ? "-0" : String(value);
  return text.includes(".") ? text : `${text}.0`;
}

/** Python refuses to write integers of more digits, which would take long. */
const maximumDigits = 4300;
const maximumInteger = 10n ** BigInt(maximumDigits);

/** @throws Error if it has too many digits. */
export function toInteger(value: number | bigint): Integer {
  const integer = typeof value === "bigint" ? value : Number.isSafeInteger(value) ? value : BigInt(value);
  if (typeof integer === "number") return integer + 0;
  if (integer >= maximumInteger || integer <= -maximumInteger) throw tooManyDigits();
  const number = Number(integer);
  return Number.isSafeInteger(number) ? number : integer;
}

function tooManyDigits(): Error {
  return new Error(`it computes an integer of more than ${maximumDigits} digits`);
}

/** Of operands and by an operator of Python's. */
type Operation = (left: Numeric, right: Numeric) => Numeric;

/** @throws Error if it divides by zero, or has no result that is a real number. */
export const arithmetic: Readonly<Record<"+" | "-" | "*" | "/" | "//" | "%" | "**", Operation>> = {
  "+": operation(
    (a, b) => a + b,
    (a, b) => a + b,
  ),
  "-": operation(
    (a, b) => a - b,
    (a, b) => a - b,
  ),
  "*": operation(
    (a, b) => a * b,
    (a, b) => a * b,
  ),
  "/": (left, right) => {
    checkDivisor(right);
    return new Float(Number(left) / Number(right));
  },
  "//": division(
    (a, b) => divideFloats(a, b).quotient,
    (a, b) => (a - floorRemainder(a, b)) / b,
  ),
  "%": division((a, b) => divideFloats(a, b).remainder, floorRemainder),
  "**": power,
};

function operation(
  ofFloats: (a: number, b: number) => number,
  ofIntegers: (a: bigint, b: bigint) => bigint,
): Operation {
  return (left, right) => {
    if (left instanceof Float || right instanceof Float) {
      return new Float(ofFloats(Number(left), Number(right)));
    }
    if (typeof left === "number" && typeof right === "number") {
      const result = ofFloats(left, right);
      if (Number.isSafeInteger(result)) return result + 0;
    }
    return toInteger(ofIntegers(BigInt(left), BigInt(right)));
  };
}

function division(
  ofFloats: (a: number, b: number) => number,
  ofIntegers: (a: bigint, b: bigint) => bigint,
): Operation {
  return (left, right) => {
    checkDivisor(right);
    if (left instanceof Float || right instanceof Float) {
      return new Float(ofFloats(Number(left), Number(right)));
    }
    return toInteger(ofIntegers(BigInt(left), BigInt(right)));
  };
}

function checkDivisor(value: Numeric): void {
  if (Number(value) === 0) throw new Error("it divides by zero");
}

/** The remainder has the sign of the divisor. */
function floorRemainder(a: bigint, b: bigint): bigint {
  const remainder = a % b;
  return remainder !== 0n && remainder < 0n !== b < 0n ? remainder + b : remainder;
}

/** CPython's division of floats: the quotient comes from the exact remainder. */
function divideFloats(a: number, b: number): { quotient: number; remainder: number } {
  let remainder = a % b;
  let quotient = (a - remainder) / b;
  if (remainder === 0) remainder = b < 0 ? -0 : 0;
  else if (remainder < 0 !== b < 0) {
    remainder += b;
    quotient -= 1;
  }
  const floor = Math.floor(quotient);
  if (quotient === 0) return { quotient: Object.is(Math.sign(a / b), -1) ? -0 : 0, remainder };
  return { quotient: quotient - floor > 0.5 ? floor + 1 : floor, remainder };
}

function power(base: Numeric, exponent: Numeric): Numeric {
  if (!(base instanceof Float || exponent instanceof Float) && exponent >= 0) {
    const digits = Math.log10(Math.max(Math.abs(Number(base)), 1)) * Number(exponent);
    if (digits > maximumDigits) throw tooManyDigits();
    return toInteger(BigInt(base) ** BigInt(exponent));
  }
  const [a, b] = [Number(base), Number(exponent)];
  if (a === 0 && b < 0) throw new Error("it raises zero to a negative power");
  const result = a ** b;
  if (Number.isNaN(result) && !Number.isNaN(a) && !Number.isNaN(b)) {
    throw new Error("it raises a negative number to a fraction");
  }
  if (!Number.isFinite(result) && Number.isFinite(a) && Number.isFinite(b)) {
    throw new Error("it computes a float that is too large");
  }
  return new Float(result);
}

/** Below, at or above zero as `a` is less than `b`, equal, or more; NaN if it is none of these. */
export function compareNumbers(a: Numeric, b: Numeric): number {
  const [left, right] = [a, b].map((value) => (value instanceof Float ? value.value : value)) as [
    Integer,
    Integer,
  ];
  if (left < right) return -1;
  return left > right ? 1 : left >= right ? 0 : Number.NaN;
}

export function negate(value: Numeric): Numeric {
  return value instanceof Float ? new Float(-value.value) : toInteger(-BigInt(value));
}

export function absolute(value: Numeric): Numeric {
  return value instanceof Float ? new Float(Math.abs(value.value)) : value < 0 ? negate(value) : value;
}

/** `math.trunc(value)`. */
export function truncate(value: Numeric): Integer {
  if (!(value instanceof Float)) return value;
  if (!Number.isFinite(value.value)) throw new Error(`it makes an integer of ${value}`);
  return toInteger(Math.trunc(value.value));
}

/**
 * `round(value, digits)`: halves go to the even neighbour.
 *
 * @param digits after the point; of integers before it, if it is negative
 */
export function round(value: Numeric, digits: number): Numeric {
  if (digits < 0) {
    const unit = arithmetic["**"](10, -digits);
    const scaled = round(arithmetic["/"](value, unit), 0);
    const rounded = arithmetic["*"](scaled, unit);
    return value instanceof Float ? rounded : truncate(rounded);
  }
  if (
    !(value instanceof Float) ||
    !Number.isFinite(value.value) ||
    Math.abs(value.value) >= 1e21 ||
    digits > 75
  )
    return value;
  // All digits of the float; JavaScript's own rounding takes halves away from zero.
  const exact = Math.abs(value.value).toFixed(Math.min(digits + 25, 100));
  const kept = exact.slice(0, exact.indexOf(".") + 1 + digits);
  const isHalf = /^50*$/.test(exact.slice(kept.length));
  const isEven = /[02468]\.?$/.test(kept);
  const rounded = Number(isHalf && isEven ? kept : Math.abs(value.value).toFixed(digits));
  return new Float(value.value < 0 || Object.is(value.value, -0) ? -rounded : rounded);
}

/** `int(text, base)`, or undefined where Python fails. */
export function readInteger(text: string, base = 10): Integer | undefined {
  const prefixes: Readonly<Record<number, string>> = { 2: "0[bB]_?", 8: "0[oO]_?", 16: "0[xX]_?" };
  const digit = base <= 10 ? `[0-${base - 1}]` : `[0-9a-${String.fromCharCode(86 + base)}]`;
  const form = new RegExp(`^([-+]?)(?:${prefixes[base] ?? "(?!)"})?(${digit}+(?:_${digit}+)*)$`, "i");
  const [, sign, digits] = form.exec(toAsciiDigits(strip(text))) ?? [];
  if (digits === undefined) return undefined;
  if (digits.length > maximumDigits) throw tooManyDigits();
  let value = 0n;
  for (const character of digits.replaceAll("_", "")) {
    value = value * BigInt(base) + BigInt(Number.parseInt(character, base));
  }
  return toInteger(sign === "-" ? -value : value);
}

/** `float(text)`, or undefined where Python fails. */
export function readFloat(text: string): Float | undefined {
  const trimmed = toAsciiDigits(strip(text));
  if (/^[-+]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[-+]?\d+(?:_\d+)*)?$/i.test(trimmed)) {
    return new Float(Number(trimmed.replaceAll("_", "")));
  }
  const [, sign, name] = /^([-+]?)(inf(?:inity)?|nan)$/i.exec(trimmed) ?? [];
  if (name === undefined) return undefined;
  return new Float((sign === "-" ? -1 : 1) * (/^n/i.test(name) ? Number.NaN : Number.POSITIVE_INFINITY));
}

/** The decimal digits of all scripts, which stand in rows from 0 to 9, as those of ASCII. */
function toAsciiDigits(text: string): string {
  return text.replace(/(?![0-9])\p{Nd}/gu, (digit) => {
    let zero = digit.codePointAt(0)!;
    const value = zero;
    while (value - zero < 9 && /^\p{Nd}$/u.test(String.fromCodePoint(zero - 1))) zero--;
    return String(value - zero);
  });
}
