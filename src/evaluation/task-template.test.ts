import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Doc } from "./task.ts";
import { renderTaskTemplate } from "./task-template.ts";

/** Made by the harness, see reference/harness_judging.py. The text is null where rendering fails. */
const {
  variables,
  templates,
}: { variables: Doc; templates: readonly (readonly [template: string, text: string | null])[] } = JSON.parse(
  readFileSync("fixtures/evaluation/judging.json", "utf8"),
);

test.each(templates)("%j is rendered as by the harness", (template, text) => {
  if (text === null) expect(() => renderTaskTemplate(template, variables)).toThrow();
  else expect(renderTaskTemplate(template, variables)).toBe(text);
});
