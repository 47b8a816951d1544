/** @file The values of templates, which are Python's: what is true, equal, less, and how they are printed. */

import { compareNumbers, Float, type Numeric, toInteger } from "../python/number.ts";
import { countCodePoints, quote } from "../python/text.ts";
import { unitsPerElement, type Work } from "./work.ts";

/** Lists are arrays, dicts are maps. Nothing changes a value once it is made, except namespaces. */
export type Value =
  | string
  | boolean
  | null
  | Numeric
  | Undefined
  | List
  | Tuple
  | Dict
  | Attributes
  | Callable;

export type List = readonly Value[];
export type Dict = ReadonlyMap<string | number, Value>;

export class Tuple {
  readonly items: List;
  constructor(items: List) {
    this.items = items;
  }
}

/** What has attributes and is nothing else: a namespace, or the state of a loop. */
export class Attributes {
  #entries: Map<string, Value> | (() => Map<string, Value>);

  /** @param entries or what makes them when they are first asked for */
  constructor(entries: Map<string, Value> | (() => Map<string, Value>)) {
    this.#entries = entries;
  }

  get entries(): Map<string, Value> {
    if (typeof this.#entries === "function") this.#entries = this.#entries();
    return this.#entries;
  }
}

/** A function: a macro, a method, or one that the template is given. */
export type Callable = (args: readonly Value[], named: ReadonlyMap<string, Value>) => Value;

/** What a name stands for that is not defined. */
export class Undefined {
  readonly #name: string;
  readonly #isStrict: boolean;

  /** @param isStrict whether it is an error to use it in any way, as of Jinja2's StrictUndefined */
  constructor(name: string, isStrict = false) {
    this.#name = name;
    this.#isStrict = isStrict;
  }

  get error(): Error {
    return new Error(`${this.#name} is undefined`);
  }

  /** @throws Error if it must not be used as nothing. */
  checkUse(): void {
    if (this.#isStrict) throw this.error;
  }
}

/** What an error calls a value. */
export function nameOf(value: Value): string {
  if (value === null) return "None";
  if (value instanceof Undefined) return "what is undefined";
  if (typeof value === "string") return "a text";
  if (isInteger(value)) return "an integer";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Map) return "a dict";
  return value instanceof Attributes ? "a namespace" : `a ${value.constructor.name.toLowerCase()}`;
}

export function isInteger(value: Value): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

/** Of numbers, and of True and False, which are 1 and 0 to Python; undefined of others. */
export function toNumeric(value: Value): Numeric | undefined {
  if (typeof value === "boolean") return Number(value);
  return isInteger(value) || value instanceof Float ? value : undefined;
}

export function isTrue(value: Value): boolean {
  if (value instanceof Undefined) value.checkUse();
  if (value === null || value instanceof Undefined) return false;
  if (typeof value === "boolean") return value;
  if (typeof value === "string" || Array.isArray(value)) return value.length > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Map) return value.size > 0;
  if (value instanceof Float) return value.value !== 0;
  return isInteger(value) ? Boolean(value) : true;
}

/** `==`: 1 equals 1.0 and True, but "1" does not. */
export function areEqual(left: Value, right: Value, work: Work): boolean {
  work.spendVisit();
  for (const value of [left, right]) if (value instanceof Undefined) value.checkUse();
  if (typeof left === "string" && typeof right === "string") {
    if (left.length !== right.length) return false;
    work.spend(left.length);
    return left === right;
  }
  const [a, b] = [toNumeric(left), toNumeric(right)];
  if (a !== undefined && b !== undefined) return compareNumbers(a, b) === 0;
  if (Array.isArray(left) && Array.isArray(right)) return areItemsEqual(left, right, work);
  if (left instanceof Tuple && right instanceof Tuple) return areItemsEqual(left.items, right.items, work);
  if (left instanceof Map && right instanceof Map) {
    const others: Dict = right;
    return (
      left.size === others.size &&
      [...(left as Dict)].every(([key, value]) => others.has(key) && areEqual(value, others.get(key)!, work))
    );
  }
  return left === right || (left instanceof Undefined && right instanceof Undefined);
}

function areItemsEqual(left: List, right: List, work: Work): boolean {
  return left.length === right.length && left.every((value, i) => areEqual(value, right[i]!, work));
}

/**
 * Which of two values is the lesser: a number below, at or above zero.
 *
 * @throws Error if they are not of kinds that have an order.
 */
