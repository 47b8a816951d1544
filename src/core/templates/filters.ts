/** @file The filters of Jinja2. */

import { formatJson, type JsonOptions } from "../python/json.ts";
import {
  absolute,
  arithmetic,
  Float,
  type Numeric,
  readFloat,
  readInteger,
  round,
  truncate,
} from "../python/number.ts";
import { capitalize, splitLines, strip } from "../python/text.ts";
import { type Arguments, attributePath, bindArguments, integerArgument, textArgument } from "./arguments.ts";
import { joinTexts, pairsOf, replaceText } from "./methods.ts";
import { testOf } from "./tests.ts";
import {
  compare,
  type Dict,
  isTrue,
  itemsOf,
  lengthOf,
  nameOf,
  print,
  Tuple,
  toNumeric,
  Undefined,
  type Value,
} from "./values.ts";
import type { Work } from "./work.ts";

/** What a filter needs to know of the rendering. */
export interface FilterContext {
  readonly work: Work;
  /** Of Transformers, or lm-evaluation-harness, which has Jinja2's own. */
  readonly tojson: "transformers" | "jinja2";
  /** `value[key]`. */
  readonly itemOf: (value: Value, key: Value) => Value;
}

interface Filter {
  readonly parameters: readonly string[];
  readonly apply: (value: Value, args: readonly (Value | undefined)[], context: FilterContext) => Value;
}

function filter(parameters: string, apply: Filter["apply"]): Filter {
  return { parameters: parameters === "" ? [] : parameters.split(" "), apply };
}

/** A filter that gives a text of about the same length. */
function changing(change: (text: string) => string): Filter {
  return filter("", (value, _, { work }) => {
    const text = print(value, work);
    // The longest that a character can become.
    work.spend(3 * text.length);
    return change(text);
  });
}

const length = filter("", (value, _, { work }) => lengthOf(value, work));
const defaultValue = filter("default_value boolean", (value, [other = "", boolean = false]) =>
  value instanceof Undefined || (isTrue(boolean) && !isTrue(value)) ? other : value,
);

