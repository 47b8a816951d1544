/** @file The methods of Python's texts, lists and dicts. Those that would change a list or a dict are refused. */

import {
  capitalize,
  splitLines,
  strip,
  stripEnd,
  stripStart,
  titleCase,
  whitespaceClass,
} from "../python/text.ts";
import { bindArguments, integerArgument, textArgument } from "./arguments.ts";
import {
  areEqual,
  type Callable,
  type Dict,
  isKey,
  itemsOf,
  type List,
  nameOf,
  represent,
  Tuple,
  type Value,
} from "./values.ts";
import type { Work } from "./work.ts";

interface Method<T> {
  readonly parameters: readonly string[];
  readonly apply: (self: T, args: readonly (Value | undefined)[], work: Work) => Value;
}

function method<T>(parameters: string, apply: Method<T>["apply"]): Method<T> {
  return { parameters: parameters === "" ? [] : parameters.split(" "), apply };
}

/** A method of texts that strips characters. */
function stripping(change: (text: string, characters?: string) => string): Method<string> {
  return method("chars", (self, [characters], work) => {
    work.spend(2 * self.length);
    const given = characters === null ? undefined : characters;
    if (given === undefined) return work.text(change(self));
    return work.text(change(self, work.readCharacters(textArgument(given, ""))));
  });
}

/** A method of texts that makes one of about the same length. */
function changing(change: (text: string) => string): Method<string> {
  return method("", (self, _, work) => {
    // The longest that a character can become.
    work.spend(3 * self.length);
    return change(self);
  });
}

/** A method that says whether a text is made of certain characters alone. */
function madeOf(characters: RegExp): Method<string> {
  return method("", (self, _, work) => {
    work.spend(self.length);
    return characters.test(self);
  });
}

/** A method that looks at an end of a text. */
function endTest(test: (text: string, part: string) => boolean): Method<string> {
  return method("part", (self, [part = ""], work) => {
    const parts = part instanceof Tuple ? part.items : [part];
    return parts.some((entry) => {
      const text = textArgument(entry, "");
      work.spend(1 + text.length);
      return test(self, text);
    });
  });
}

function position(find: (text: string, part: string) => number, isRequired: boolean): Method<string> {
  return method("part", (self, [part], work) => {
    const text = textArgument(part, "");
    work.spendSearch(self, text);
    const index = find(self, text);
    if (index < 0 && isRequired) throw new Error("it looks for a part that the text does not hold");
    return index < 0 ? -1 : [...work.readCharacters(self.slice(0, index))].length;
  });
}

function partition(find: (text: string, part: string) => number, whole: 0 | 2): Method<string> {
  return method("sep", (self, [separator], work) => {
    const text = separatorOf(separator);
    work.spendSearch(self, text);
    work.spend(self.length);
    const index = find(self, text);
    if (index < 0) return whole === 0 ? new Tuple([self, "", ""]) : new Tuple(["", "", self]);
    return new Tuple([self.slice(0, index), text, self.slice(index + text.length)]);
  });
}

function separatorOf(value: Value | undefined): string {
  const text = textArgument(value, "");
  if (text === "") throw new Error("it splits a text at an empty separator");
  return text;
}

function splitting(fromEnd: boolean): Method<string> {
  return method("sep maxsplit", (self, [separator = null, limit], work) => {
    const most = integerArgument(limit, -1);
    const parts = separator === null ? words(self, work) : pieces(self, separatorOf(separator), work);
    if (most < 0 || parts.length <= most) return parts.map(([start, end]) => self.slice(start, end));
    const kept = fromEnd ? parts.slice(parts.length - most) : parts.slice(0, most);
    const texts = kept.map(([start, end]) => self.slice(start, end));
    const rest = fromEnd ? parts[parts.length - most - 1] : parts[most];
    return fromEnd ? [self.slice(0, rest![1]), ...texts] : [...texts, self.slice(rest![0])];
  });
}

type Range = readonly [start: number, end: number];

/** Where the parts of a text lie between a separator's places. */
function pieces(text: string, separator: string, work: Work): Range[] {
  work.spendSearch(text, separator);
  const ranges: Range[] = [];
  let start = 0;
  for (;;) {
    work.spendElements(2);
    const end = text.indexOf(separator, start);
    ranges.push([start, end < 0 ? text.length : end]);
    if (end < 0) return ranges;
    start = end + separator.length;
  }
}

