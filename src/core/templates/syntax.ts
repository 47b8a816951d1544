/** @file The syntax of templates, which the library @huggingface/jinja reads. */

import * as jinja from "@huggingface/jinja";
import { withinPatience } from "../python/patience.ts";

/** A part of a template, with the fields that the kinds of parts have. */
export interface SyntaxNode {
  readonly type: string;
  readonly value?: unknown;
  readonly name?: SyntaxNode;
  readonly key?: SyntaxNode;
  readonly test?: SyntaxNode;
  readonly body?: readonly SyntaxNode[];
  readonly alternate?: readonly SyntaxNode[];
  readonly defaultBlock?: readonly SyntaxNode[];
  readonly loopvar?: SyntaxNode;
  readonly iterable?: SyntaxNode;
  readonly assignee?: SyntaxNode;
  readonly operator?: Token;
  readonly left?: SyntaxNode;
  readonly right?: SyntaxNode;
  readonly lhs?: SyntaxNode;
  readonly argument?: SyntaxNode;
  readonly condition?: SyntaxNode;
  readonly trueExpr?: SyntaxNode;
  readonly falseExpr?: SyntaxNode;
  readonly operand?: SyntaxNode;
  readonly negate?: boolean;
  readonly filter?: SyntaxNode;
  readonly callee?: SyntaxNode;
  readonly args?: readonly SyntaxNode[];
  readonly call?: SyntaxNode;
  readonly callerArgs?: readonly SyntaxNode[] | null;
  readonly object?: SyntaxNode;
  readonly property?: SyntaxNode;
  readonly computed?: boolean;
  readonly start?: SyntaxNode;
  readonly stop?: SyntaxNode;
  readonly step?: SyntaxNode;
}

interface Token {
  readonly type: string;
  readonly value: string;
}

/** The part of the library that is used here. Node's module resolution does not find its own declarations. */
interface Library {
  readonly parse: (tokens: readonly Token[]) => SyntaxNode;
  readonly tokenize: (template: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }) => Token[];
}
// One by one, so that a bundler leaves out the rest.
const parse = (jinja as unknown as Library).parse;
const tokenize = (jinja as unknown as Library).tokenize;

/**
 * @param lines what becomes of line breaks around blocks and at the template's end: "trim" as Transformers, "keep" as
 *   lm-evaluation-harness sets it
 * @throws Error if the template has a syntax error.
 */
export function parseTemplate(template: string, lines: "trim" | "keep"): SyntaxNode {
  const trim = lines === "trim";
  // Jinja2 makes a line break of each "\r\n" and "\r".
  const text = template.replace(/\r\n?/g, "\n");
  // The library always drops one line break at the end.
  const source = trim || !text.endsWith("\n") ? text : `${text}\n`;
  try {
    // The library takes the square of the length of a run of spaces.
    return withinPatience("it takes too long to read", () =>
      parse(keepNumbers(tokenize(source, { lstrip_blocks: trim, trim_blocks: trim }))),
    );
  } catch (error) {
    throw new Error(`the template has a syntax error (${reasonOf(error).replace(/\.$/, "")})`);
  }
}

/**
 * Numbers that the library does not read, or that JavaScript's do not hold, become names, of which the interpreter
 * makes numbers again: integers of many digits, 1e5, 1_000, 0xff.
 */
function keepNumbers(tokens: readonly Token[]): Token[] {
  const kept: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.type !== "NumericLiteral") {
      kept.push(token);
      continue;
    }
    const tail = tokens[i + 1]?.type === "Identifier" && numberTail.test(tokens[i + 1]!.value) ? 1 : 0;
    const isOpen = tail === 1 && /e$/i.test(tokens[i + 1]!.value);
    const parts = tokens.slice(i, i + 1 + tail + (isOpen ? 2 : 0));
    i += parts.length - 1;
    const value = parts.map((part) => part.value).join("");
    if (tail && tokens[i + 1]?.type === "Dot") throw new Error(`the number ${value}. is not supported`);
    const isLong = !value.includes(".") && value.length > 15;
    kept.push(parts.length > 1 || isLong ? { ...token, type: "Identifier", value } : token);
  }
  return kept;
}

/** What stands behind the first digits of a number, up to the sign of its exponent. */
const numberTail = /^(?:(?:_\d+)*(?:e(?:\d+(?:_\d+)*)?)?|[box]_?[\da-f]+(?:_[\da-f]+)*)$/i;

function reasonOf(error: unknown): string {
  if (error instanceof RangeError) return "it is nested too deeply";
  // The library reads on where a block has no end.
  return error instanceof TypeError ? "it ends within a block" : (error as Error).message;
}
