/** @file Where in a rendered conversation the assistant speaks: what a model is trained to write. */

import {
  applyChatTemplate,
  type ChatMessage,
  type ChatTemplateOptions,
  hasGenerationMarkers,
  type Span,
  unusedCharacters,
} from "./chat-template.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A text that a template prints, and where in it turns of the assistant stand. */
export interface RenderedTurns {
  readonly text: string;
  /** In order, each from the turn's first character to the end of its end-of-turn token. */
  readonly spans: readonly Span[];
}

type TurnTokenizer = Pick<Tokenizer, "encode" | "isSpecial" | "tokenOf">;

/**
 * Renders a conversation and finds turns of the assistant in it. They are the template's `{% generation %}` blocks where it
 * has them. Otherwise turn i is what message i adds to the text of the messages before it with the generation prompt.
 *
 * A template may print a turn differently when others follow: without its thoughts, for example. Then the turn is found in
 * the text of the conversation up to it, which is what the model sees and writes when it is used. So there may be several
 * texts, in the order of the turns, and each turn is found in one of them.
 *
 * @param wanted numbers of messages of the assistant, from 0 and in order
 * @throws InputError if the template refuses the conversation.
 */
export function renderTurns(
  template: string,
  messages: readonly ChatMessage[],
  wanted: readonly number[],
  tokenizer: TurnTokenizer,
  options: Omit<ChatTemplateOptions, "addGenerationPrompt"> = {},
): RenderedTurns[] {
  const whole = applyChatTemplate(template, messages, options);
  if (hasGenerationMarkers(template)) {
    return [
      { text: whole.text, spans: selectSpans(template, messages, wanted, whole.generationSpans, options) },
    ];
  }
  let text = whole.text;
  let spans: Span[] = [];
  const rendered: RenderedTurns[] = [];
  for (const turn of wanted.toReversed()) {
    const isLast = turn === messages.length - 1;
    const upToTurn = isLast
      ? whole.text
      : applyChatTemplate(template, messages.slice(0, turn + 1), options).text;
    const start = findStart(template, messages, turn, upToTurn, options);
    let end = findEnd(upToTurn, start, commonLength(upToTurn, text), tokenizer);
    if (end === undefined) {
      if (spans.length > 0) rendered.unshift({ text, spans });
      [text, spans, end] = [upToTurn, [], trimmedEnd(upToTurn, start)];
    }
    spans.unshift([start, end]);
  }
  return [{ text, spans }, ...rendered];
}

/** Those `{% generation %}` blocks that are of the wanted messages: what each adds to the blocks before it. */
function selectSpans(
  template: string,
  messages: readonly ChatMessage[],
  wanted: readonly number[],
  spans: readonly Span[],
  options: ChatTemplateOptions,
): Span[] {
  const turns = [...messages.keys()].filter((i) => messages[i]!.role === "assistant");
  if (wanted.length === turns.length) return [...spans];
  let before = 0;
  return turns.flatMap((turn) => {
    const upToTurn = applyChatTemplate(template, messages.slice(0, turn + 1), options);
    const own = spans.slice(before, upToTurn.generationSpans.length);
    before = upToTurn.generationSpans.length;
    return wanted.includes(turn) ? own : [];
  });
}

/** Where message `turn` begins in the text of the conversation up to it. */
function findStart(
  template: string,
  messages: readonly ChatMessage[],
  turn: number,
  upToTurn: string,
  options: ChatTemplateOptions,
): number {
  const before = messages.slice(0, turn);
  // Many templates fail on a conversation without messages.
  if (turn > 0) {
    const prompt = applyChatTemplate(template, before, { ...options, addGenerationPrompt: true });
    if (upToTurn.startsWith(prompt.text)) return prompt.text.length;
  }
  // The generation prompt also opens what the conversation does not print, such as a thought: the turn begins where its
  // text first depends on what the assistant says.
  const content = unusedCharacters(upToTurn).start;
  const other = applyChatTemplate(template, [...before, { role: "assistant", content }], options);
  return commonLength(upToTurn, other.text);
}

/**
 * Where the turn at the end of `text` ends, of which only the text before `limit` stays as it is when messages follow;
 * undefined if the turn changes with them. It does not if only special tokens come after it, such as the end of a whole text.
 */
function findEnd(text: string, start: number, limit: number, tokenizer: TurnTokenizer): number | undefined {
  let end = trimmedEnd(text, start);
  while (limit < text.length) {
    const last = tokenizer.encode(text.slice(start, end)).at(-1);
    if (last === undefined || !tokenizer.isSpecial(last)) return undefined;
    if (end <= limit) break;
    end = trimmedEnd(text.slice(0, end - tokenizer.tokenOf(last)!.length), start);
  }
  return end;
}

/** Templates end a turn with its end-of-turn token and often a line break, which the model need not write. */
function trimmedEnd(text: string, start: number): number {
  return start + text.slice(start).trimEnd().length;
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}
