import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { formatJson, parseJson } from "./json.ts";
import { type Literal, parseLiteral } from "./literal.ts";
import { Float } from "./number.ts";
import { createPythonRandom } from "./random.ts";
import { compilePythonRegExp, findAll, removeAll } from "./regexp.ts";
import {
  asciiPunctuation,
  capitalize,
  countCodePoints,
  countWords,
  endsWithSpace,
  startsWithSpace,
  strip,
} from "./text.ts";

/** Made by CPython; see reference/python_semantics.py. */
const golden: {
  texts: { text: string; capitalized: string; stripped: string; words: number; length: number }[];
  capitals: [characters: string, capitalized: string[]];
  spaces: number[];
  punctuation: string;
  uint32: number[];
  samples: { seed: number; size: number; count: number; draws: number[][] }[];
  patterns: { pattern: string; found: string[][][]; removed: string[] }[];
  /** Patterns that Python does not compile. */
  refusedPatterns: string[];
  subjects: string[];
  json: { text: string; dumped: string; indented: string }[];
  literals: { text: string; value?: Literal }[];
} = JSON.parse(readFileSync("fixtures/evaluation/python.json", "utf8"));

describe("texts", () => {
  test.each(golden.texts)("$text", ({ text, capitalized, stripped, words, length }) => {
    expect(capitalize(text)).toBe(capitalized);
    expect(strip(text)).toBe(stripped);
    expect(countWords(text)).toBe(words);
    expect(countCodePoints(text)).toBe(length);
  });

  test("each character is capitalized", () => {
    const [characters, capitals] = golden.capitals;
    expect(Array.from(characters, capitalize)).toEqual(capitals);
  });

  test("the same characters are whitespace and punctuation", () => {
    const spaces = new Set(golden.spaces);
    for (let code = 0; code < 0x10000; code++) {
      const character = String.fromCharCode(code);
      expect(startsWithSpace(`${character}a`)).toBe(spaces.has(code));
      expect(endsWithSpace(`a${character}`)).toBe(spaces.has(code));
    }
    expect(golden.punctuation.replace(asciiPunctuation, "")).toBe("");
    expect("aZ09 é".replace(asciiPunctuation, "")).toBe("aZ09 é");
  });
});

describe("random numbers", () => {
  test("those of random.Random(1234)", () => {
    const random = createPythonRandom(1234);
    const numbers = Array.from({ length: 1000 }, () => random.getrandbits(32));
    expect(numbers.slice(0, 4)).toEqual([4150886329, 3342196574, 1892932127, 501869158]);
    expect(numbers.slice(-4)).toEqual(golden.uint32);
  });

  test.each(golden.samples)("$count of $size with seed $seed", ({ seed, size, count, draws }) => {
    const random = createPythonRandom(seed);
    const population = Array.from({ length: size }, (_, i) => i);
    expect(draws.map(() => random.sample(population, count))).toEqual(draws);
  });
});

describe("regular expressions", () => {
  test.each(golden.patterns)("$pattern", ({ pattern, found, removed }) => {
    for (const [i, subject] of golden.subjects.entries()) {
      expect(findAll(pattern, subject), JSON.stringify(subject)).toEqual(found[i]);
      expect(removeAll(pattern, subject), JSON.stringify(subject)).toEqual(removed[i]);
    }
  });

  test("a search that would not end is ended", () => {
    expect(() => findAll("(a|aa)+$", `${"a".repeat(100)}b`)).toThrow(
      new InputError(
        'The regular expression "(a|aa)+$" takes more than 2 seconds on one text; write it without a repetition within a repetition.',
      ),
    );
  });

  // Of these some are JavaScript's too, or are in newer versions of it.
  test.each(
    golden.refusedPatterns.concat([
      "(?i:a)",
      "(?-i:a)",
      "(?s:.)",
      "(?x) a",
      "(?a)\\w",
      "a++",
      "a{1,2}+",
      "(?>a)",
      "(a)(?(1)b)",
    ]),
  )("%s is refused", (pattern) => {
    expect(() => compilePythonRegExp(pattern)).toThrow(InputError);
    expect(() => compilePythonRegExp(pattern)).toThrow(JSON.stringify(pattern));
  });

  test("an expression that is too large or too deep is refused", () => {
    for (const pattern of ["()".repeat(20_000), `${"(".repeat(100_000)}a${")".repeat(100_000)}`]) {
      expect(() => findAll(pattern, "a")).toThrow(InputError);
    }
  });
});

test.each(golden.literals)("the literal $text", ({ text, value }) => {
  if (value === undefined) expect(() => parseLiteral(text)).toThrow(InputError);
  else expect(parseLiteral(text)).toEqual(value);
});

describe("JSON", () => {
  test.each(golden.json)("$text", ({ text, dumped, indented }) => {
    const value = parseJson(text);
    expect(formatJson(value)).toBe(dumped);
    expect(formatJson(value, { indent: 2, sortKeys: true, ensureAscii: true })).toBe(indented);
  });

  test("is read as by JSON.parse where no number is special", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(undefined, 1), (json, indent) => {
        const text = JSON.stringify(JSON.parse(json), undefined, indent);
        // A float that is whole is written as an integer by JSON.stringify, one that is large with an exponent.
        fc.pre(!/\d[eE]|\d{16}/.test(text));
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test("keeps what texts hold", () => {
    const value = { text: '7.0, {"number":"7.0"} \\" 1e5', "a\\": [": 7.0 "] };
    expect(parseJson(JSON.stringify({ ...value, seven: 0 }).replace(":0}", ":7.0}"))).toEqual({
      ...value,
      seven: new Float(7),
    });
    expect(() => parseJson('{"a": 7.0')).toThrow(SyntaxError);
    expect(() => parseJson(`[${"1".repeat(1_000_000)}]`)).toThrow(/more than 4300 digits/);
    expect(parseJson('{"number": "7.0", "b": [1e2]}')).toEqual({ number: "7.0", b: [new Float(100)] });
  });
});
