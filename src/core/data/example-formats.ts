/** @file The formats in which people keep examples, by what is learnt from them. */

import { Float } from "../python/number.ts";
import type { ChatMessage } from "../tokenization/chat-template.ts";
import { implicitPromptOfMessages, implicitPromptOfTexts } from "./implicit-prompt.ts";
import { contentText, type MessageList, readMessages } from "./messages.ts";
import type { Fields } from "./row-fields.ts";
import { type JudgedSolution, readJudgedSolution, readMathShepherd, readPrm800k } from "./step-formats.ts";
import type { AskedProblem, ExampleKind } from "./training-example.ts";

/** What an example says: a conversation, for a chat template, and a prompt and its completion, for models without one. */
export interface ExampleContent {
  readonly messages?: readonly ChatMessage[];
  /** How many of the messages, from the first, are given: the assistant's turns among them are not trained on. */
  readonly givenMessages?: number;
  /** Numbers of further messages, from 0, that are not trained on, nor where all tokens are. */
  readonly maskedMessages?: readonly number[];
  readonly plain?: { readonly prompt: string; readonly completion: string };
}

/** What the fields of its format say of an example. */
export interface Draft extends ExampleContent {
  /** Of a preference: the same prompt with the answer that is worse. */
  readonly rejected?: ExampleContent;
  /** Of a question in two wordings: the other one, with the same answer. */
  readonly reworded?: ExampleContent;
  /** Of an unpaired answer: whether it is a wanted one. */
  readonly label?: boolean;
  /** Of a prompt that the model answers itself; the messages are those before its answer, and a completion is empty. */
  readonly problem?: Pick<AskedProblem, "prompt" | "answer">;
  /** Of solutions whose steps are judged: each of them; the messages are the prompt, and a completion is empty. */
  readonly solutions?: readonly JudgedSolution[];
}

export interface ExampleFormat {
  readonly name: string;
  /** The fields by which a row is recognized. */
  readonly fields: readonly string[];
  /** Those that a row may have besides, and besides those of any row. */
  readonly optionalFields?: readonly string[];
  read(fields: Fields): Draft;
}

/** Whether a row has the fields of a format. */
export function fits({ fields }: ExampleFormat, row: Readonly<Record<string, unknown>>): boolean {
  return fields.every((name) => row[name] != null);
}

/** A format of what is asked and answered in one exchange. */
interface ExchangeFormat {
  readonly name: string;
  readonly asked: string;
  /** The field of the answer; a preference has `chosen` and `rejected` in its place. */
  readonly answered: string;
  readonly optionalFields?: readonly string[];
  /** @param answered the field of the answer that is read */
  read(fields: Fields, answered: string): ExampleContent;
}

function exchange(prompt: string, completion: string): ChatMessage[] {
  return [
    { role: "user", content: prompt },
    { role: "assistant", content: completion },
  ];
}