export function compare(left: Value, right: Value, work: Work): number {
  work.spendVisit();
  if (typeof left === "string" && typeof right === "string") {
    work.spend(Math.min(left.length, right.length));
    return left < right ? -1 : left > right ? 1 : 0;
  }
  const [a, b] = [toNumeric(left), toNumeric(right)];
  if (a !== undefined && b !== undefined) return compareNumbers(a, b);
  if (left instanceof Undefined) throw left.error;
  if (right instanceof Undefined) throw right.error;
  throw new Error(`it compares ${nameOf(left)} with ${nameOf(right)}`);
}

/** Whether `item in container`. */
export function contains(container: Value, item: Value, work: Work): boolean {
  if (typeof container === "string") {
    if (typeof item !== "string") throw new Error(`it looks for ${nameOf(item)} in a text`);
    work.spendSearch(container, item);
    return container.includes(item);
  }
  if (container instanceof Map) return isKey(item) && container.has(item);
  return itemsOf(container, work).some((other) => areEqual(other, item, work));
}

export function isKey(value: Value): value is string | number {
  return typeof value === "string" || typeof value === "number";
}

/**
 * What a loop over a value goes through: a list's elements, a dict's keys, a text's characters.
 *
 * @throws Error if it holds no values.
 */
export function itemsOf(value: Value, work: Work): List {
  if (Array.isArray(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (value instanceof Undefined) {
    value.checkUse();
    return [];
  }
  if (typeof value === "string") return work.list(Array.from(work.readCharacters(value)));
  if (value instanceof Map) {
    work.spendElements(value.size);
    return [...value.keys()];
  }
  throw new Error(`it takes ${nameOf(value)} for a list`);
}

/** `len(value)`. */
export function lengthOf(value: Value, work: Work): number {
  if (typeof value === "string") {
    work.spend(value.length);
    return countCodePoints(value);
  }
  return value instanceof Map ? value.size : itemsOf(value, work).length;
}

/** What Python's `str` makes of a value. */
export function print(value: Value, work: Work): string {
  if (typeof value === "string") return value;
  if (value instanceof Undefined) {
    value.checkUse();
    return "";
  }
  return represent(value, work);
}

/** What Python's `repr` makes of a value. */
export function represent(value: Value, work: Work): string {
  work.spendVisit();
  if (typeof value === "string") {
    // The longest escape of a character.
    work.spend(10 * value.length);
    return quote(value);
  }
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (isInteger(value) || value instanceof Float) return work.text(String(value));
  if (value instanceof Undefined) return "Undefined";
  const all = (items: List) => items.map((item) => represent(item, work));
  if (Array.isArray(value)) return work.text(`[${all(value).join(", ")}]`);
  if (value instanceof Tuple) {
    const { items } = value;
    return work.text(`(${all(items).join(", ")}${items.length === 1 ? "," : ""})`);
  }
  if (value instanceof Map) {
    const entries = Array.from(
      value as Dict,
      ([key, item]) => `${represent(key, work)}: ${represent(item, work)}`,
    );
    return work.text(`{${entries.join(", ")}}`);
  }
  throw new Error(`it prints ${nameOf(value)}`);
}

/**
 * A value of JavaScript as a template's. Whole numbers are integers, others floats; functions take values.
 *
 * @param count is told the size of all that is made, in units of work
 */
export function toValue(input: unknown, work: Work, count: (units: number) => void): Value {
  switch (typeof input) {
    case "string":
      count(input.length);
      return input;
    case "number":
      return Number.isInteger(input) ? toInteger(input) : new Float(input);
    case "bigint":
      return toInteger(input);
    case "boolean":
      return input;
    case "function":
      return (args) => {
        for (const arg of args) if (typeof arg === "string") work.spendCall(arg);
        return toValue(input(...args) ?? null, work, (units) => work.spend(units));
      };
    case "object":
      break;
    default:
      return new Undefined("a value that the template is given");
  }
  if (input === null || input instanceof Float) return input;
  if (Array.isArray(input)) {
    count(unitsPerElement * input.length);
    return input.map((element) => toValue(element, work, count));
  }
  const entries = Object.entries(input).filter(([, value]) => value !== undefined);
  count(2 * unitsPerElement * entries.length);
  return new Map(entries.map(([key, value]) => [key, toValue(value, work, count)]));
}