const simpleFilters: ReadonlyMap<string, Filter> = new Map([
  ["abs", filter("", (value) => absolute(numeric(value)))],
  ["capitalize", changing(capitalize)],
  ["count", length],
  ["d", defaultValue],
  ["default", defaultValue],
  [
    "dictsort",
    filter(
      "case_sensitive by reverse",
      (value, [caseSensitive = false, by = "key", reverse = false], { work }) => {
        if (by !== "key" && by !== "value") throw new Error('it sorts a dict by neither "key" nor "value"');
        const keyOf = (pair: Value) =>
          sortKey((pair as Tuple).items[by === "key" ? 0 : 1]!, isTrue(caseSensitive), work);
        return sorted(pairsOf(dict(value), work), keyOf, isTrue(reverse), work);
      },
    ),
  ],
  ["first", filter("", (value, _, { work }) => itemsOf(value, work)[0] ?? nothing)],
  [
    "float",
    filter("default", (value, [other = new Float(0)]) => {
      if (value instanceof Undefined) throw value.error;
      const number = typeof value === "string" ? readFloat(value) : toNumeric(value);
      return number === undefined ? other : new Float(Number(number));
    }),
  ],
  [
    "indent",
    filter("width first blank", (value, [width = 4, first = false, blank = false], { work }) => {
      const text = print(value, work);
      const size = typeof width === "string" ? width.length : Math.max(0, integerArgument(width, 4));
      const lines = work.list(splitLines(`${work.readCharacters(text)}\n`));
      work.spend(lines.length * size);
      const indention = typeof width === "string" ? width : " ".repeat(size);
      const indented = lines.map((line, i) => {
        const isIndented = i === 0 ? isTrue(first) : isTrue(blank) || line !== "";
        return isIndented ? indention + line : line;
      });
      return work.text(indented.join("\n"));
    }),
  ],
  [
    "int",
    filter("default base", (value, [other = 0, base = 10]) => {
      if (value instanceof Undefined) throw value.error;
      if (typeof value !== "string")
        return toNumeric(value) === undefined ? other : truncate(toNumeric(value)!);
      const radix = integerArgument(base, 10);
      if (!(radix >= 2 && radix <= 36)) throw new Error(`it reads an integer of the base ${radix}`);
      const integer = readInteger(value, radix);
      if (integer !== undefined) return integer;
      const float = readFloat(value);
      return float && Number.isFinite(float.value) ? truncate(float) : other;
    }),
  ],
  [
    "items",
    filter("", (value, _, { work }) =>
      value instanceof Undefined ? itemsOf(value, work) : pairsOf(dict(value), work),
    ),
  ],
  [
    "join",
    filter("d attribute", (value, [separator = "", attribute], context) => {
      const { work } = context;
      const items = attributesOf(itemsOf(value, work), attribute, context);
      return joinTexts(
        items.map((item) => print(item, work)),
        print(separator, work),
        work,
      );
    }),
  ],
  ["last", filter("", (value, _, { work }) => itemsOf(value, work).at(-1) ?? nothing)],
  ["length", length],
  ["list", filter("", (value, _, { work }) => work.list([...itemsOf(value, work)]))],
  ["lower", changing((text) => text.toLowerCase())],
  ["max", extreme(1)],
  ["min", extreme(-1)],
  [
    "replace",
    filter("old new count", (value, [old, replacement, count], { work }) => {
      if (old === undefined || replacement === undefined)
        throw new Error('it calls "replace" with too few arguments');
      const most = count === null ? -1 : integerArgument(count, -1);
      return replaceText(print(value, work), print(old, work), print(replacement, work), most, work);
    }),
  ],
  [
    "reverse",
    filter("", (value, _, { work }) => {
      const reversed = work.list([...itemsOf(value, work)].reverse());
      return typeof value === "string" ? reversed.join("") : reversed;
    }),
  ],
  [
    "round",
    filter("precision method", (value, [precision = 0, method = "common"]) => {
      const number = numeric(value);
      const digits = integerArgument(precision, 0);
      if (method === "common") return round(number, digits);
      if (method !== "ceil" && method !== "floor")
        throw new Error('it rounds neither "common", "ceil" nor "floor"');
      const unit = arithmetic["**"](10, digits);
      const scaled = Number(arithmetic["*"](number, unit));
      return arithmetic["/"](truncate(new Float(Math[method](scaled))), unit);
    }),
  ],
  ["safe", filter("", (value, _, { work }) => print(value, work))],
  [
    "sort",
    filter(
      "reverse case_sensitive attribute",
      (value, [reverse = false, caseSensitive = false, attribute], context) => {
        const keyOf = (item: Value) =>
          sortKey(attributeOf(item, attribute, context), isTrue(caseSensitive), context.work);
        return sorted(itemsOf(value, context.work), keyOf, isTrue(reverse), context.work);
      },
    ),
  ],
  ["string", filter("", (value, _, { work }) => print(value, work))],
  [
    "sum",
    filter("attribute start", (value, [attribute, start = 0], context) => {
      const items = attributesOf(itemsOf(value, context.work), attribute, context);
      return items.reduce((sum: Numeric, item) => {
        context.work.spendNode();
        return arithmetic["+"](sum, numeric(item));
      }, numeric(start));
    }),
  ],
  ["title", changing((text) => text.replace(/[^-\s({[<]+/g, capitalize))],
  [
    "trim",
    filter("chars", (value, [characters], { work }) => {
      const text = print(value, work);
      work.spend(2 * text.length);
      if (characters === undefined || characters === null) return work.text(strip(text));
      return work.text(strip(text, work.readCharacters(textArgument(characters, ""))));
    }),
  ],
  [
    "unique",
    filter("case_sensitive attribute", (value, [caseSensitive = false, attribute], context) => {
      const seen = new Set<unknown>();
      return context.work.list(
        itemsOf(value, context.work).filter((item) => {
          const key = hashKey(
            sortKey(attributeOf(item, attribute, context), isTrue(caseSensitive), context.work),
          );
          const isNew = !seen.has(key);
          seen.add(key);
          return isNew;
        }),
      );
    }),
  ],
  ["upper", changing((text) => text.toUpperCase())],
  [
    "wordcount",
    filter("", (value, _, { work }) => {
      const text = print(value, work);
      return work.readCharacters(text).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0;
    }),
  ],
]);

/** What stands for the first element of an empty list. */
const nothing = new Undefined("an element of an empty list");

/** Filters that take others, or tests, by their names. */
const selectingFilters: Readonly<Record<string, { readonly byAttribute: boolean; readonly keeps: boolean }>> =
  {
    select: { byAttribute: false, keeps: true },
    reject: { byAttribute: false, keeps: false },
    selectattr: { byAttribute: true, keeps: true },
    rejectattr: { byAttribute: true, keeps: false },
  };

/**
 * The value of a filter.
 *
 * @throws Error if there is no such filter, or it does not take the value or the arguments.
 */
export function applyFilter(name: string, value: Value, given: Arguments, context: FilterContext): Value {
  context.work.spendNode();
  const simple = simpleFilters.get(name);
  if (simple) return simple.apply(value, bindArguments(name, simple.parameters, given), context);
  if (name === "tojson") return toJson(value, given, context);
  if (name === "map") return map(value, given, context);
  if (Object.hasOwn(selectingFilters, name)) return select(value, given, context, selectingFilters[name]!);
  throw new Error(`it uses the filter "${name}", which is not supported`);
}

function map(value: Value, { args, named }: Arguments, context: FilterContext): Value {
  const items = itemsOf(value, context.work);
  const [name, ...rest] = args;
  if (name !== undefined) {
    const filterName = textArgument(name, "");
    return context.work.list(
      items.map((item) => applyFilter(filterName, item, { args: rest, named }, context)),
    );
  }
  const [attribute, other] = bindArguments("map", ["attribute", "default"], { args: [], named });
  if (attribute === undefined) throw new Error('it gives "map" neither a filter nor an attribute');
  return context.work.list(
    items.map((item) => {
      const found = attributeOf(item, attribute, context);
      return found instanceof Undefined && other !== undefined ? other : found;
    }),
  );
}

function select(
  value: Value,
  { args, named }: Arguments,
  context: FilterContext,
  { byAttribute, keeps }: { readonly byAttribute: boolean; readonly keeps: boolean },
): Value {
  if (named.size > 0) throw new Error("it selects by a named argument, which is not supported");
  const [attribute, [name, ...rest]] = byAttribute ? [args[0], args.slice(1)] : [undefined, args];
  if (byAttribute && attribute === undefined) throw new Error("it selects by an attribute without naming it");
  const test = name === undefined ? isTrue : testOf(textArgument(name, ""), rest, context.work);
  const items = itemsOf(value, context.work).filter((item) => {
    context.work.spendNode();
    return test(attributeOf(item, attribute, context)) === keeps;
  });
  return context.work.list(items);
}

function toJson(value: Value, given: Arguments, { work, tojson }: FilterContext): Value {
  const isTransformers = tojson === "transformers";
  const parameters = isTransformers ? ["ensure_ascii", "indent", "separators", "sort_keys"] : ["indent"];
  const bound = bindArguments("tojson", parameters, given);
  const options = isTransformers ? bound : [true, bound[0], undefined, true];
  const [ensureAscii = false, indent, separators, sortKeys = false] = options;
  const text = formatJson(value, {
    indent: typeof indent === "string" ? indent : indent == null ? undefined : integerArgument(indent, 0),
    separators: separators == null ? undefined : separatorsOf(itemsOf(separators, work)),
    sortKeys: isTrue(sortKeys),
    ensureAscii: isTrue(ensureAscii),
    spend: (units) => work.spend(units),
    unwrap: (container) => (container instanceof Tuple ? container.items : undefined),
  });
  if (isTransformers) return text;
  work.spend(5 * text.length);
  return text.replace(/[<>&']/g, (unit) => `\\u00${unit.charCodeAt(0).toString(16)}`);
}

function separatorsOf(items: readonly Value[]): JsonOptions["separators"] {
  const [item, key, ...others] = items.map((separator) => textArgument(separator, ""));
  if (item === undefined || key === undefined || others.length > 0) {
    throw new Error('it gives "tojson" separators that are not two texts');
  }
  return [item, key];
}

function extreme(sign: 1 | -1): Filter {
  return filter("case_sensitive attribute", (value, [caseSensitive = false, attribute], context) => {
    const keyOf = (item: Value) =>
      sortKey(attributeOf(item, attribute, context), isTrue(caseSensitive), context.work);
    const [first = nothing, ...others] = context.work.list([...itemsOf(value, context.work)]);
    return others.reduce(
      (best, item) => (sign * compare(keyOf(item), keyOf(best), context.work) > 0 ? item : best),
      first,
    );
  });
}

/** In order of keys; those that are equal stay in theirs. */
function sorted(items: readonly Value[], keyOf: (item: Value) => Value, reverse: boolean, work: Work): Value {
  work.spendElements(3 * items.length);
  const keyed = items.map((item) => ({ item, key: keyOf(item) }));
  const sign = reverse ? -1 : 1;
  return keyed.sort((a, b) => sign * compare(a.key, b.key, work)).map(({ item }) => item);
}

function sortKey(value: Value, isCaseSensitive: boolean, work: Work): Value {
  if (typeof value !== "string" || isCaseSensitive) return value;
  work.spend(3 * value.length);
  return value.toLowerCase();
}

/** Numbers of equal values have the same key, and differ from texts. */
function hashKey(value: Value): unknown {
  if (value !== null && typeof value === "object" && toNumeric(value) === undefined) {
    throw new Error(`it makes ${nameOf(value)} unique`);
  }
  const number = toNumeric(value);
  return number === undefined ? value : Number(number);
}

function attributesOf(
  items: readonly Value[],
  attribute: Value | undefined,
  context: FilterContext,
): readonly Value[] {
  if (attribute === undefined || attribute === null) return items;
  return context.work.list(items.map((item) => attributeOf(item, attribute, context)));
}

function attributeOf(item: Value, attribute: Value | undefined, { work, itemOf }: FilterContext): Value {
  if (attribute === undefined || attribute === null) return item;
  work.spendNode();
  return attributePath(attribute, work).reduce<Value>((value, part) => itemOf(value, part), item);
}

function numeric(value: Value): Numeric {
  const number = toNumeric(value);
  if (number !== undefined) return number;
  throw value instanceof Undefined ? value.error : new Error(`it computes with ${nameOf(value)}`);
}

function dict(value: Value): Dict {
  if (value instanceof Map) return value;
  throw value instanceof Undefined ? value.error : new Error(`it takes ${nameOf(value)} for a dict`);
}
