/** @file Where a solution says its answer. */

import { functionNames } from "./answer-tokens.ts";

/** What an answer is known by; see `extractAnswer`. */
export type AnswerMarker = "boxed" | "answer is" | "####" | "output" | "last number";

export interface ExtractionOptions {
  /**
   * What counts, tried in this order. Default: boxed, answer is, ####, last number. Without the last only a marked answer
   * counts; TATA has boxed, answer is, output, last number.
   */
  readonly markers?: readonly AnswerMarker[];
}

/** How much of a text's end is read, in UTF-16 units. */
const maximumLength = 100_000;
/** How much of it is read after "answer is". */
const maximumStatement = 2000;

/**
 * The answer that a solution gives, as it is written there; undefined if it gives none. Of the 100,000 last characters
 *
 * 1. `boxed`: what the last `\boxed{…}` or `\fbox{…}` that is closed holds (or `\boxed 7`);
 * 2. `answer is`: what follows the last "answer is" or "answer:", to the end of the sentence or line: the mathematics in it
 *    if it is marked by dollars or brackets of LaTeX; else the first number if there are words;
 * 3. `####`: the rest of the last line that has it, as GSM8K's solutions end, unless it is a heading of Markdown;
 * 4. `last number`: the last number, fraction or percentage.
 *
 * `output`, which does not count by default, is what the last fenced block of a program's output holds, whose fence says so.
 *
 * math-verify joins several boxes by commas, takes a text's last formula before its numbers, knows no `\fbox`, and looks for
 * numbers within 50 characters after "answer". lm-evaluation-harness's GSM8K takes the number after the *first* `####`
 * (`strict-match`), or the last run of digits, commas, dots and dollars (`flexible-extract`); its filters are in
 * `slimtune/evaluation` as they are there.
 *
 * @example
 * const { extractAnswer } = await import("slimtune");
 * console.log(extractAnswer("So $x = 3$, and the answer is \\boxed{\\frac{1}{3}}.")); // \frac{1}{3}
 * console.log(extractAnswer("3 + 4 = 7", { markers: ["boxed", "answer is"] })); // undefined
 */
export function extractAnswer(
  text: string,
  { markers = ["boxed", "answer is", "####", "last number"] }: ExtractionOptions = {},
): string | undefined {
  const end = text.slice(-maximumLength);
  for (const marker of markers) {
    const answer = finders[marker](end);
    if (answer) return answer;
  }
  return undefined;
}

const finders: Readonly<Record<AnswerMarker, (text: string) => string | undefined>> = {
  boxed: findBoxed,
  "answer is": findStated,
  "####": findAfterHashes,
  output: findOutput,
  "last number": (text) => listNumbers(text).at(-1),
};

function findBoxed(text: string): string | undefined {
  const groups = new Map<number, string | undefined>();
  for (const match of text.matchAll(/\\(?:boxed|fbox)\s*(\{|[^\s{}$]+)/g)) {
    const [whole, content] = match;
    const start = match.index + whole.length - content!.length;
    groups.set(start, content === "{" ? undefined : content!.replace(/[.,;:]+$/, ""));
  }
  const open: number[] = [];
  for (const { 0: token, index } of text.matchAll(/\\[\s\S]|[{}]/g)) {
    if (token === "{") open.push(index);
    if (token !== "}") continue;
    const start = open.pop();
    if (start !== undefined && groups.has(start)) groups.set(start, text.slice(start + 1, index).trim());
  }
  return [...groups.values()].findLast((content) => content);
}

const formulas = /\$\$([^$]+)\$\$|\$([^$\n]+)\$(?!\d)|\\\[([\s\S]+?)\\\]|\\\((.+?)\\\)/;

function findStated(text: string): string | undefined {
  const last = [...text.matchAll(/\banswer\**\s*(?:is\b|:)/gi)].at(-1);
  if (!last) return undefined;
  const rest = text
    .slice(last.index + last[0].length)
    .replace(/^[\s:*]+/, "")
    .slice(0, maximumStatement);
  const first = formulas.exec(rest);
  if (first?.index === 0) return formulaOf(first);
  const sentence = /^.*?(?=[.!?]*\**(?:\n|$)|[.!?]\**\s)/.exec(rest)![0].replaceAll("**", "").trim();
  const formula = formulas.exec(sentence);
  if (formula) return formulaOf(formula);
  return (hasWords(sentence) ? listNumbers(sentence)[0] : undefined) ?? sentence;
}

const formulaOf = (match: RegExpExecArray) =>
  match
    .slice(1)
    .find((group) => group !== undefined)!
    .trim();

const mathematicalWords = new Set<string>([...functionNames, "log", "sqrt", "pi", "and", "or"]);

const hasWords = (text: string) =>
  (text.match(/(?<![\\\p{L}])\p{L}{2,}/gu) ?? []).some((word) => !mathematicalWords.has(word.toLowerCase()));

function findAfterHashes(text: string): string | undefined {
  const end = text.trimEnd();
  const lines = [...end.matchAll(/(?<!#)####(?!#)[ \t]*([^\n]+)/g)];
  const isHeading = ({ 0: whole, 1: line, index }: RegExpExecArray) =>
    /^(?:\d+[.)]\s+)?\**\p{L}{2}/u.test(line!) && index + whole.length < end.length;
  return lines
    .filter((line) => !isHeading(line))
    .at(-1)?.[1]
    ?.trim();
}

function findOutput(text: string): string | undefined {
  const open = "```output\n";
  const start = text.lastIndexOf(open);
  return start < 0
    ? undefined
    : text
        .slice(start + open.length)
        .split("```", 1)[0]!
        .trim();
}

/** Numbers with their sign, fractions, mixed numbers and percentages, without currencies. */
function listNumbers(text: string): string[] {
  const found = text.matchAll(
    /(?<sign>(?<![\w)}\]])-)?[$€£]?(?<number>\\[dt]?frac\{\d+\}\{\d+\}|(?<![\w.])(?:\d+ \d+\/\d+|(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?(?:\/\d+)?)|(?<!\w)\.\d+)(?<percent>\s?\\?%)?/g,
  );
  return Array.from(found, ({ groups }) => {
    const { sign, number, percent } = groups!;
    return `${sign ? "-" : ""}${number}${percent ? "%" : ""}`;
  });
}
