/** @file Templates of chats and of tasks, which come from strangers: rendered as Jinja2 renders them, or refused. */

import { Interpreter } from "./interpreter.ts";
import { parseTemplate, type SyntaxNode } from "./syntax.ts";
import { toValue } from "./values.ts";
import { Work } from "./work.ts";

/** Whose Jinja2 a template is for: they differ in line breaks, in names that are not defined, and in "tojson". */
export type Dialect = "transformers" | "lm-eval";

/** A template that is ready to be rendered. */
export interface Template {
  readonly dialect: Dialect;
  readonly program: SyntaxNode;
}

/** @throws Error if the template has a syntax error. */
export function compileTemplate(source: string, dialect: Dialect): Template {
  return { dialect, program: parseTemplate(source, dialect === "transformers" ? "trim" : "keep") };
}

/**
 * @param variables values as in JSON, numbers also as `parseJson` gives them, and functions; undefined ones are left out
 * @throws Error if the template fails or takes more work than it may, and whatever a function it calls throws.
 */
export function renderTemplate(
  { dialect, program }: Template,
  variables: Readonly<Record<string, unknown>>,
): string {
  const work = new Work();
  const isTransformers = dialect === "transformers";
  const interpreter = new Interpreter(work, {
    isStrict: !isTransformers,
    tojson: isTransformers ? "transformers" : "jinja2",
  });
  const given = Object.entries(variables).filter(([, value]) => value !== undefined);
  const take = (units: number) => work.take(units);
  try {
    return interpreter.run(
      program,
      given.map(([name, value]) => [name, toValue(value, work, take)] as const),
    );
  } catch (error) {
    if (error instanceof RangeError) throw new Error("it calls itself, or nests its values, too deeply");
    throw error;
  }
}
