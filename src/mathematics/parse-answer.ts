/** @file An answer as a tree, by descent through its tokens. */

import Fraction from "fraction.js";
import { functionNames, readTokens, type Token, Unreadable } from "./answer-tokens.ts";

export type FunctionName = (typeof functionNames)[number];

export type Operator =
  | FunctionName
  /** Of any number of operands. */
  | "add"
  | "multiply"
  /** Of two: a dividend and its divisor, a base and its exponent, n and k, a radicand and its index, a number and its base. */
  | "divide"
  | "power"
  | "binomial"
  | "root"
  | "log"
  | "negate"
  | "percent"
  | "factorial"
  | "floor"
  | "ceil";

export interface NumberLiteral {
  readonly kind: "number";
  readonly value: Fraction;
  /** Whether it is written with a decimal point or an exponent, and so may be rounded. */
  readonly isDecimal: boolean;
}

export interface Constant {
  readonly kind: "constant";
  readonly name: "π" | "e" | "i" | "∞";
}

export interface Variable {
  readonly kind: "variable";
  readonly name: string;
}

export interface Application {
  readonly kind: "application";
  readonly operator: Operator;
  readonly operands: readonly Expression[];
}

export type Expression = NumberLiteral | Constant | Variable | Application;

/** A tuple, an interval, a row of a matrix or the matrix ("(" or "["), a set ("{"), or answers side by side (""). */
export interface List {
  readonly kind: "list";
  readonly open: "(" | "[" | "{" | "";
  readonly close: ")" | "]" | "}" | "";
  readonly items: readonly Answer[];
}

export interface Union {
  readonly kind: "union";
  readonly parts: readonly Answer[];
}

export type Comparison = "=" | "≠" | "<" | "≤" | ">" | "≥";

/** Sides with a comparison between each and the next, as in 1 < x < 2. */
export interface Relation {
  readonly kind: "relation";
  readonly sides: readonly Answer[];
  readonly comparisons: readonly Comparison[];
}

export interface Words {
  readonly kind: "words";
  readonly text: string;
}

export type Answer = Expression | List | Union | Relation | Words;

/** Brackets, roots, signs and powers within each other; deeper texts are not read. */
const maximumDepth = 100;
/** A decimal exponent beyond any float's. */
const maximumExponent = 400;
/** The longest word that is read as a product of letters among operators. */
const longestProduct = 4;

/** The answer that a text of at most some thousand characters gives. What cannot be read is words. */
export function parseAnswer(text: string): Answer {
  try {
    const tokens = readTokens(text);
    const items = chooseSigns(tokens).flatMap(parseTokens);
    return items.length === 1 ? items[0]! : { kind: "list", open: "", close: "", items };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { kind: "words", text };
  }
}

/** The tokens as they are or, with ± or ∓ among them, once with the upper and once with the lower signs. */
function chooseSigns(tokens: readonly Token[]): Token[][] {
  const isDouble = ({ text }: Token) => text === "±" || text === "∓";
  if (!tokens.some(isDouble)) return [[...tokens]];
  return ["±", "∓"].map((positive) =>
    tokens.map((token) =>
      isDouble(token) ? { ...token, text: token.text === positive ? "+" : "-" } : token,
    ),
  );
}

export const number = (value: number | Fraction): NumberLiteral => ({
  kind: "number",
  value: new Fraction(value),
  isDecimal: false,
});
export const constant = (name: Constant["name"]): Constant => ({ kind: "constant", name });
const variable = (name: string): Variable => ({ kind: "variable", name });
export const apply = (operator: Operator, ...operands: Expression[]): Expression =>
  operands.length === 1 && (operator === "add" || operator === "multiply")
    ? operands[0]!
    : { kind: "application", operator, operands };

export function isExpression(answer: Answer): answer is Expression {
  return ["number", "constant", "variable", "application"].includes(answer.kind);
}

