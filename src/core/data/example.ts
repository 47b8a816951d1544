/** @file Training examples in one form, from the formats in which people keep them. */

import { InputError } from "../errors.ts";
import { Float } from "../python/number.ts";
import type { ChatMessage } from "../tokenization/chat-template.ts";
import { checkNoConversation, conversationFields, readConversationFields } from "./conversation-fields.ts";
import { type ExampleContent, type ExampleFormat, exampleFormats, fits } from "./example-formats.ts";
import { checkFields, type Fields, type Row, saysSomething } from "./row-fields.ts";
import type { JudgedSolution } from "./step-formats.ts";
import type { AskedProblem, ExampleKind } from "./training-example.ts";
import { describeUnknownFields } from "./unknown-format.ts";

/** An example as a conversation, for a chat template, and as a prompt and its completion, for models without one. */
export interface Example extends ExampleContent {
  /** JSON schemas of functions that the model may call. */
  readonly tools?: readonly object[];
  /** Variables of the chat template. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Of a preference: the same prompt with the answer that is worse. */
  readonly rejected?: Example;
  /** Of a question in two wordings: the other one, with the same answer. */
  readonly reworded?: Example;
  /** Of an unpaired answer: whether it is a wanted one. */
  readonly label?: boolean;
  /** Of a prompt that the model answers itself. */
  readonly problem?: AskedProblem;
  /** Of solutions whose steps are judged: each of them. */
  readonly solutions?: readonly JudgedSolution[];
  /** How much it counts. Default 1. */
  readonly weight?: number;
  readonly line: number;
  /** Names of the row's fields that say something and have no part in the example. */
  readonly ignoredFields?: readonly string[];
}

/** Puts what a row says of its whole conversation into its example. */
function addConversationFields(content: ExampleContent, fields: Fields): Omit<Example, "line"> {
  const { messages, plain, givenMessages = 0, maskedMessages = [] } = content;
  if (!messages) {
    checkNoConversation(fields);
    return content;
  }
  const { system, tools, variables } = readConversationFields(fields, messages[0]);
  const added: readonly ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }];
  // Without a chat template there is no form for tools and variables.
  const isPlain = plain && !tools && !variables;
  return {
    messages: [...added, ...messages],
    givenMessages: givenMessages + added.length,
    maskedMessages: maskedMessages.map((i) => i + added.length),
    ...(tools && { tools }),
    ...(variables && { variables }),
    ...(isPlain && {
      plain: system === undefined ? plain : { ...plain, prompt: `${system}\n\n${plain.prompt}` },
    }),
  };
}

/** Which field of a row stands for which of a format: { prompt: "my_question", completion: "my_answer" }. */
export type FieldMapping = Readonly<Record<string, string>>;

/**
 * Reads rows as examples. The first row decides on the format, and the others must have it too. A mapping narrows the
 * formats to those that have the fields it names.
 *
 * @param learnsFrom which examples are wanted
 * @throws InputError if no format has the fields that the mapping names; and, of each row, naming file and line, if it
 *   fits no format, or another than the first row, or holds examples of another kind.
 *
 * @example
 * const read = createExampleReader("faq.csv", { prompt: "question", completion: "answer" });
 * const example = read({ fields: { question: "When?", answer: "At nine." }, line: 2 });
 */
export function createExampleReader(
  path: string,
  mapping: FieldMapping = {},
  learnsFrom: ExampleKind = "texts",
): (row: Row) => Example {
  const formats = exampleFormats[learnsFrom];
  const mappedNames = Object.keys(mapping);
  const eligible = formats.filter((format) => mappedNames.every((name) => namesOf(format).includes(name)));
  const known = formats.map(({ name, fields }) => `${name} (${fields.join(", ")})`).join("; ");
  if (eligible.length === 0) {
    throw new InputError(
      `"fields" maps ${mappedNames.join(", ")}, which no known format has; map the fields of one of: ${known}.`,
    );
  }
  let format: ExampleFormat | undefined;
  let formatLine = 0;
  return ({ fields, line }) => {
    const mapped: Record<string, unknown> = { ...fields };
    for (const [name, source] of Object.entries(mapping)) {
      if (!Object.hasOwn(fields, source)) {
        throw new InputError(
          `${path}, line ${line}: there is no field "${source}" to take as "${name}"; the fields are ${Object.keys(fields).join(", ")}.`,
        );
      }
      mapped[name] = fields[source];
    }
    if (!format) {
      format = eligible.find((candidate) => fits(candidate, mapped));
      formatLine = line;
      if (!format) {
        throw new InputError(`${path}, line ${line}: ${describeUnknownFields(fields, learnsFrom)}.`);
      }
    } else if (!fits(format, mapped)) {
      throw new InputError(
        `${path}, line ${line}: the example is not of the format "${format.name}" that line ${formatLine} has; keep one format in a file.`,
      );
    }
    const checked = checkFields(mapped, path, line);
    const { rejected, reworded, label, problem, solutions, ...own } = format.read(checked);
    const weight = readWeight(checked);
    return {
      ...addConversationFields(own, checked),
      ...(rejected && { rejected: { ...addConversationFields(rejected, checked), line } }),
      ...(reworded && { reworded: { ...addConversationFields(reworded, checked), line } }),
      ...(label !== undefined && { label }),
      ...(problem && { problem: { ...problem, fields, line } }),
      ...(solutions && { solutions }),
      ...(weight !== undefined && { weight }),
      line,
      ignoredFields: listIgnored(fields, format, mapping),
    };
  };
}

/** How much the example counts. */
function readWeight(fields: Fields): number | undefined {
  const value = fields.value("weight");
  if (!saysSomething(value)) return undefined;
  // Files of texts, such as CSV, have numbers as texts.
  const isNumber = ["number", "bigint", "string"].includes(typeof value) || value instanceof Float;
  const weight = isNumber ? Number(value) : Number.NaN;
  if (Number.isFinite(weight) && weight >= 0) return weight;
  return fields.fail(
    'the field "weight", which says how much the example counts, is not a number from 0 on; correct it, or rename it if it means something else',
  );
}

/** The names of all fields that a format reads. */
function namesOf({ fields, optionalFields = [] }: ExampleFormat): string[] {
  return [...fields, ...optionalFields, ...conversationFields, "weight"];
}

function listIgnored(fields: Row["fields"], format: ExampleFormat, mapping: FieldMapping): string[] {
  const read = new Set(namesOf(format).map((name) => mapping[name] ?? name));
  return Object.keys(fields).filter((name) => !read.has(name) && saysSomething(fields[name]));
}
