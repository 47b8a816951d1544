/** @file Pre-tokenizers: the rules by which text is cut into words before byte-pair merging. */

import { toByteCharacters } from "./byte-alphabet.ts";
import { readCharacter, readChoice, readFlag, readList, refuseType } from "./options.ts";
import { compilePattern, findMatches } from "./pattern.ts";

/** A pre-tokenizer as tokenizer.json describes it. */
export interface PreTokenizer {
  readonly type: string;
  readonly [option: string]: unknown;
}

/** GPT-2's words, which are also those of "ByteLevel" with `use_regex`. */
export const gpt2Words = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/** Cuts text into the matches of `pattern` and what lies between them. */
export function splitBy(pattern: string): PreTokenizer {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}

/** Writes text in the 256 characters that stand for bytes, and before that, on demand, cuts it into GPT-2's words. */
export function byteLevel({ useRegex }: { readonly useRegex: boolean }): PreTokenizer {
  return { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: useRegex };
}

/** A part of a text. */
export interface Piece {
  readonly text: string;
  /** Whether it stands at the very beginning of the text. */
  readonly isFirst: boolean;
}

export type Cut = (piece: Piece) => readonly Piece[];

/**
 * The pre-tokenizer as a function.
 *
 * Source: https://github.com/huggingface/tokenizers/tree/v0.23.1/tokenizers/src/pre_tokenizers
 *
 * @throws Error if it is of a type, or has an option, that is not supported.
 */
export function createPreTokenizer(config: PreTokenizer): Cut {
  switch (config.type) {
    case "Sequence": {
      const steps = readList(config, "pretokenizers").map((step) => createPreTokenizer(step as PreTokenizer));
      return (piece) => steps.reduce<readonly Piece[]>((pieces, cut) => pieces.flatMap(cut), [piece]);
    }
    case "Split": {
      const behavior = readChoice(config, "behavior", behaviors);
      return splitter(compilePattern(config.pattern), behavior, readFlag(config, "invert", false));
    }
    case "ByteLevel":
      return createByteLevel(config);
    case "Metaspace":
      return createMetaspace(config);
    case "Digits":
      return splitter(/\p{N}/gu, readFlag(config, "individual_digits", false) ? "Isolated" : "Contiguous");
    case "Punctuation":
      return splitter(punctuation, readChoice(config, "behavior", behaviors, "Isolated"));
    case "Whitespace":
      return splitter(
        /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu,
        "Removed",
        true,
      );
    case "WhitespaceSplit":
      return splitter(/\p{White_Space}/gu, "Removed");
    case "BertPreTokenizer": {
      const words = splitter(/\p{White_Space}/gu, "Removed");
      const marks = splitter(punctuation, "Isolated");
      return (piece) => words(piece).flatMap(marks);
    }
    case "CharDelimiterSplit":
      return splitter(compilePattern({ String: readCharacter(config, "delimiter") }), "Removed");
    default:
      return refuseType("pre-tokenizer", config);
  }
}

/**
 * Checks that the first piece can be told from the others where a mark is put before it alone: text that something else put
 * there would, to Hugging Face's tokenizers, stand at the beginning as well.
 *
 * @param keepsBeginning whether the normalizer leaves the beginning of a text in its place
 * @throws Error if it cannot.
 */
export function checkFirstPiece(config: PreTokenizer, keepsBeginning: boolean): void {
  const steps = stepsOf(config);
  const last = steps.findLastIndex(({ prepend_scheme }) => prepend_scheme === "first");
  const inserts = ({ type, add_prefix_space, prepend_scheme }: PreTokenizer) =>
    (type === "ByteLevel" && add_prefix_space !== false) ||
    (type === "Metaspace" && prepend_scheme !== "never");
  if (last >= 0 && (!keepsBeginning || steps.slice(0, last).some(inserts)))
    throw new Error(
      'the "prepend_scheme" "first" of its Metaspace behind what changes the beginning of a text is not supported',
    );
}

function stepsOf(config: PreTokenizer): readonly PreTokenizer[] {
  return config.type === "Sequence"
    ? (config.pretokenizers as readonly PreTokenizer[]).flatMap(stepsOf)
    : [config];
}

const punctuation = /[\p{P}$+<=>^`|~]/gu;

/** What becomes of the matches among the pieces. */
const behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"] as const;
type Behavior = (typeof behaviors)[number];

interface Span {
  readonly start: number;
  end: number;
  readonly isMatch: boolean;
}

function splitter(pattern: RegExp, behavior: Behavior, invert = false): Cut {
  return ({ text, isFirst }) =>
    joinSpans(findSpans(text, pattern, invert), behavior)
      .filter(({ start, end }) => start < end)
      .map(({ start, end }) => ({ text: text.slice(start, end), isFirst: isFirst && start === 0 }));
}

/** The matches and what lies between them. */
function findSpans(text: string, pattern: RegExp, invert: boolean): Span[] {
  const spans: Span[] = [];
  let done = 0;
  for (const [start, end] of findMatches(text, pattern)) {
    if (done < start) spans.push({ start: done, end: start, isMatch: invert });
    spans.push({ start, end, isMatch: !invert });
    done = end;
  }
  if (done < text.length) spans.push({ start: done, end: text.length, isMatch: invert });
  return spans;
}

function joinSpans(spans: readonly Span[], behavior: Behavior): Span[] {
  if (behavior === "Removed") return spans.filter(({ isMatch }) => !isMatch);
  const joined: Span[] = [];
  for (const [index, span] of spans.entries()) {
    const before = spans[index - 1];
    const joins =
      behavior === "Contiguous"
        ? span.isMatch === before?.isMatch
        : behavior === "MergedWithPrevious"
          ? span.isMatch && before?.isMatch === false
          : // A match goes with what follows, unless that is a match, too.
            behavior === "MergedWithNext" && before?.isMatch && !span.isMatch;
    if (joins) joined.at(-1)!.end = span.end;
    else joined.push({ ...span });
  }
  return joined;
}

function createByteLevel(config: PreTokenizer): Cut {
  const addsSpace = readFlag(config, "add_prefix_space", false);
  const words = readFlag(config, "use_regex", true)
    ? splitter(compilePattern({ Regex: gpt2Words }), "Isolated")
    : undefined;
  return (piece) => {
    const whole = addsSpace && !piece.text.startsWith(" ") ? { ...piece, text: ` ${piece.text}` } : piece;
    return (words?.(whole) ?? [whole]).map(({ text, isFirst }) => ({
      text: toByteCharacters(text),
      isFirst,
    }));
  };
}

/** When a mark is put before a piece. */
export const prependSchemes = ["always", "first", "never"] as const;

function createMetaspace(config: PreTokenizer): Cut {
  const mark = readCharacter(config, "replacement");
  const scheme = readChoice(config, "prepend_scheme", prependSchemes, "always");
  if (config.add_prefix_space === false && scheme !== "never")
    throw new Error('its "add_prefix_space" does not fit its "prepend_scheme"');
  const words = readFlag(config, "split", true)
    ? splitter(compilePattern({ String: mark }), "MergedWithNext")
    : undefined;
  return ({ text, isFirst }) => {
    const marked = text.replaceAll(" ", mark);
    const isMissing = !marked.startsWith(mark) && (scheme === "always" || (scheme === "first" && isFirst));
    const whole = { text: isMissing ? mark + marked : marked, isFirst };
    return words?.(whole) ?? [whole];
  };
}