const wordPattern = new RegExp(`[^${whitespaceClass}]+`, "g");

/** Where the words of a text lie. */
function words(text: string, work: Work): Range[] {
  work.spend(text.length);
  const ranges: Range[] = [];
  for (const { 0: word, index } of text.matchAll(wordPattern)) {
    work.spendElements(4);
    ranges.push([index, index + word.length]);
  }
  return ranges;
}

/** `text.replace(old, new, count)`. */
export function replaceText(
  text: string,
  old: string,
  replacement: string,
  count: number,
  work: Work,
): string {
  const most = count < 0 ? Number.POSITIVE_INFINITY : count;
  if (old === "") {
    const characters = Array.from(work.readCharacters(text));
    work.spend((Math.min(most, characters.length) + 1) * replacement.length);
    const parts = characters.map((character, i) => (i < most ? replacement : "") + character);
    return work.text(parts.join("") + (characters.length < most ? replacement : ""));
  }
  const parts = pieces(text, old, work);
  const places = Math.min(parts.length - 1, most);
  work.spend(places * replacement.length);
  const kept = parts.slice(0, places).map(([start, end]) => text.slice(start, end) + replacement);
  return work.text(kept.join("") + text.slice(parts[places]![0]));
}

function padding(place: (missing: number) => readonly [before: number, after: number]): Method<string> {
  return method("width fillchar", (self, [width, fill], work) => {
    const missing = Math.max(0, integerArgument(width, 0) - [...work.readCharacters(self)].length);
    work.spend(missing);
    const [before, after] = place(missing);
    const character = textArgument(fill, " ");
    if ([...character].length !== 1) throw new Error("it fills a text with more than one character");
    return work.text(character.repeat(before) + self + character.repeat(after));
  });
}

const textMethods: ReadonlyMap<string, Method<string>> = new Map([
  ["strip", stripping(strip)],
  ["lstrip", stripping(stripStart)],
  ["rstrip", stripping(stripEnd)],
  ["upper", changing((text) => text.toUpperCase())],
  ["lower", changing((text) => text.toLowerCase())],
  ["casefold", changing((text) => text.toLowerCase().replaceAll("ß", "ss"))],
  ["capitalize", changing(capitalize)],
  ["title", changing(titleCase)],
  ["isdigit", madeOf(/^[\p{Nd}\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089]+$/u)],
  ["isdecimal", madeOf(/^\p{Nd}+$/u)],
  ["isnumeric", madeOf(/^\p{N}+$/u)],
  ["isalpha", madeOf(/^\p{L}+$/u)],
  ["isalnum", madeOf(/^[\p{L}\p{N}]+$/u)],
  ["isspace", madeOf(new RegExp(`^[${whitespaceClass}]+$`))],
  ["isupper", madeOf(/^(?=.*\p{Lu})[^\p{Ll}\p{Lt}]*$/su)],
  ["islower", madeOf(/^(?=.*\p{Ll})[^\p{Lu}\p{Lt}]*$/su)],
  ["startswith", endTest((text, part) => text.startsWith(part))],
  ["endswith", endTest((text, part) => text.endsWith(part))],
  ["find", position((text, part) => text.indexOf(part), false)],
  ["rfind", position((text, part) => text.lastIndexOf(part), false)],
  ["index", position((text, part) => text.indexOf(part), true)],
  ["rindex", position((text, part) => text.lastIndexOf(part), true)],
  ["partition", partition((text, part) => text.indexOf(part), 0)],
  ["rpartition", partition((text, part) => text.lastIndexOf(part), 2)],
  ["split", splitting(false)],
  ["rsplit", splitting(true)],
  [
    "splitlines",
    method<string>("", (self, _, work) => {
      work.readCharacters(self);
      return splitLines(self);
    }),
  ],
  [
    "count",
    method<string>("part", (self, [part], work) => {
      const text = textArgument(part, "");
      return text === "" ? [...work.readCharacters(self)].length + 1 : pieces(self, text, work).length - 1;
    }),
  ],
  [
    "replace",
    method<string>("old new count", (self, [old, replacement, count], work) => {
      if (old === undefined || replacement === undefined)
        throw new Error('it calls "replace" with too few arguments');
      return replaceText(
        self,
        textArgument(old, ""),
        textArgument(replacement, ""),
        integerArgument(count, -1),
        work,
      );
    }),
  ],
  [
    "join",
    method<string>("items", (self, [items = []], work) =>
      joinTexts(
        itemsOf(items, work).map((item) => textArgument(item, "")),
        self,
        work,
      ),
    ),
  ],
  [
    "removeprefix",
    method<string>("prefix", (self, [part], work) => {
      const prefix = textArgument(part, "");
      return work.text(self.startsWith(prefix) ? self.slice(prefix.length) : self);
    }),
  ],
  [
    "removesuffix",
    method<string>("suffix", (self, [part], work) => {
      const suffix = textArgument(part, "");
      return work.text(self.endsWith(suffix) ? self.slice(0, self.length - suffix.length) : self);
    }),
  ],
  ["ljust", padding((missing) => [0, missing])],
  ["rjust", padding((missing) => [missing, 0])],
  [
    "zfill",
    method<string>("width", (self, [width], work) => {
      const missing = Math.max(0, integerArgument(width, 0) - [...work.readCharacters(self)].length);
      work.spend(missing);
      const [, sign = "", rest = ""] = /^([-+]?)(.*)$/s.exec(self)!;
      return sign + "0".repeat(missing) + rest;
    }),
  ],
]);

