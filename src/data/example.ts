/** @file Training examples in one form, from the formats in which people keep them. */

import { InputError } from "../errors.ts";
import type { Row } from "../formats/rows.ts";
import { describeUnknownFields } from "./unknown-format.ts";

export interface Message {
  readonly role: string;
  readonly content: string;
}

/** An example as a conversation, for a chat template, and as a prompt and its completion, for models without one. */
export interface Example {
  readonly messages?: readonly Message[];
  /** How many of the messages, from the first, are given: the assistant's turns among them are not trained on. */
  readonly givenMessages?: number;
  readonly plain?: { readonly prompt: string; readonly completion: string };
  readonly line: number;
}

interface ExampleFormat {
  readonly name: string;
  /** The fields by which a row is recognized. */
  readonly fields: readonly string[];
  /** Those that a row may have besides. */
  readonly optionalFields?: readonly string[];
  read(fields: Fields): Omit<Example, "line">;
}

/** A row's fields, with checks. */
interface Fields {
  text(name: string): string;
  optionalText(name: string): string;
  list(name: string): readonly unknown[];
  value(name: string): unknown;
  fail(reason: string): never;
}

function exchange(prompt: string, completion: string, system = ""): Message[] {
  return [
    ...(system === "" ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
    { role: "assistant", content: completion },
  ];
}

function readMessages(
  list: readonly unknown[],
  roleKey: string,
  contentKey: string,
  fields: Fields,
): Message[] {
  return list.map((entry) => {
    const { [roleKey]: role, [contentKey]: content } = (entry ?? {}) as Record<string, unknown>;
    if (typeof role !== "string" || typeof content !== "string") {
      fields.fail(`a message lacks its "${roleKey}" or "${contentKey}"`);
    }
    return { role: shareGptRoles.get(role as string) ?? (role as string), content: content as string };
  });
}

function expectAssistant(messages: readonly Message[], fields: Fields): readonly Message[] {
  if (!messages.some(({ role }) => role === "assistant")) fields.fail("no message is the assistant's");
  return messages;
}

const shareGptRoles: ReadonlyMap<string, string> = new Map([
  ["human", "user"],
  ["gpt", "assistant"],
  ["bing", "assistant"],
]);

/** The formats, in the order in which they are tried. A new one is an entry here. */
const formats: readonly ExampleFormat[] = [
  {
    name: "messages",
    fields: ["messages"],
    read: (fields) => ({
      messages: expectAssistant(readMessages(fields.list("messages"), "role", "content", fields), fields),
    }),
  },
  {
    name: "ShareGPT",
    fields: ["conversations"],
    read: (fields) => ({
      messages: expectAssistant(readMessages(fields.list("conversations"), "from", "value", fields), fields),
    }),
  },
  {
    name: "prompt and completion",
    fields: ["prompt", "completion"],
    read(fields) {
      if (Array.isArray(fields.value("prompt"))) {
        const given = readMessages(fields.list("prompt"), "role", "content", fields);
        const completion = readMessages(fields.list("completion"), "role", "content", fields);
        const messages = [...given, ...expectAssistant(completion, fields)];
        return { messages, givenMessages: given.length };
      }
      const [prompt, completion] = [fields.text("prompt"), fields.text("completion")];
      return { messages: exchange(prompt, completion), plain: { prompt, completion } };
    },
  },
  {
    name: "Alpaca",
    fields: ["instruction", "output"],
    optionalFields: ["input", "system"],
    read(fields) {
      const [instruction, output] = [fields.text("instruction"), fields.text("output")];
      const system = fields.optionalText("system");
      const given = fields.optionalText("input");
      const prompt = given === "" ? instruction : `${instruction}\n\n${given}`;
      // The headings are those of Stanford Alpaca's prompt (Taori et al. 2023).
      const input = given === "" ? "" : `### Input:\n${given}\n\n`;
      const preamble = system === "" ? "" : `${system}\n\n`;
      return {
        messages: exchange(prompt, output, system),
        plain: {
          prompt: `${preamble}### Instruction:\n${instruction}\n\n${input}### Response:\n`,
          completion: output,
        },
      };
    },
  },
  {
    name: "question and answer",
    fields: ["question", "answer"],
    read(fields) {
      const [question, answer] = [fields.text("question"), fields.text("answer")];
      // Without a chat template the prompt is lm-evaluation-harness's for GSM8K.
      return {
        messages: exchange(question, answer),
        plain: { prompt: `Question: ${question}\nAnswer:`, completion: ` ${answer}` },
      };
    },
  },
  {
    name: "text",
    fields: ["text"],
    read: (fields) => ({ plain: { prompt: "", completion: fields.text("text") } }),
  },
];

/** Which field of a row stands for which of a format: { prompt: "my_question", completion: "my_answer" }. */
export type FieldMapping = Readonly<Record<string, string>>;

/**
 * Reads rows as examples. The first row decides on the format, and the others must have it too. A mapping narrows the
 * formats to those that have the fields it names.
 *
 * @throws InputError if no format has the fields that the mapping names; and, of each row, naming file and line, if it
 *   fits no format, or another than the first row.
 */
export function createExampleReader(path: string, mapping: FieldMapping = {}): (row: Row) => Example {
  const mappedNames = Object.keys(mapping);
  const eligible = formats.filter(({ fields, optionalFields = [] }) =>
    mappedNames.every((name) => fields.includes(name) || optionalFields.includes(name)),
  );
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
    const fits = (candidate: ExampleFormat) => candidate.fields.every((name) => mapped[name] != null);
    if (!format) {
      format = eligible.find(fits);
      formatLine = line;
      if (!format) {
        throw new InputError(`${path}, line ${line}: ${describeUnknownFields(fields, formats)}.`);
      }
    } else if (!fits(format)) {
      throw new InputError(
        `${path}, line ${line}: the example is not of the format "${format.name}" that line ${formatLine} has; keep one format in a file.`,
      );
    }
    return { ...format.read(checkedFields(mapped, path, line)), line };
  };
}

function checkedFields(fields: Readonly<Record<string, unknown>>, path: string, line: number): Fields {
  const fail = (reason: string): never => {
    throw new InputError(`${path}, line ${line}: ${reason}.`);
  };
  const text = (name: string): string => {
    const value = fields[name];
    return typeof value === "string" ? value : fail(`the field "${name}" is not a text`);
  };
  return {
    fail,
    text,
    optionalText: (name) => (fields[name] == null ? "" : text(name)),
    value: (name) => fields[name],
    list(name) {
      const value = fields[name];
      return Array.isArray(value) ? value : fail(`the field "${name}" is not a list`);
    },
  };
}
