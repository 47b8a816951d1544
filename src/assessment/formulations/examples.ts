/** @file Examples, asked for as quotes, of which those count that stand in the text. */

import type { Dimension } from "../rubric.ts";
import { isLookedAt, isMarked, renderTurns } from "../texts.ts";
import type { Evidence, Formulation, Piece } from "./formulation.ts";
import { introduce } from "./prompt.ts";

/** Quotes that are asked for. */
const most = 3;
const nothing = "None";
/** Words of a quote that is not a whole turn: fewer would stand in almost any text. */
const leastWords = 3;

export const examples: Formulation = {
  name: "examples",
  description: `Asks for up to ${most} turns that show it, quoted; those that stand in the text are counted, and give the level.`,
  counts: true,
  cases: (piece) => [piece],
  prompt: (asked, { question, speaker }, rubric) =>
    `${introduce(asked, rubric)}${question} Quote up to ${most} turns${speaker === undefined ? "" : ` of the ${speaker}`} that show it, word for word, each on a line of its own. If there are none, answer: ${nothing}`,
  solution({ turns }, dimension) {
    const marked = turns.filter((turn) => isMarked(dimension, turn)).slice(0, most);
    return marked.length === 0 ? nothing : marked.map(({ text }) => text).join("\n");
  },
  topic: ({ turns }) => renderTurns(turns),
  maxTokens: 200,
  read([asked], [answer], dimension) {
    const quotes = readQuotes(answer!);
    if (quotes === "none") return { least: 0, most: 0, evidence: [] };
    const evidence = quotes.slice(0, most).map((quote): Evidence => {
      return { quote, turn: findQuote(quote, asked!, dimension) ?? null };
    });
    const standing = new Set(evidence.map(({ turn }) => turn).filter((turn) => turn !== null));
    // Nothing that it says is in the text: whether anything there shows it is not known.
    if (standing.size === 0) return { least: 0, most: Number.POSITIVE_INFINITY, evidence };
    return { least: standing.size, most: standing.size, evidence };
  },
};

/** The quotes of an answer, without numbers, dashes and marks around them; "none" if it says that there are none. */
function readQuotes(answer: string): string[] | "none" {
  if (
    /^\W*(?:(?:none|not found|no examples?(?: found)?)\W*(?:\n|$)|there (?:are|is) (?:none|no)\b)/i.test(
      answer,
    )
  )
    return "none";
  return answer
    .split("\n")
    .map((line) => line.replace(/^\s*(?:[-*•]|\(?\d+[.):])?\s*/u, "").trim())
    .filter((line) => line !== "");
}

/** The number of the turn that a quote stands in. */
function findQuote(quote: string, { turns, first }: Piece, dimension: Dimension): number | undefined {
  const place = turns.findIndex((turn) => {
    if (!isLookedAt(dimension, turn)) return false;
    const [said, sought] = [flatten(turn.text), withoutSpeaker(quote, turn.speaker)];
    if (sought === "") return false;
    return said === sought || (sought.split(" ").length >= leastWords && ` ${said} `.includes(` ${sought} `));
  });
  return place < 0 ? undefined : first + place;
}

function withoutSpeaker(quote: string, speaker: string): string {
  const [said, name] = [flatten(quote), flatten(speaker)];
  return said.startsWith(`${name} `) && /^[^:]*:/.test(quote) ? said.slice(name.length + 1) : said;
}

/** Words in lower case, without punctuation. */
function flatten(text: string): string {
  return (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).join(" ");
}
