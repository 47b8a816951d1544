/** @file Python's literals, in which rendered templates state lists of choices: `ast.literal_eval` for lists of texts. */

import { InputError } from "../errors.ts";

/** A literal that is treated here. Tuples are lists. */
export type Literal = string | number | boolean | null | readonly Literal[];

const token =
  /\s*(?:(?<text>'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*")|(?<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?<name>True|False|None)\b|(?<sign>[[\](),]))/y;
const names: Readonly<Record<string, Literal>> = { True: true, False: false, None: null };
const closing: Readonly<Record<string, string>> = { "[": "]", "(": ")" };

/** @throws InputError if it is no literal, or one of another kind. */
export function parseLiteral(source: string): Literal {
  const tokens = readTokens(source);
  const value = parseValue(tokens, source);
  if (tokens.length > 0) throw notLiteral(source);
  return value;
}

type Token = Readonly<Record<"text" | "number" | "name" | "sign", string | undefined>>;

function readTokens(source: string): Token[] {
  const tokens: Token[] = [];
  const text = source.trim();
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const match = token.exec(text);
    if (!match) throw notLiteral(source);
    tokens.push(match.groups as Token);
  }
  return tokens;
}

/** Parses the value at the beginning of the tokens, which are consumed. */
function parseValue(tokens: Token[], source: string): Literal {
  const { text, number, name, sign } = tokens.shift() ?? ({} as Partial<Token>);
  if (text !== undefined) {
    // Python joins texts that follow each other.
    const next = tokens[0]?.text === undefined ? "" : parseValue(tokens, source);
    return replaceEscapes(text.slice(1, -1)) + next;
  }
  if (number !== undefined) return Number(number);
  if (name !== undefined) return names[name]!;
  const end = sign && closing[sign];
  if (!end) throw notLiteral(source);
  const values: Literal[] = [];
  let separated = true;
  while (tokens[0]?.sign !== end) {
    if (!separated) throw notLiteral(source);
    values.push(parseValue(tokens, source));
    separated = tokens[0]?.sign === ",";
    if (separated) tokens.shift();
  }
  tokens.shift();
  // Parentheses around one value without a comma are no tuple.
  return sign === "(" && values.length === 1 && !separated ? values[0]! : values;
}

const characters: Readonly<Record<string, string>> = {
  "\n": "",
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

function replaceEscapes(text: string): string {
  return text.replace(
    /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([\s\S]))/g,
    (whole, x, u, long, octal, character) => {
      if (character !== undefined) return characters[character] ?? whole;
      return String.fromCodePoint(
        octal === undefined ? Number.parseInt(x ?? u ?? long, 16) : Number.parseInt(octal, 8),
      );
    },
  );
}

function notLiteral(source: string): InputError {
  const shown = source.length > 60 ? `${source.slice(0, 60)}…` : source;
  return new InputError(`${JSON.stringify(shown)} is no list in Python's notation, such as ['yes', 'no'].`);
}
