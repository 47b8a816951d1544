/** @file The tests of Jinja2, such as "is defined". */

import { arithmetic, Float } from "../python/number.ts";
import {
  areEqual,
  compare,
  contains,
  isInteger,
  nameOf,
  Tuple,
  toNumeric,
  Undefined,
  type Value,
} from "./values.ts";
import type { Work } from "./work.ts";

type Test = (value: Value, others: readonly Value[], work: Work) => boolean;

const equals: Test = (value, [other = null], work) => areEqual(value, other, work);
const differs: Test = (value, [other = null], work) => !areEqual(value, other, work);
const isLess: Test = (value, [other = null], work) => compare(value, other, work) < 0;
const isAtMost: Test = (value, [other = null], work) => compare(value, other, work) <= 0;
const isGreater: Test = (value, [other = null], work) => compare(value, other, work) > 0;
const isAtLeast: Test = (value, [other = null], work) => compare(value, other, work) >= 0;

const tests: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["defined", (value) => !(value instanceof Undefined)],
  ["undefined", (value) => value instanceof Undefined],
  ["none", (value) => value === null],
  ["true", (value) => value === true],
  ["false", (value) => value === false],
  ["boolean", (value) => typeof value === "boolean"],
  ["integer", isInteger],
  ["float", (value) => value instanceof Float],
  ["number", (value) => toNumeric(value) !== undefined],
  ["string", (value) => typeof value === "string"],
  ["mapping", (value) => value instanceof Map],
  ["sequence", isSequence],
  ["iterable", (value) => isSequence(value) || value instanceof Undefined],
  ["callable", (value) => typeof value === "function"],
  ["odd", (value) => remainder(value, 2) !== 0],
  ["even", (value) => remainder(value, 2) === 0],
  ["divisibleby", (value, [divisor = 0]) => remainder(value, divisor) === 0],
  ["lower", (value, _, work) => isCased(value, (text) => text.toLowerCase(), /\p{Ll}/u, work)],
  ["upper", (value, _, work) => isCased(value, (text) => text.toUpperCase(), /\p{Lu}/u, work)],
  ["in", (value, [container = ""], work) => contains(container, value, work)],
  ["sameas", (value, [other = null]) => value === other],
  ["eq", equals],
  ["equalto", equals],
  ["==", equals],
  ["ne", differs],
  ["!=", differs],
  ["lt", isLess],
  ["lessthan", isLess],
  ["<", isLess],
  ["le", isAtMost],
  ["<=", isAtMost],
  ["gt", isGreater],
  ["greaterthan", isGreater],
  [">", isGreater],
  ["ge", isAtLeast],
  [">=", isAtLeast],
]);

/** @throws Error if there is no such test. */
export function testOf(name: string, others: readonly Value[], work: Work): (value: Value) => boolean {
  const test = tests.get(name);
  if (!test) throw new Error(`it uses the test "${name}", which is not supported`);
  return (value) => test(value, others, work);
}

function isSequence(value: Value): boolean {
  return typeof value === "string" || Array.isArray(value) || value instanceof Tuple || value instanceof Map;
}

function remainder(value: Value, divisor: Value): number {
  const [a, b] = [toNumeric(value), toNumeric(divisor)];
  if (a !== undefined && b !== undefined) return Number(arithmetic["%"](a, b));
  throw value instanceof Undefined ? value.error : new Error(`it divides ${nameOf(value)}`);
}

function isCased(value: Value, change: (text: string) => string, cased: RegExp, work: Work): boolean {
  if (typeof value !== "string") return false;
  work.spend(3 * value.length);
  return cased.test(value) && change(value) === value;
}