function asExpression(answer: Answer): Expression {
  if (!isExpression(answer)) throw new Unreadable();
  return answer;
}

const comparisons: ReadonlySet<string> = new Set<Comparison>(["=", "≠", "<", "≤", ">", "≥"]);
const functions: ReadonlySet<string> = new Set([...functionNames, "log"]);
const closingNames: ReadonlySet<string> = new Set(["rfloor", "rceil", "closematrix"]);
const inverses: Readonly<Record<string, FunctionName>> = { sin: "arcsin", cos: "arccos", tan: "arctan" };

/** @param tokens are changed on the way */
function parseTokens(tokens: Token[]): Answer[] {
  let position = 0;
  let depth = 0;
  let openBars = 0;

  const next = (): Token | undefined => tokens[position];
  const isNext = (text: string) => next()?.kind === "sign" && next()!.text === text;
  function accept(text: string): boolean {
    const isFound = isNext(text);
    if (isFound) position++;
    return isFound;
  }
  function take(): Token {
    const token = tokens[position++];
    if (!token) throw new Unreadable();
    return token;
  }
  function expect(text: string): void {
    if (take().text !== text) throw new Unreadable();
  }
  function nested<T>(parse: () => T): T {
    if (++depth > maximumDepth) throw new Unreadable();
    const parsed = parse();
    depth--;
    return parsed;
  }

  /** Items up to what cannot be one of them. */
  function parseItems(): Answer[] {
    const items: Answer[] = [];
    do {
      while (accept(","));
      const token = next();
      if (!token || [")", "]", "}", "\\}"].includes(token.text)) break;
      items.push(parseItem());
    } while (isNext(","));
    return items;
  }

  function parseItem(): Answer {
    const words = parseWords();
    if (words) return words;
    // "≈ 3" alone says 3.
    accept("=");
    const sides = [parseSide()];
    const found: Comparison[] = [];
    while (next() && comparisons.has(next()!.text)) {
      found.push(take().text as Comparison);
      sides.push(parseSide());
    }
    if (accept("∈")) return parseSide();
    return found.length > 0 ? { kind: "relation", sides, comparisons: found } : sides[0]!;
  }

  /** Running text up to the next comma, in small letters, if there is nothing else. */
  function parseWords(): Words | undefined {
    let end = position;
    while (tokens[end] && ["word", "letter", "number"].includes(tokens[end]!.kind)) end++;
    const text = tokens.slice(position, end);
    const isEnd = !tokens[end] || [",", ")", "]", "}", "\\}"].includes(tokens[end]!.text);
    if (!isEnd || text[0]?.kind === "number" || !text.some(({ kind }) => kind === "word")) return undefined;
    position = end;
    return { kind: "words", text: text.map((token) => token.text.toLowerCase()).join(" ") };
  }

  function parseSide(): Answer {
    const parts = [parsePart()];
    while (accept("∪")) parts.push(parsePart());
    return parts.length > 1 ? { kind: "union", parts } : parts[0]!;
  }

  function parsePart(): Answer {
    const part = parseSum();
    skipUnit();
    return part;
  }

  /** What a quantity is counted in: words, with exponents and what they are divided by. */
  function skipUnit(): void {
    if (next()?.kind !== "word" && !isPer()) return;
    while (next()?.kind === "word" || next()?.kind === "letter" || isNext("/") || isNext("^")) {
      if (take().text === "^") parsePrimary();
    }
  }

  const isPer = () => isNext("/") && tokens[position + 1]?.kind === "word";

  function parseSum(): Answer {
    const first = parseProduct();
    const terms = [first];
    while (isNext("+") || isNext("-")) {
      const isNegative = take().text === "-";
      const term = asExpression(parseProduct());
      terms.push(isNegative ? apply("negate", term) : term);
    }
    return terms.length === 1 ? first : apply("add", ...terms.map(asExpression));
  }

  function parseProduct(): Answer {
    let product = parseSigned();
    for (;;) {
      if (accept("*")) product = apply("multiply", asExpression(product), asExpression(parseSigned()));
      else if (!isPer() && accept("/"))
        product = apply("divide", asExpression(product), asExpression(parseSigned()));
      else if (startsFactor()) product = apply("multiply", asExpression(product), asExpression(parsePower()));
      else return product;
    }
  }

  /** Whether a factor follows without a sign between. */
  function startsFactor(): boolean {
    const token = next();
    if (!token) return false;
    const { kind, text, isSpaced } = token;
    if (kind === "letter") return true;
    if (kind === "name") return !closingNames.has(text);
    if (kind === "word") return !isSpaced && text.length <= longestProduct;
    if (kind === "sign") return ["(", "[", "{"].includes(text) || (text === "|" && openBars === 0);
    return false;
  }

  function parseSigned(): Answer {
    if (accept("-")) return apply("negate", asExpression(nested(parseSigned)));
    if (accept("+")) return nested(parseSigned);
    return parsePower();
  }

  function parsePower(): Answer {
    let base = nested(parsePrimary);
    for (;;) {
      if (accept("!")) base = apply("factorial", asExpression(base));
      else if (accept("%")) base = apply("percent", asExpression(base));
      else if (isNext("^")) return apply("power", asExpression(base), parseExponent());
      else return base;
    }
  }

  function parseExponent(): Expression {
    expect("^");
    const isNegative = accept("-");
    const exponent = asExpression(nested(parsePower));
    return isNegative ? apply("negate", exponent) : exponent;
  }

  function parsePrimary(): Answer {
    const token = take();
    switch (token.kind) {
      case "number":
        return parseNumber(token.text);
      case "letter":
        return parseVariable(token.text);
      case "word":
        if (token.text.length > longestProduct) return variable(token.text);
        return apply("multiply", ...Array.from(token.text, variable));
      case "name":
        return parseNamed(token.text);
      case "sign":
        return parseBracketed(token.text);
    }
  }

  function parseNumber(text: string): Expression {
    const literal = readNumber(text);
    // A number's base.
    if (accept("_")) parsePrimary();
    const isWhole = (token: Token | undefined) => token?.kind === "number" && /^\d+$/.test(token.text);
    const [first, second, third] = tokens.slice(position, position + 3);
    if (!/^\d+$/.test(text)) return literal;
    if (isWhole(first) && first!.isSpaced && second?.text === "/" && isWhole(third)) {
      position += 3;
      return apply("add", literal, apply("divide", readNumber(first!.text), readNumber(third!.text)));
    }
    if (first?.kind === "name" && first.text === "frac") {
      const fraction = asExpression(parsePrimary());
      const isMixed =
        fraction.kind === "application" && fraction.operands.every(({ kind }) => kind === "number");
      return apply(isMixed ? "add" : "multiply", literal, fraction);
    }
    return literal;
  }

  function parseVariable(name: string): Expression {
    if (!accept("_")) return name === "e" || name === "i" ? constant(name) : variable(name);
    const start = position;
    parsePrimary();
    const subscript = tokens.slice(start, position).filter(({ text }) => text !== "{" && text !== "}");
    return variable(`${name}_${subscript.map(({ text }) => text).join("")}`);
  }

  function parseNamed(name: string): Answer {
    if (functions.has(name)) return parseFunction(name as FunctionName | "log");
    switch (name) {
      case "pi":
        return constant("π");
      case "frac":
        return apply("divide", parseArgument(), parseArgument());
      case "binom":
        return apply("binomial", parseArgument(), parseArgument());
      case "sqrt": {
        let index: Expression = number(2);
        if (accept("[")) {
          index = asExpression(nested(parseSum));
          expect("]");
        }
        return apply("root", asExpression(nested(parsePrimary)), index);
      }
      case "lfloor":
      case "lceil": {
        const operand = asExpression(nested(parseSum));
        expect(name.replace("l", "r"));
        return apply(name === "lfloor" ? "floor" : "ceil", operand);
      }
      case "reals":
        return bracketed("(", [apply("negate", constant("∞")), constant("∞")], ")");
      case "openmatrix":
        return nested(parseMatrix);
      default:
        if (isNext("{") || closingNames.has(name)) throw new Unreadable();
        return parseVariable(name);
    }
  }

  /** LaTeX's argument: a group, or a single digit or letter. */
  function parseArgument(): Expression {
    const token = next();
    if (token?.kind === "number" && /^\d{2,}$/.test(token.text)) {
      tokens[position] = { ...token, text: token.text.slice(1) };
      return readNumber(token.text[0]!);
    }
    return asExpression(nested(parsePrimary));
  }

  function parseFunction(name: FunctionName | "log"): Expression {
    const base = accept("_") ? parseArgument() : undefined;
    const exponent = isNext("^") ? parseExponent() : undefined;
    let argument = isNext("(") ? asExpression(nested(parsePrimary)) : asExpression(nested(parseSigned));
    const isCalled = tokens[position - 1]?.text === ")";
    while (!isCalled && startsFactor() && !isNext("(") && !functions.has(next()!.text))
      argument = apply("multiply", argument, asExpression(parsePower()));
    const isInverse =
      exponent?.kind === "application" && exponent.operator === "negate" && inverses[name] !== undefined;
    if (isInverse) return apply(inverses[name]!, argument);
    const value = name === "log" ? apply("log", argument, base ?? number(10)) : apply(name, argument);
    return exponent ? apply("power", value, exponent) : value;
  }

  function parseMatrix(): Answer {
    const rows: Answer[][] = [[]];
    while (next()?.text !== "closematrix") {
      if (accept("\\\\")) rows.push([]);
      else {
        accept("&");
        rows.at(-1)!.push(parseSum());
      }
    }
    position++;
    const items = rows.filter((row) => row.length > 0).map((row) => bracketed("[", row, "]"));
    return bracketed("[", items, "]");
  }

  function parseBracketed(open: string): Answer {
    switch (open) {
      case "∞":
        return constant("∞");
      case "∅":
        return bracketed("{", [], "}");
      case "|": {
        openBars++;
        const operand = asExpression(nested(parseSum));
        openBars--;
        expect("|");
        return apply("abs", operand);
      }
      case "(":
      case "[": {
        const bars = openBars;
        openBars = 0;
        const items = nested(parseItems);
        openBars = bars;
        const close = take().text;
        if ((close !== ")" && close !== "]") || items.length === 0) throw new Unreadable();
        if (items.length > 1) return bracketed(open, items, close);
        if ((open === "(") !== (close === ")")) throw new Unreadable();
        return items[0]!;
      }
      case "{": {
        const items = nested(parseItems);
        expect("}");
        if (items.length === 0) throw new Unreadable();
        return items.length > 1 ? bracketed("{", items, "}") : items[0]!;
      }
      case "\\{": {
        const items = nested(parseItems);
        expect("\\}");
        return bracketed("{", items, "}");
      }
      default:
        throw new Unreadable();
    }
  }

  const items = parseItems();
  if (position < tokens.length || items.length === 0) throw new Unreadable();
  return items;
}

const bracketed = (open: List["open"], items: readonly Answer[], close: List["close"]): List => ({
  kind: "list",
  open,
  close,
  items,
});

function readNumber(text: string): NumberLiteral {
  const [mantissa, exponent = "0"] = text.toLowerCase().split("e");
  if (Math.abs(Number(exponent)) > maximumExponent) throw new Unreadable();
  const power = new Fraction(10n ** BigInt(Math.abs(Number(exponent))));
  const value = new Fraction(mantissa!);
  return {
    kind: "number",
    value: Number(exponent) < 0 ? value.div(power) : value.mul(power),
    isDecimal: /[.e]/i.test(text) && !text.includes("'"),
  };
}
