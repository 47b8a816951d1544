/** @file Templates of tasks, rendered as lm-evaluation-harness renders them with Jinja2. */

import { parseTemplate, runTemplate, type TemplateProgram } from "../tokenization/template-interpreter.ts";
import type { Doc } from "./task.ts";

const constants = { true: true, false: false, none: null, True: true, False: false, None: null };
const programs = new Map<string, TemplateProgram>();

/**
 * The text of a template with a document's fields as its variables.
 *
 * @throws Error if the template has a syntax error, fails, or uses a name that is not defined.
 */
export function renderTaskTemplate(template: string, doc: Doc): string {
  let program = programs.get(template);
  if (!program) {
    program = parseTemplate(template, "keep");
    programs.set(template, program);
  }
  return runTemplate(program, { ...constants, ...doc }, "error");
}
