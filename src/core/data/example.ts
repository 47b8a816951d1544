/** @file Training examples in one form, from the formats in which people keep them. */

import { InputError } from "../errors.ts";
import type { ChatMessage } from "../tokenization/chat-template.ts";
import { checkNoConversation, conversationFields, readConversationFields } from "./conversation-fields.ts";
import { type MessageList, readMessages } from "./messages.ts";
import { checkFields, type Fields, type Row, saysSomething } from "./row-fields.ts";
import { describeUnknownFields } from "./unknown-format.ts";

/** An example as a conversation, for a chat template, and as a prompt and its completion, for models without one. */
export interface Example {
  readonly messages?: readonly ChatMessage[];
  /** How many of the messages, from the first, are given: the assistant's turns among them are not trained on. */
  readonly givenMessages?: number;
  /** Numbers of further messages, from 0, that are not trained on, nor where all tokens are. */
  readonly maskedMessages?: readonly number[];
  /** JSON schemas of functions that the model may call. */
  readonly tools?: readonly object[];
  /** Variables of the chat template. */
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly plain?: { readonly prompt: string; readonly completion: string };
  readonly line: number;
  /** Names of the row's fields that say something and have no part in the example. */
  readonly ignoredFields?: readonly string[];
}

interface ExampleFormat {
  readonly name: string;
  /** The fields by which a row is recognized. */
  readonly fields: readonly string[];
  /** Those that a row may have besides, and besides the fields of any conversation. */
  readonly optionalFields?: readonly string[];
  read(fields: Fields): Omit<Example, "line">;
}

function exchange(prompt: string, completion: string): ChatMessage[] {
  return [
    { role: "user", content: prompt },
    { role: "assistant", content: completion },
  ];
}

function readConversation(name: string, fields: Fields): Omit<Example, "line"> {
  const { messages, masked } = readMessages(fields.list(name), fields.fail);
  expectAssistant(messages, fields);
  return { messages, maskedMessages: masked };
}

function expectAssistant(messages: MessageList["messages"], fields: Fields): void {
  if (!messages.some(({ role }) => role === "assistant")) fields.fail("no message is the assistant's");
}

/** Earlier exchanges, as pairs of prompt and answer. */
function readHistory(fields: Fields): ChatMessage[] {
  const history = fields.value("history") == null ? [] : fields.list("history");
  return history.flatMap((pair) => {
    const [prompt, answer, ...more] = Array.isArray(pair) ? pair : [];
    if (typeof prompt !== "string" || typeof answer !== "string" || more.length > 0) {
      return fields.fail('the field "history" is not a list of pairs of texts');
    }
    return exchange(prompt, answer);
  });
}

/** The formats, in the order in which they are tried. A new one is an entry here. */
const formats: readonly ExampleFormat[] = [
  {
    name: "messages",
    fields: ["messages"],
    read: (fields) => readConversation("messages", fields),
  },
  {
    name: "ShareGPT",
    fields: ["conversations"],
    read: (fields) => readConversation("conversations", fields),
  },
  {
    name: "prompt and completion",
    fields: ["prompt", "completion"],
    read(fields) {
      if (typeof fields.value("label") === "boolean") {
        fields.fail(
          'the field "label" says whether the completion is wanted, which is for preference tuning; keep the wanted rows, without the field',
        );
      }
      if (Array.isArray(fields.value("prompt"))) {
        const given = readMessages(fields.list("prompt"), fields.fail);
        const completion = readMessages(fields.list("completion"), fields.fail);
        expectAssistant(completion.messages, fields);
        return {
          messages: [...given.messages, ...completion.messages],
          givenMessages: given.messages.length,
          maskedMessages: [...given.masked, ...completion.masked.map((i) => given.messages.length + i)],
        };
      }
      const [prompt, completion] = [fields.text("prompt"), fields.text("completion")];
      return { messages: exchange(prompt, completion), plain: { prompt, completion } };
    },
  },
  {
    name: "Alpaca",
    fields: ["instruction", "output"],
    optionalFields: ["input", "history"],
    read(fields) {
      const [instruction, output] = [fields.text("instruction"), fields.text("output")];
      const history = readHistory(fields);
      const given = fields.optionalText("input");
      const prompt = given === "" ? instruction : `${instruction}\n\n${given}`;
      // The headings are those of Stanford Alpaca's prompt (Taori et al. 2023).
      const input = given === "" ? "" : `### Input:\n${given}\n\n`;
      const messages = [...history, ...exchange(prompt, output)];
      if (history.length > 0) return { messages };
      return {
        messages,
        plain: {
          prompt: `### Instruction:\n${instruction}\n\n${input}### Response:\n`,
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

/** Puts what a row says of its whole conversation into its example. */
function addConversationFields(example: Omit<Example, "line">, fields: Fields): Omit<Example, "line"> {
  const { messages, plain, givenMessages = 0, maskedMessages = [], ...others } = example;
  if (!messages) {
    checkNoConversation(fields);
    return example;
  }
  const { system, tools, variables } = readConversationFields(fields, messages[0]);
  const added: readonly ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }];
  // Without a chat template there is no form for tools and variables.
  const isPlain = plain && !tools && !variables;
  return {
    ...others,
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
 * @throws InputError if no format has the fields that the mapping names; and, of each row, naming file and line, if it
 *   fits no format, or another than the first row.
 *
 * @example
 * const read = createExampleReader("faq.csv", { prompt: "question", completion: "answer" });
 * const example = read({ fields: { question: "When?", answer: "At nine." }, line: 2 });
 */
export function createExampleReader(path: string, mapping: FieldMapping = {}): (row: Row) => Example {
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
    const checked = checkFields(mapped, path, line);
    return {
      ...addConversationFields(format.read(checked), checked),
      line,
      ignoredFields: listIgnored(fields, format, mapping),
    };
  };
}

/** The names of all fields that a format reads. */
function namesOf({ fields, optionalFields = [] }: ExampleFormat): string[] {
  return [...fields, ...optionalFields, ...conversationFields];
}

function listIgnored(fields: Row["fields"], format: ExampleFormat, mapping: FieldMapping): string[] {
  const read = new Set(namesOf(format).map((name) => mapping[name] ?? name));
  return Object.keys(fields).filter((name) => !read.has(name) && saysSomething(fields[name]));
}
