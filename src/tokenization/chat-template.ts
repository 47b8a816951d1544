/** @file Chat templates: messages to text, and where in the text the assistant speaks. */

import { InputError } from "../errors.ts";
import { compileTemplate, renderTemplate, type Template } from "../templates/template.ts";
import { formatTime } from "./strftime.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A message in the form that chat templates read. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: string | readonly object[] | null;
  readonly name?: string;
  readonly tool_calls?: readonly object[];
  readonly tool_call_id?: string;
  readonly reasoning_content?: string;
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
}

/** A rendered conversation, with the text inside `{% generation %}` blocks. */
export interface RenderedChat {
  readonly text: string;
  /** In order and disjoint; empty if the template has no such blocks. */
  readonly generationSpans: readonly Span[];
}

/** The special tokens of a tokenizer, as options for `applyChatTemplate`. */
export function specialTokensOf(tokenizer: Tokenizer): TemplateTokens {
  const { bosTokenId, eosTokenId, padTokenId, unkTokenId } = tokenizer;
  const named = { bosToken: bosTokenId, eosToken: eosTokenId, padToken: padTokenId, unkToken: unkTokenId };
  const tokens = Object.entries(named).flatMap(([name, id]) => {
    const token = id === undefined ? undefined : tokenizer.tokenOf(id);
    return token === undefined ? [] : [[name, token] as const];
  });
  return Object.fromEntries(tokens);
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

/**
 * Renders a conversation and finds the assistant's turns in it, each from its first character to the end of its
 * end-of-turn token. They are the template's `{% generation %}` blocks where it has them. Otherwise turn i is what
 * message i adds to the text of the messages before it with the generation prompt.
 *
 * @throws InputError if the template has no such blocks and what it prints for a message depends on later messages.
 */
export function assistantSpans(
  template: string,
  messages: readonly ChatMessage[],
  options: Omit<ChatTemplateOptions, "addGenerationPrompt"> = {},
): { readonly text: string; readonly spans: readonly Span[] } {
  const { text, generationSpans } = applyChatTemplate(template, messages, options);
  if (hasGenerationMarkers(template)) return { text, spans: generationSpans };

  const spans: Span[] = [];
  for (const [i, { role }] of messages.entries()) {
    if (role !== "assistant") continue;
    const prompt = applyChatTemplate(template, messages.slice(0, i), {
      ...options,
      addGenerationPrompt: true,
    });
    const upToTurn = applyChatTemplate(template, messages.slice(0, i + 1), options);
    if (!text.startsWith(upToTurn.text) || !upToTurn.text.startsWith(prompt.text)) {
      throw new InputError(
        `The chat template prints message ${i + 1} differently when other messages follow, so the assistant's turns cannot be located; put {% generation %} and {% endgeneration %} around them in the template.`,
      );
    }
    const start = prompt.text.length;
    // Templates end a turn with its end-of-turn token and often a line break, which the model need not write.
    spans.push([start, start + upToTurn.text.slice(start).trimEnd().length]);
  }
  return { text, spans };
}

const generationTag = /\{%(-?)\s*(end)?generation\s*(-?)%\}/g;

/** Whether the template marks the assistant's text with `{% generation %}`, as Transformers' assistant masks need. */
export function hasGenerationMarkers(template: string): boolean {
  // An expression would take the square of the number of comments that are not closed.
  const parts = template.split("#}").map((part) => part.split("{#", 1)[0]!);
  return parts.join("").search(generationTag) >= 0;
}

interface Markers {
  readonly start: string;
  readonly end: string;
}

/** Two private-use characters that `text` does not contain. */
function unusedCharacters(text: string): Markers {
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
  const { addGenerationPrompt = false, bosToken, eosToken, padToken, unkToken, tools, variables } = options;
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
    strftime_now: (format: string) => formatTime(new Date(), format),
    [startVariable]: markers.start,
    [endVariable]: markers.end,
  };
  const given = {
    bos_token: bosToken,
    eos_token: eosToken,
    pad_token: padToken,
    unk_token: unkToken,
    ...variables,
    messages: messages.map(withoutNulls),
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

/** Transformers hides fields that are null: templates test whether they are there. */
function withoutNulls(message: ChatMessage): object {
  return Object.fromEntries(
    Object.entries(message).filter(([, value]) => value !== null && value !== undefined),
  );
}
