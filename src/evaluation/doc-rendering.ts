/** @file A document's text, choices and target, by the harness's rules for doc_to_text, doc_to_choice and doc_to_target. */

import { type Literal, parseLiteral } from "../core/python/literal.ts";
import { Float, formatFloat } from "../core/python/number.ts";
import type { Doc } from "./task.ts";
import { renderTaskTemplate } from "./task-template.ts";
import type { TaskDefinition } from "./tasks/task-definition.ts";

/** How documents of one role, items or examples, are rendered. */
export interface DocFields {
  readonly doc_to_text: TaskDefinition["doc_to_text"];
  readonly doc_to_target: TaskDefinition["doc_to_target"];
  readonly doc_to_choice?: TaskDefinition["doc_to_choice"];
}

export interface RenderedDoc {
  /** The question; with a number the choices are contexts, and it is the correct one's. */
  readonly text: string | number;
  /** Undefined for tasks without choices. */
  readonly choices: readonly string[] | undefined;
  /** A choice's number or a text. */
  readonly target: string | number;
}

/** @throws Error that says which field cannot be rendered, and why. */
export function renderDoc(fields: DocFields, doc: Doc): RenderedDoc {
  const choices = inField("doc_to_choice", () => renderChoices(fields.doc_to_choice, doc));
  return {
    choices,
    text: inField("doc_to_text", () => {
      const text = renderValue(fields.doc_to_text, doc);
      return typeof text === "string" && choices ? toIndex(text) : text;
    }),
    target: inField("doc_to_target", () => renderTarget(fields.doc_to_target, doc, choices !== undefined)),
  };
}

/** The question that a document asks: its text, or the choice that this is the number of. */
export function questionOf({ text, choices = [] }: RenderedDoc): string {
  const question = typeof text === "number" ? choices[text] : text;
  if (question === undefined) throw new Error(`the label ${text} is none of the ${choices.length} choices`);
  return question;
}

/** Fields in which tasks hold their bare questions. */
export const questionFields = ["question", "problem"];

/** The question without what a prompt puts around it, if a document has one. */
export function findBareQuestion(doc: Doc): string | undefined {
  return questionFields.map((field) => doc[field]).find((value) => typeof value === "string");
}

function inField<T>(name: string, render: () => T): T {
  try {
    return render();
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message.replace(/\.$/, "")}`);
  }
}

function renderTarget(field: DocFields["doc_to_target"], doc: Doc, hasChoices: boolean): string | number {
  const target = renderValue(field, doc);
  if (typeof target === "number") return target;
  if (hasChoices) return toIndex(target);
  if (target.startsWith("[") && target.endsWith("]") && isLiteral(target)) {
    throw new Error(`the target ${target} is a list, but several targets are not supported`);
  }
  return target;
}

/** A field's value is taken as it is, and not as a template. */
function renderValue(field: string | number | ((doc: Doc) => string | number), doc: Doc): string | number {
  if (typeof field === "number") return field;
  if (typeof field === "function") return field(doc);
  if (!Object.hasOwn(doc, field)) return renderTaskTemplate(field, doc);
  const value = doc[field];
  if (typeof value === "string" || Number.isInteger(value)) return value as string | number;
  if (typeof value === "boolean") return Number(value);
  if (typeof value === "number") return formatFloat(value);
  if (typeof value === "bigint" || value instanceof Float) return String(value);
  throw new Error(`the field "${field}" is neither a text nor a number`);
}

function renderChoices(field: DocFields["doc_to_choice"], doc: Doc): readonly string[] | undefined {
  if (field === undefined) return undefined;
  const choices: unknown = typeof field === "function" ? field(doc) : readChoices(field, doc);
  if (Array.isArray(choices) && choices.length > 0 && choices.every((choice) => typeof choice === "string")) {
    return choices;
  }
  throw new Error("the choices are no list of texts");
}

function readChoices(field: string | readonly string[], doc: Doc): unknown {
  if (typeof field !== "string") return field;
  if (Object.hasOwn(doc, field)) return doc[field];
  if (/^\w+$/.test(field)) throw new Error(`there is no field "${field}", and it is no list`);
  return parseLiteral(renderTaskTemplate(field, doc));
}

/** A text of digits stands for a choice's number. */
function toIndex(text: string): string | number {
  return /^\p{Nd}+$/u.test(text) ? Number(text) : text;
}

function isLiteral(text: string): boolean {
  try {
    return (parseLiteral(text) satisfies Literal) !== undefined;
  } catch {
    return false;
  }
}
