import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseJson } from "../python/json.ts";
import { compileTemplate, type Dialect, renderTemplate } from "./template.ts";

/** Made by Jinja2, see reference/templates.py. A text is null where rendering fails. */
const golden: {
  readonly variables: string;
  readonly cases: readonly (readonly [
    template: string,
    transformers: string | null,
    harness: string | null,
  ])[];
} = JSON.parse(readFileSync("fixtures/templates/expressions.json", "utf8"));
const variables = parseJson(golden.variables) as Record<string, unknown>;

/** What Jinja2 does and this interpreter refuses. */
const refused: ReadonlySet<string> = new Set([
  "{{ 1_0.2_5 }}",
  "{{ (seven,) }}",
  "{{ (1,) + (2,) }}",
  "{{ [1] == (1,) }}",
  "{{ [[1, 2], [3]] | sum(start=[]) }}",
  "{{ names.append('d') }}",
]);

describe.each<[Dialect, 1 | 2]>([
  ["transformers", 1],
  ["lm-eval", 2],
])("as in %s", (dialect, column) => {
  test.each(golden.cases.map((entry) => [entry[0], entry[column]] as const))("%s", (template, text) => {
    const render = () => renderTemplate(compileTemplate(template, dialect), variables);
    if (text === null || refused.has(template)) expect(render).toThrow();
    else expect(render()).toBe(text);
  });
});
