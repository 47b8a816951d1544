import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { parseJson } from "../python/json.ts";
import { findJsonFault, parseJsonText } from "./json-text.ts";

const faults: readonly [text: string, where: string, reason: string][] = [
  ["", "line 1, column 1", "it is empty"],
  ["  \n ", "line 2, column 2", "it is empty"],
  ['{"a":}', "line 1, column 6", "a value is missing"],
  ['{"a":1,}', "line 1, column 8", "a comma stands before it, but nothing follows"],
  ["[1,]", "line 1, column 4", "a comma stands before it, but nothing follows"],
  ["[1,,2]", "line 1, column 4", 'a value cannot begin with ","'],
  ["[1 2]", "line 1, column 4", "a comma is missing"],
  ['{"a" 1}', "line 1, column 6", "a colon is missing after the name of a field"],
  ['{"a":1 "b":2}', "line 1, column 8", "a comma is missing"],
  ['{"a":1]', "line 1, column 7", '"]" stands where "}" or a comma is expected'],
  ['{\n "ä😀": "b"\n "c": 1}', "line 3, column 2", "a comma is missing"],
  ["{a:1}", "line 1, column 2", "the name a stands without quotes"],
  ["{1:1}", "line 1, column 2", "the name of a field is missing"],
  ["{'a':1}", "line 1, column 2", "texts and names of fields stand in double quotes"],
  ['{"a":“b”}', "line 1, column 6", "texts and names of fields stand in double quotes"],
  ['{"a":NaN}', "line 1, column 6", "NaN is none of its values"],
  ['{"a":None}', "line 1, column 6", "None is none of its values"],
  ['{"a":.5}', "line 1, column 6", 'a value cannot begin with "."'],
  ['{"a":+1}', "line 1, column 6", 'a value cannot begin with "+"'],
  ["[01]", "line 1, column 3", "a comma is missing"],
  ['{"a":"b', "line 1, column 6", "the text that begins here is not closed"],
  ['{"a":"b\nc"}', "line 1, column 8", "a text holds a control character, which is written \\n"],
  ['{"a":"\t"}', "line 1, column 7", "a text holds a control character, which is written \\t"],
  ['{"a":"\\x41"}', "line 1, column 7", '"\\\\x" is no escape'],
  ['{"a":"\\ud83"}', "line 1, column 7", '"\\\\u" is no escape'],
  ['{"a":1', "line 1, column 1", 'it ends before the "{" is closed that stands here'],
  ['{"a":[1,\n{"b":', "line 2, column 1", 'it ends before the "{" is closed that stands here'],
  ['{"a":1}{"a":2}', "line 1, column 8", 'something follows the value: "{"'],
  ['{"a":1},', "line 1, column 8", 'something follows the value: ","'],
  ['{"a":1} // one', "line 1, column 9", "JSON has no comments"],
  ['{"a":1,"b":{"a":2},"a":3}', "line 1, column 20", 'the field "a" stands in its object twice'],
  ['{"a":1,"\\u0061":2}', "line 1, column 8", 'the field "a" stands in its object twice'],
];

test.each(faults)("%j is refused at its place, with the reason", (text, where, reason) => {
  expect(() => parseJsonText(text, "x.json")).toThrow(
    new InputError(`x.json, ${where}: it is not valid JSON: ${reason}.`),
  );
});

test("a line of a file is named by its number", () => {
  expect(() => parseJsonText("[", "x.jsonl", 7)).toThrow(/^x\.jsonl, line 7, column 1: /);
});

test("what JSON.parse takes has no fault, and what it refuses has one", () => {
  const piece = fc.constantFrom(...'{}[],:"\\ \n1-.e', "true", "null", '"a"', '"b":', "\\u0041", "é");
  const nearly = fc.tuple(fc.json(), fc.nat(), fc.array(piece, { maxLength: 3 }), fc.nat(3));
  const sizes = { accepted: 0, refused: 0 };
  fc.assert(
    fc.property(nearly, ([json, at, inserted, removed]) => {
      const start = at % (json.length + 1);
      const text = json.slice(0, start) + inserted.join("") + json.slice(start + removed);
      const fault = findJsonFault(text);
      try {
        JSON.parse(text);
      } catch {
        sizes.refused++;
        expect(fault, text).toBeDefined();
        return;
      }
      sizes.accepted++;
      if (fault) expect(fault.reason, text).toMatch(/stands in its object twice$/);
      else if (!/\\u[dD]/.test(text)) expect(parseJsonText(text, "")).toEqual(parseJson(text));
    }),
    { numRuns: 3000 },
  );
  expect(Math.min(sizes.accepted, sizes.refused)).toBeGreaterThan(300);
});

test("a text may nest deeply", () => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  expect(findJsonFault(deep)).toBeUndefined();
  expect(findJsonFault(deep.slice(0, -1))?.index).toBe(0);
});

describe("half of a surrogate pair", () => {
  test.each([
    ['{"text":"\\ud83d"}', "text", "\\ud83d"],
    ['{"text":"a\\uDE00 b"}', "text", "\\ude00"],
    ['{"text":"\\ude00\\ud83d"}', "text", "\\ude00"],
    ['{"messages":[{"content":"a"},{"content":"\\ud83d!"}]}', "messages[1].content", "\\ud83d"],
    ['{"a":{"\\ud83d":1}}', "a", "\\ud83d"],
    ['["\\ud83d"]', "[0]", "\\ud83d"],
  ])("in %s is refused with its field", (text, field, half) => {
    expect(() => parseJsonText(text, "x.jsonl", 3)).toThrow(
      new InputError(
        `x.jsonl, line 3: the field "${field}" holds "${half}", half of a surrogate pair, which is no text; write both halves, or the character itself.`,
      ),
    );
  });

  test("is none in a whole pair", () => {
    expect(parseJsonText('{"a":"\\ud83d\\ude00","b":"\\\\ud83d"}', "")).toEqual({ a: "😀", b: "\\ud83d" });
  });
});
