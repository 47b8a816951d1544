/** @file Chat templates: messages to text. */

import { InputError } from "../errors.ts";
import { compileTemplate, renderTemplate, type Template } from "../templates/template.ts";
import { formatTime } from "./strftime.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A message in the form that chat templates read. They may read fields besides these. */
export interface ChatMessage {
  readonly role: string;
  /** A text, the parts of one, or what a tool returned. */
  readonly content?: string | object | null;
  readonly name?: string;
  readonly tool_calls?: readonly object[];
  readonly tool_call_id?: string;
  readonly reasoning_content?: string;
  readonly [field: string]: unknown;
}

/** A stretch of text in UTF-16 units; `end` is exclusive. */
export type Span = readonly [start: number, end: number];

/** The special tokens that a template may print. */
export interface TemplateTokens {
  readonly bosToken?: string;
  readonly eosToken?: string;
  readonly padToken?: string;
  readonly unkToken?: string;
}

export interface ChatTemplateOptions extends TemplateTokens {
  /** Whether the text ends with the opening of an assistant's turn. Default false. */
  readonly addGenerationPrompt?: boolean;
  /** JSON schemas of functions that the model may call. */
  readonly tools?: readonly object[];
  /** Further variables of the template, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** The day that the template prints as today's, such as "2025-01-31". Default: the time when it is rendered. */
  readonly date?: string;
}

/** A rendered conversation, with the text inside `{% generation %}` blocks. */
export interface RenderedChat {
  readonly text: string;
  /** In order and disjoint; empty if the template has no such blocks. */
  readonly generationSpans: readonly Span[];
}

/** What of a tokenizer its templates print, as options for `applyChatTemplate`. */
export function chatOptionsOf(tokenizer: Tokenizer): TemplateTokens & Pick<ChatTemplateOptions, "date"> {
  const { bosTokenId, eosTokenId, padTokenId, unkTokenId, chatDate } = tokenizer;
  const named = { bosToken: bosTokenId, eosToken: eosTokenId, padToken: padTokenId, unkToken: unkTokenId };
  const tokens = Object.entries(named).flatMap(([name, id]) => {
    const token = id === undefined ? undefined : tokenizer.tokenOf(id);
    return token === undefined ? [] : [[name, token] as const];
  });
  return { ...Object.fromEntries(tokens), ...(chatDate !== undefined && { date: chatDate }) };
}

/** The template for a conversation with or without tools; undefined if the model has none. */
export function chatTemplateFor(
  { chatTemplate, toolUseTemplate }: Tokenizer,
  tools: readonly object[] | undefined,
): string | undefined {
  return tools ? (toolUseTemplate ?? chatTemplate) : chatTemplate;
}

export interface ChatSettings {
  /** A Jinja template in place of the model's own. */
  readonly chatTemplate?: string | undefined;
  /** The day that the template prints as today's, such as "2025-01-31". Default: the day when it is rendered. */
  readonly date?: string | undefined;
}

/** The tokenizer with another chat template or date. */
export function withChatSettings(tokenizer: Tokenizer, { chatTemplate, date }: ChatSettings): Tokenizer {
  return {
    ...tokenizer,
    ...(chatTemplate !== undefined && { chatTemplate, toolUseTemplate: undefined }),
    ...(date !== undefined && { chatDate: date }),
  };
}

/** Whether a template prints today's date. */
export function printsDate(template: string): boolean {
  return mentions(template, "strftime_now");
}

/**
 * Renders a conversation as Transformers' `apply_chat_template` does.
 *
 * @throws InputError with the template's own message if it raises an exception, has a syntax error, or exceeds the
 * bounds on its work.
 */
export function applyChatTemplate(
  template: string,
  messages: readonly ChatMessage[],
  options: ChatTemplateOptions = {},
): RenderedChat {
  const text = render(template, messages, options, { start: "", end: "" });
  if (!hasGenerationMarkers(template)) return { text, generationSpans: [] };

  const markers = unusedCharacters(text);
  const marked = render(template, messages, options, markers);
  const generationSpans = findSpans(marked, markers);
  if (marked.replaceAll(markers.start, "").replaceAll(markers.end, "") !== text) {
    throw new InputError(
      "The chat template changes its text after a {% generation %} block, so the assistant's text cannot be located; print the blocks as they are.",
    );
  }
  return { text, generationSpans };
}

const generationTag = /\{%(-?)\s*(end)?generation\s*(-?)%\}/g;

