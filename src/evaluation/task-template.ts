/** @file Templates of tasks, rendered as lm-evaluation-harness renders them with Jinja2. */

import { compileTemplate, renderTemplate, type Template } from "../core/templates/template.ts";
import type { Doc } from "./task.ts";

const compiled = new Map<string, Template>();

/**
 * The text of a template with a document's fields as its variables.
 *
 * @throws Error if the template has a syntax error, fails, or uses a name that is not defined.
 */
export function renderTaskTemplate(template: string, doc: Doc): string {
  let ready = compiled.get(template);
  if (!ready) {
    ready = compileTemplate(template, "lm-eval");
    compiled.set(template, ready);
  }
  return renderTemplate(ready, doc);
}