/** The texts with a separator between them. */
export function joinTexts(texts: readonly string[], separator: string, work: Work): string {
  work.spendElements(texts.length);
  work.spend(texts.reduce((sum, text) => sum + text.length + separator.length, 0));
  return texts.join(separator);
}

const listMethods: ReadonlyMap<string, Method<List>> = new Map([
  [
    "index",
    method<List>("value", (self, [value = null], work) => {
      const index = self.findIndex((element) => areEqual(element, value, work));
      if (index < 0) throw new Error(`${represent(value, work)} is not in the list`);
      return index;
    }),
  ],
  [
    "count",
    method<List>(
      "value",
      (self, [value = null], work) => self.filter((element) => areEqual(element, value, work)).length,
    ),
  ],
  ["copy", method<List>("", (self, _, work) => work.list([...self]))],
]);

const dictMethods: ReadonlyMap<string, Method<Dict>> = new Map([
  [
    "get",
    method<Dict>("key default", (self, [key = null, general = null]) => {
      const value = isKey(key) ? self.get(key) : undefined;
      return value === undefined ? general : value;
    }),
  ],
  ["keys", method<Dict>("", (self, _, work) => itemsOf(self, work))],
  [
    "values",
    method<Dict>("", (self, _, work) => {
      work.spendElements(self.size);
      return [...self.values()];
    }),
  ],
  ["items", method<Dict>("", (self, _, work) => pairsOf(self, work))],
  [
    "copy",
    method<Dict>("", (self, _, work) => {
      work.spendElements(2 * self.size);
      return new Map(self);
    }),
  ],
]);

/** A dict's keys, each with its value. */
export function pairsOf(dict: Dict, work: Work): List {
  work.spendElements(4 * dict.size);
  return Array.from(dict, ([key, value]) => new Tuple([key, value]));
}

const changingMethods: ReadonlySet<string> = new Set(
  "append extend insert remove sort reverse clear pop popitem setdefault update fromkeys".split(" "),
);

/** A value's method of a name, if it has one. */
export function methodOf(self: Value, name: string, work: Work): Callable | undefined {
  if (typeof self === "string") return bound(textMethods.get(name), name, self, work);
  const isDict = self instanceof Map;
  if (!isDict && !Array.isArray(self) && !(self instanceof Tuple)) return undefined;
  if (changingMethods.has(name) && !(self instanceof Tuple)) {
    return () => {
      throw new Error(`it changes ${nameOf(self)} by "${name}", which is not allowed`);
    };
  }
  return isDict
    ? bound(dictMethods.get(name), name, self as Dict, work)
    : bound(listMethods.get(name), name, itemsOf(self, work), work);
}

function bound<T>(found: Method<T> | undefined, name: string, self: T, work: Work): Callable | undefined {
  if (!found) return undefined;
  return (args, named) => found.apply(self, bindArguments(name, found.parameters, { args, named }), work);
}