/** Whether the template marks the assistant's text with `{% generation %}`, as Transformers' assistant masks need. */
export function hasGenerationMarkers(template: string): boolean {
  // An expression would take the square of the number of comments that are not closed.
  const parts = template.split("#}").map((part) => part.split("{#", 1)[0]!);
  return parts.join("").search(generationTag) >= 0;
}

/** Whether a template names a variable or a field of messages, so that it may print it. */
export function mentions(template: string, name: string): boolean {
  const escaped = name.replace(/\W/g, "\\$&");
  return new RegExp(`(?<!\\w)${escaped}(?!\\w)`).test(template);
}

interface Markers {
  readonly start: string;
  readonly end: string;
}

/** Two private-use characters that `text` does not contain. */
export function unusedCharacters(text: string): Markers {
  const used = new Set(text);
  const unused: string[] = [];
  for (let code = 0xe000; code <= 0xf8ff && unused.length < 2; code++) {
    const character = String.fromCharCode(code);
    if (!used.has(character)) unused.push(character);
  }
  const [start, end] = unused;
  if (start === undefined || end === undefined) {
    throw new InputError("The conversation uses every private-use character; remove some of them.");
  }
  return { start, end };
}

function findSpans(marked: string, { start, end }: Markers): Span[] {
  const spans: Span[] = [];
  let markersBefore = 0;
  let opened: number | undefined;
  for (let i = 0; i < marked.length; i++) {
    if (marked[i] !== start && marked[i] !== end) continue;
    const position = i - markersBefore++;
    if ((marked[i] === start) !== (opened === undefined)) {
      throw new InputError("The chat template nests {% generation %} blocks; close each before the next.");
    }
    if (opened === undefined) {
      opened = position;
    } else {
      spans.push([opened, position]);
      opened = undefined;
    }
  }
  return spans;
}

const startVariable = "_generation_start";
const endVariable = "_generation_end";

/**
 * The template with its generation tags, which the library would drop, as blocks that print a marker. The marker
 * stands between two blocks so that whitespace on both sides is treated as it is around a single tag.
 */
function printMarkers(template: string): string {
  return template.replace(generationTag, (_tag, before: string, end: string | undefined, after: string) =>
    end === undefined
      ? `{%${before} if true %}{{ ${startVariable} }}{% if true ${after}%}`
      : `{%${before} endif %}{{ ${endVariable} }}{% endif ${after}%}`,
  );
}

/** The last template that was compiled: a data set is rendered with one. */
let compiled: { readonly template: string; readonly program: Template } | undefined;

function compile(template: string): Template {
  if (compiled?.template !== template) {
    compiled = { template, program: compileTemplate(printMarkers(template), "transformers") };
  }
  return compiled.program;
}

/** An exception that the template raises itself. */
class RaisedByTemplate extends Error {}

function render(
  template: string,
  messages: readonly ChatMessage[],
  options: ChatTemplateOptions,
  markers: Markers,
): string {
  const { addGenerationPrompt = false, bosToken, eosToken, padToken, unkToken } = options;
  const { tools, variables, date } = options;
  const now = date === undefined ? new Date() : new Date(`${date}T00:00`);
  const globals = {
    false: false,
    true: true,
    none: null,
    False: false,
    True: true,
    None: null,
    raise_exception(message: unknown) {
      throw new RaisedByTemplate(String(message));
    },
    strftime_now: (format: string) => formatTime(now, format),
    [startVariable]: markers.start,
    [endVariable]: markers.end,
  };
  const given = {
    bos_token: bosToken,
    eos_token: eosToken,
    pad_token: padToken,
    unk_token: unkToken,
    ...variables,
    messages: messages.map(asTransformersPasses),
    tools: tools ?? null,
    documents: variables?.documents ?? null,
    add_generation_prompt: addGenerationPrompt,
  };
  try {
    return renderTemplate(compile(template), { ...given, ...globals });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const verb = error instanceof RaisedByTemplate ? "refuses the conversation" : "cannot be rendered";
    throw new InputError(`The chat template ${verb}: ${reason.replace(/[.\s]+$/, "")}.`);
  }
}

/** The fields under which a message's thoughts are passed, by Transformers' precedence. */
export const reasoningFields = ["reasoning_content", "thinking", "reasoning"] as const;

/** Transformers hides fields that are null, since templates test whether they are there, and gives thoughts both names. */
function asTransformersPasses(message: ChatMessage): object {
  const present = Object.fromEntries(
    Object.entries(message).filter(([, value]) => value !== null && value !== undefined),
  );
  const thoughts = reasoningFields.map((name) => present[name]).find((value) => value !== undefined);
  return thoughts === undefined ? present : { thinking: thoughts, ...present, reasoning_content: thoughts };
}
