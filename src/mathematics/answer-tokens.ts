/** @file The text of an answer, in LaTeX or as people type it, as tokens. */

export interface Token {
  /** A name is LaTeX's command without its backslash, or a function; a word more than one letter of running text. */
  readonly kind: "number" | "letter" | "name" | "word" | "sign";
  readonly text: string;
  /** Whether space stands before it. */
  readonly isSpaced: boolean;
}

/** What is no mathematics that can be read here. */
export class Unreadable extends Error {}

/** Functions of one number, by their names in LaTeX, where `sin` also stands as `\sin`. */
export const functionNames = [
  ...["sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"],
  ...["exp", "ln", "abs"],
] as const;

/** Names that people write without a backslash too. */
const plainNames = new Set<string>([...functionNames, "log", "sqrt", "pi"]);

/** Of lines with a sign and what means it: the sign by what means it. */
const readTable = (lines: string): ReadonlyMap<string, string> =>
  new Map(
    lines
      .trim()
      .split("\n")
      .flatMap((line) => {
        const [sign, ...meanings] = line.trim().split(" ");
        return meanings.map((meaning): [string, string] => [meaning, sign!]);
      }),
  );

/** Words that mean a sign. */
const wordSigns = readTable(`
  , and or ,
  % percent percentage pct
  ∞ infinity inf oo
`);

/** Commands of LaTeX and characters that mean a sign. */
const signs = readTable(String.raw`
  - − –
  * cdot times ast × · ⋅
  / div ÷ : ⁄
  ^ **
  ± pm
  ∓ mp
  % \%
  | vert lvert rvert
  = approx ≈ ==
  ≠ ne neq !=
  < lt
  ≤ le leq leqslant <=
  > gt
  ≥ ge geq geqslant >=
  ∈ in
  ∪ cup
  ∅ emptyset varnothing
  ∞ infty
  \{ lbrace
  \} rbrace
  , ; land lor wedge vee
`);

/** Words of two letters, mostly units. What else has two letters is a product. */
const shortWords = new Set("cm mm km kg mg ml mL ft in lb oz hr am pm no No NO".split(" "));

const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** Rewritings of the text before it is cut, in their order. */
const rewritings: readonly [RegExp, string | ((...groups: string[]) => string)][] = [
  [/[⁰¹²³⁴⁵⁶⁷⁸⁹]+/g, (digits) => `^{${Array.from(digits, (digit) => superscripts.indexOf(digit)).join("")}}`],
  [/(?<=\d)(?=[¼½¾⅐-⅞])/g, " "],
  [/√/g, "\\sqrt "],
  [/π/g, "\\pi "],
  [/\\mathbb\s*\{?\s*R\s*\}?|ℝ/g, "\\reals "],
  // 1\,000, 1\!000, 1{,}000 and 1,\!000
  [/(?<=\d)(?:,?\\[,!; ]|\{,\}|[\u00a0\u2009\u202f])(?=\d{3}(?!\d))/g, ""],
  [/\\\$|[$€£¥₹₽₩"]/g, ""],
  [/\\[dtc]frac(?![a-zA-Z])/g, "\\frac"],
  [/\\[dt]binom(?![a-zA-Z])/g, "\\binom"],
  [/\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle)(?![a-zA-Z])\.?/g, ""],
  [/(?<!\\)\\(?:[,!;:> ]|q?quad(?![a-zA-Z]))|~/g, " "],
  [/\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-zA-Z]))|°/g, " "],
  [/\\begin\s*\{(?:[pbB]?matrix|array)\}(?:\s*\{[lcr|]*\})?/g, " \\openmatrix "],
  [/\\end\s*\{(?:[pbB]?matrix|array)\}/g, " \\closematrix "],
  [/\\(?:mathbf|mathit|boldsymbol|bm|operatorname)\s*\{([^{}]*)\}/g, (_, inner) => ` ${inner} `],
  // A single letter after a digit is a unit there, and elsewhere a name.
  [/(?<=\d)\s*\\(?:text|textrm|mathrm|mbox)\s*\{\s*[a-zA-Z]\s*\}(?:\^\{?\d\}?)?/g, ""],
  [
    /\\(?:text|textrm|textbf|textit|textnormal|mathrm|mbox)\s*\{([^{}]*)\}/g,
    (_, inner) => (/[a-z]{2}/i.test(inner!) ? ` "${inner}" ` : ` ${inner} `),
  ],
  // "18 m" and "9.8 m/s^2"
  [
    /^((?:.*=)?\s*-?[\d.,]+)\s+[mgshLl](?:\s*\^?\s*\{?[23]\}?)?(?:\s*\/\s*s(?:\s*\^?\s*\{?2\}?)?)?\s*$/,
    (_, quantity) => quantity!,
  ],
  [/(?<=\d)\s*x\s*(?=10\s*(?:\^|\*\*))/g, "*"],
  [/(\d*\.\d*)\\(?:overline|bar|dot)\s*\{?\s*(\d+)\s*\}?/g, (_, start, repeated) => `${start}'${repeated}'`],
  [/[\s.,;:]+$/, ""],
];

