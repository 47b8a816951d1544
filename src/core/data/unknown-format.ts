/** @file What is said of a row whose fields fit no format: what it may be, and the option that would read it. */

import { exampleFormats, fits } from "./example-formats.ts";
import type { ExampleKind } from "./training-example.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What rows of a kind are, and the option with which a run learns from them. */
const kinds: Readonly<Record<ExampleKind, { readonly what: string; readonly option: string }>> = {
  texts: { what: "answers that are all wanted", option: "`--objective sft`" },
  pairs: { what: "pairs of a chosen and a rejected answer", option: "`--objective dpo`" },
  wordings: { what: "questions in two wordings with one answer", option: "`--objective companion`" },
  unpaired: { what: "single answers with a label", option: "`--objective kto`" },
  prompts: { what: "prompts with their right answers", option: "`--objective grpo`" },
  steps: { what: "solutions with labels of their steps", option: "`--objective prm`" },
};

/**
 * Says why the fields fit no format of a kind and how to go on, with a `--fields` option to copy where one can be guessed.
 *
 * @returns a sentence without its beginning (the place) and its full stop
 */
export function describeUnknownFields(fields: Fields, learnsFrom: ExampleKind): string {
  const names = Object.keys(fields);
  const formats = exampleFormats[learnsFrom];
  const empty = formats.find((format) => format.fields.every((name) => Object.hasOwn(fields, name)));
  if (empty) {
    const missing = empty.fields.filter((name) => fields[name] == null);
    return `the field ${missing.join(", ")} is null, which an example of the format "${empty.name}" needs`;
  }
  const list = `the fields ${names.join(", ")}`;
  if (learnsFrom === "texts" && names.includes("chosen") && names.includes("rejected")) {
    const option = formatOption(guessPreferred(fields));
    return `${list} are preference data, from which supervised tuning does not learn what is worse; learn from both answers with ${kinds.pairs.option}, or train on the chosen ones alone with ${option}`;
  }
  const known = formats.map((format) => `${format.name} (${format.fields.join(", ")})`).join("; ");
  const kind = (["pairs", "unpaired", "steps", "wordings", "texts", "prompts"] as const).find((other) =>
    exampleFormats[other].some((format) => fits(format, fields)),
  );
  if (kind !== undefined) {
    return `${list} are ${kinds[kind].what}, but ${kinds[learnsFrom].what} are wanted; use ${kinds[kind].option}, which learns from them, or give the fields of one of: ${known}`;
  }
  const guess = learnsFrom === "texts" ? guessFields(fields) : undefined;
  return guess
    ? `${list} fit no known format; say which is which: ${formatOption(guess)}`
    : `${list} fit no known format; map them with --fields to those of one of: ${known}`;
}

/** Fields of a format and the row's fields that could be them. */
type Mapping = readonly (readonly [field: string, source: string])[];

/** As an option of the command line, in quotes where the shell needs them. */
function formatOption(mapping: Mapping): string {
  const value = mapping.map((pair) => pair.join("=")).join(",");
  return `\`--fields ${/^[\p{L}\p{N}=,._-]+$/u.test(value) ? value : `"${value}"`}\``;
}

function guessPreferred(fields: Fields): Mapping {
  if (Array.isArray(fields.chosen)) {
    return Array.isArray(fields.prompt)
      ? [
          ["prompt", "prompt"],
          ["completion", "chosen"],
        ]
      : [["messages", "chosen"]];
  }
  const asked = findNamed(fields, asking);
  return asked === undefined
    ? [["text", "chosen"]]
    : [
        ["prompt", asked],
        ["completion", "chosen"],
      ];
}

/** Words for what is asked, and for what is answered, in the languages of many datasets. */
const asking =
  /question|prompt|instruction|query|request|problem|input|user|human|source|frage|aufgabe|eingabe|pregunta|domanda|pergunta|вопрос|问题|問題|質問|^q$/iu;
const answering =
  /answer|response|reply|completion|output|target|solution|assistant|antwort|ausgabe|lösung|respuesta|réponse|reponse|risposta|resposta|ответ|答案|回答|^a$/iu;

function guessFields(fields: Fields): Mapping | undefined {
  for (const [name, value] of Object.entries(fields)) {
    const first: unknown = Array.isArray(value) ? value[0] : undefined;
    if (typeof first !== "object" || first === null || isUnmappable(name)) continue;
    if ("role" in first && "content" in first) return [["messages", name]];
    if ("from" in first && "value" in first) return [["conversations", name]];
  }
  const texts = Object.keys(fields).filter((name) => typeof fields[name] === "string" && !isUnmappable(name));
  if (texts.length === 1) return [["text", texts[0]!]];
  const asked = findNamed(fields, asking);
  const answered = findNamed(fields, answering);
  if (asked !== undefined && answered !== undefined && asked !== answered)
    return [
      ["question", asked],
      ["answer", answered],
    ];
  return texts.length === 2
    ? [
        ["question", texts[0]!],
        ["answer", texts[1]!],
      ]
    : undefined;
}

/** A field with a text and a name that fits. */
function findNamed(fields: Fields, words: RegExp): string | undefined {
  return Object.keys(fields).find(
    (name) => typeof fields[name] === "string" && words.test(name) && !isUnmappable(name),
  );
}

/** Whether the option could not hold the name. */
function isUnmappable(name: string): boolean {
  return /[=,"\\$`]/.test(name) || name !== name.trim() || name === "";
}
