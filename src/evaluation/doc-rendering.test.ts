import { expect, test } from "vitest";
import { parseJson } from "../core/python/json.ts";
import { renderDoc } from "./doc-rendering.ts";
import type { Doc } from "./task.ts";

/** The harness takes a field's value, and makes a text of it by Python's `str`. */
test.each<[string, string | number]>([
  ["7", 7],
  ["7.0", "7.0"],
  ["7.5", "7.5"],
  ["1e-7", "1e-07"],
  ["1e20", "1e+20"],
  ["12345678901234567890", "12345678901234567890"],
  ["true", 1],
  ['"7.50"', "7.50"],
])("the field %s is a target, and printed by a template, as in Python", (json, target) => {
  const doc = parseJson(`{"question": "Q", "answer": ${json}}`) as Doc;
  const rendered = renderDoc({ doc_to_text: "{{question}} {{[answer]}}", doc_to_target: "answer" }, doc);
  expect(rendered.target).toBe(target);
  const printed = json === "true" ? "True" : json.startsWith('"') ? "'7.50'" : String(target);
  expect(rendered.text).toBe(`Q [${printed}]`);
});