function readConversation(name: string, fields: Fields): ExampleContent {
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

/** Without a chat template: lm-evaluation-harness's prompt for GSM8K. */
function asQuestion(question: string): string {
  return `Question: ${question}\nAnswer:`;
}

const exchanges: readonly ExchangeFormat[] = [
  {
    name: "prompt and completion",
    asked: "prompt",
    answered: "completion",
    read(fields, answered) {
      if (Array.isArray(fields.value("prompt"))) {
        const given = readMessages(fields.list("prompt"), fields.fail);
        const completion = readMessages(fields.list(answered), fields.fail);
        expectAssistant(completion.messages, fields);
        return {
          messages: [...given.messages, ...completion.messages],
          givenMessages: given.messages.length,
          maskedMessages: [...given.masked, ...completion.masked.map((i) => given.messages.length + i)],
        };
      }
      const [prompt, completion] = [fields.text("prompt"), fields.text(answered)];
      return { messages: exchange(prompt, completion), plain: { prompt, completion } };
    },
  },
  {
    name: "Alpaca",
    asked: "instruction",
    answered: "output",
    optionalFields: ["input", "history"],
    read(fields, answered) {
      const [instruction, output] = [fields.text("instruction"), fields.text(answered)];
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
    asked: "question",
    answered: "answer",
    read(fields, answered) {
      const [question, answer] = [fields.text("question"), fields.text(answered)];
      return {
        messages: exchange(question, answer),
        plain: { prompt: asQuestion(question), completion: ` ${answer}` },
      };
    },
  },
];

function asText({ asked, answered, read, ...format }: ExchangeFormat): ExampleFormat {
  return {
    ...format,
    fields: [asked, answered],
    read(fields) {
      if (answered === "completion" && readLabel(fields) !== undefined) {
        fields.fail(
          'the field "label" says whether the completion is wanted, which is for preference tuning; use `--objective kto`, or keep the wanted rows, without the field',
        );
      }
      return read(fields, answered);
    },
  };
}

/** An exchange whose question stands in a second wording in the field "rewording". */
function asWordings({ name, asked, answered, read, ...format }: ExchangeFormat): ExampleFormat {
  return {
    ...format,
    name: `${name} in two wordings`,
    fields: [asked, "rewording", answered],
    read(fields) {
      const rewording = fields.value("rewording");
      if (typeof rewording === "string" && isBlank(rewording))
        fields.fail('the field "rewording" is empty; word the question a second time, or leave the row out');
      const ownName = (field: string) => (field === asked ? "rewording" : field);
      const reworded: Fields = {
        ...fields,
        text: (field) => fields.text(ownName(field)),
        list: (field) => fields.list(ownName(field)),
        value: (field) => fields.value(ownName(field)),
      };
      return {
        ...readAnswer(fields, answered, read),
        reworded: readAnswer(reworded, answered, read),
      };
    },
  };
}

function asPair({ name, asked, read, ...format }: ExchangeFormat): ExampleFormat {
  return {
    ...format,
    name: `${name} as a pair`,
    fields: [asked, "chosen", "rejected"],
    read(fields) {
      const isConversation = typeof fields.value(asked) === "string" && Array.isArray(fields.value("chosen"));
      if (isConversation) return readPairOfConversations(fields, fields.text(asked));
      return {
        ...readAnswer(fields, "chosen", read),
        rejected: readAnswer(fields, "rejected", read),
      };
    },
  };
}

function asUnpaired({ name, asked, answered, read, ...format }: ExchangeFormat): ExampleFormat {
  return {
    ...format,
    name: `${name} with a label`,
    fields: [asked, answered, "label"],
    read(fields) {
      const label = readLabel(fields) ?? fields.fail('the field "label" is neither true nor false');
      return { ...readAnswer(fields, answered, read), label };
    },
  };
}

/** A prompt that the model answers itself. @param plain what it is without a chat template */
function asProblem(asked: string, plain: (prompt: string) => string): ExampleFormat {
  return {
    name: `${asked} and right answer`,
    fields: [asked, "answer"],
    read(fields) {
      const answer = readRightAnswer(fields);
      const { prompt, ...content } = readPrompt(fields, asked, plain);
      return { ...content, problem: { prompt, answer } };
    },
  };
}

/** What goes before an answer: a text, or a conversation, of which the last message is the `prompt`. */
function readPrompt(
  fields: Fields,
  asked: string,
  plain: (prompt: string) => string,
): ExampleContent & { readonly prompt: string } {
  if (Array.isArray(fields.value(asked))) {
    const { messages } = readMessages(fields.list(asked), fields.fail);
    const last = messages.at(-1) ?? fields.fail(`the field "${asked}" has no message`);
    return { messages, prompt: contentText(last) };
  }
  const prompt = fields.text(asked);
  return { ...asPrompt(prompt, plain(prompt)), prompt };
}

function asPrompt(prompt: string, plain: string): ExampleContent {
  return { messages: [{ role: "user", content: prompt }], plain: { prompt: plain, completion: "" } };
}

/** A text or a number, or of a solution that names its result after "####", as GSM8K's do, this result. */
function readRightAnswer(fields: Fields): string {
  const value = fields.value("answer");
  const isNumber = typeof value === "number" || typeof value === "bigint" || value instanceof Float;
  const answer = (isNumber ? String(value) : fields.text("answer")).split("####").at(-1)!.trim();
  return answer === "" ? fields.fail('the field "answer" is empty; give the right answer') : answer;
}

/** A boolean, or its name, which is what files of texts such as CSV have; undefined if it is neither. */
function readLabel(fields: Fields): boolean | undefined {
  const value = fields.value("label");
  const label = typeof value === "string" ? value.toLowerCase() : value;
  return label === true || label === "true" ? true : label === false || label === "false" ? false : undefined;
}

/** An answer of which all that goes before is given. */
function readAnswer(fields: Fields, answered: string, read: ExchangeFormat["read"]): ExampleContent {
  const { messages = [], ...content } = read(fields, answered);
  return expectAnswer({ givenMessages: messages.length - 1, ...content, messages }, answered, fields);
}

function expectAnswer(content: ExampleContent, answered: string, fields: Fields): ExampleContent {
  const { messages, givenMessages = 0, plain } = content;
  const saysNothing = messages
    ? messages.slice(givenMessages).every((message) => !message.tool_calls && isBlank(contentText(message)))
    : isBlank(plain!.completion);
  if (saysNothing) fields.fail(`the answer "${answered}" is empty; write one, or leave the row out`);
  return content;
}

function isBlank(text: string): boolean {
  return text.trim() === "";
}

/** Whole conversations, or texts, that begin with the same prompt. */
function readPairWithoutPrompt(fields: Fields): Draft {
  if (Array.isArray(fields.value("chosen"))) return readPairOfConversations(fields);
  const [chosen, rejected] = [fields.text("chosen"), fields.text("rejected")];
  const length = implicitPromptOfTexts(chosen, rejected);
  const split = (text: string, answered: string) =>
    expectAnswer(
      { plain: { prompt: text.slice(0, length), completion: text.slice(length) } },
      answered,
      fields,
    );
  return { ...split(chosen, "chosen"), rejected: split(rejected, "rejected") };
}

/**
 * @param asked what is asked, where a row says it beside the conversations: a message of their common beginning, or the only one
 *   before them
 */
function readPairOfConversations(fields: Fields, asked?: string): Draft {
  const [chosen, rejected] = ["chosen", "rejected"].map((name) =>
    readMessages(fields.list(name), fields.fail),
  );
  const givenMessages = implicitPromptOfMessages(chosen!.messages, rejected!.messages);
  const given = chosen!.messages.slice(0, givenMessages);
  const before: ChatMessage[] =
    asked !== undefined && given.length === 0 ? [{ role: "user", content: asked }] : [];
  if (given.length + before.length === 0) {
    fields.fail(
      'the conversations "chosen" and "rejected" do not begin alike, so that they have no prompt; give it as "prompt"',
    );
  }
  if (asked !== undefined && ![...given, ...before].some((message) => contentText(message) === asked)) {
    fields.fail("what is asked is no message of the conversations that answer it; leave out one of them");
  }
  const answer = ({ messages, masked }: MessageList, answered: string) => {
    expectAssistant(messages.slice(givenMessages), fields);
    const content = {
      messages: [...before, ...messages],
      givenMessages: before.length + givenMessages,
      maskedMessages: masked.map((i) => before.length + i),
    };
    return expectAnswer(content, answered, fields);
  };
  return { ...answer(chosen!, "chosen"), rejected: answer(rejected!, "rejected") };
}

/** The formats of each kind, in the order in which they are tried. A new one is an entry here. */
export const exampleFormats: Readonly<Record<ExampleKind, readonly ExampleFormat[]>> = {
  texts: [
    { name: "messages", fields: ["messages"], read: (fields) => readConversation("messages", fields) },
    {
      name: "ShareGPT",
      fields: ["conversations"],
      read: (fields) => readConversation("conversations", fields),
    },
    ...exchanges.map(asText),
    {
      name: "text",
      fields: ["text"],
      read: (fields) => ({ plain: { prompt: "", completion: fields.text("text") } }),
    },
  ],
  wordings: exchanges.map(asWordings),
  pairs: [
    ...exchanges.map(asPair),
    { name: "pair with a common beginning", fields: ["chosen", "rejected"], read: readPairWithoutPrompt },
  ],
  unpaired: exchanges.map(asUnpaired),
  prompts: [asProblem("prompt", (prompt) => prompt), asProblem("question", asQuestion)],
  steps: [
    {
      name: "prompt, completions and labels",
      fields: ["prompt", "completions", "labels"],
      optionalFields: ["label_of", "rollouts", "right", "problem", "sample"],
      read(fields) {
        const { prompt: _, ...content } = readPrompt(fields, "prompt", (prompt) => prompt);
        return { ...content, solutions: [readJudgedSolution(fields)] };
      },
    },
    {
      name: "Math-Shepherd",
      fields: ["input", "label"],
      optionalFields: ["task"],
      read: ofSteps(readMathShepherd),
    },
    {
      name: "PRM800K",
      fields: ["question", "label"],
      optionalFields: [
        "labeler",
        "timestamp",
        "generation",
        "is_quality_control_question",
        "is_initial_screening_question",
      ],
      read: ofSteps(readPrm800k),
    },
  ],
};

/** Without a chat template the prompt is the question alone, as TRL has it. */
function ofSteps(read: typeof readMathShepherd): ExampleFormat["read"] {
  return (fields) => {
    const { question, solutions } = read(fields);
    return { ...asPrompt(question, question), solutions };
  };
}