const token =
  /\s*(?:(?<number>\d*\.\d*'\d+'|(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)|"(?<quoted>[^"]*)"|\\(?<command>[a-zA-Z]+)|(?<letters>\p{L}+)|(?<sign>\*\*|[<>!=]=|\\[^a-zA-Z]|\S))/uy;
const separatedNumber = /\s*(?<number>[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?)(?![\d,])/y;

/**
 * @param text of at most some thousand characters: rewriting takes a time in the square of it at worst
 * @throws Unreadable if it holds what is no token
 */
export function readTokens(text: string): Token[] {
  const rewritten = rewritings
    .reduce((result, [pattern, replacement]) => result.replace(pattern, replacement as string), text)
    .normalize("NFKC");
  const tokens: Token[] = [];
  let brackets = 0;
  let position = 0;
  while (position < rewritten.length) {
    // Between brackets a comma separates elements.
    const expressions = brackets > 0 ? [token] : [separatedNumber, token];
    let match: RegExpExecArray | null = null;
    for (const expression of expressions) {
      expression.lastIndex = position;
      match ??= expression.exec(rewritten);
    }
    if (!match) throw new Unreadable();
    const { number, quoted, command, letters, sign } = match.groups!;
    const isSpaced = /^\s/.test(match[0]);
    position += match[0].length;
    if (number !== undefined) tokens.push({ kind: "number", text: number.replaceAll(",", ""), isSpaced });
    else if (quoted !== undefined) tokens.push(...readWords(quoted));
    else if (command !== undefined) tokens.push(readName(command, isSpaced));
    else if (letters !== undefined) tokens.push(...readLetters(letters, isSpaced));
    else {
      tokens.push({ kind: "sign", text: signs.get(sign!) ?? sign!, isSpaced });
      if (["(", "[", "\\{"].includes(sign!)) brackets++;
      if ([")", "]", "\\}"].includes(sign!)) brackets--;
    }
  }
  return tokens;
}

function readName(text: string, isSpaced: boolean): Token {
  const sign = signs.get(text);
  return sign ? { kind: "sign", text: sign, isSpaced } : { kind: "name", text, isSpaced };
}

/** Letters outside of LaTeX's commands: a name, a word, or single letters side by side. */
function readLetters(text: string, isSpaced: boolean): Token[] {
  const name = text.toLowerCase();
  const sign = wordSigns.get(name);
  if (sign) return [{ kind: "sign", text: sign, isSpaced }];
  if (plainNames.has(name)) return [{ kind: "name", text: name, isSpaced }];
  if (text.length > 2 || shortWords.has(text)) return [{ kind: "word", text, isSpaced }];
  return Array.from(text, (letter, i) => ({ kind: "letter", text: letter, isSpaced: isSpaced && i === 0 }));
}

/** What stands in LaTeX's `\text`. */
function readWords(text: string): Token[] {
  return Array.from(text.matchAll(/[\p{L}\p{N}.'-]+|\S/gu), ([word]) => {
    const sign = wordSigns.get(word.toLowerCase());
    return { kind: sign ? "sign" : "word", text: sign ?? word, isSpaced: true };
  });
}
