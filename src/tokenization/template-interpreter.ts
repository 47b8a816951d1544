/** @file The interpreter of templates: the library's, with Jinja2's results where the two differ, and bounded. */

import * as jinja from "@huggingface/jinja";

/** The part of the library that is used here. Node's module resolution does not find its own declarations. */
const { Environment, Interpreter, parse, tokenize } = jinja as unknown as {
  readonly Environment: new () => Variables;
  readonly Interpreter: new (variables: Variables) => LibraryInterpreter;
  readonly parse: (tokens: unknown) => SyntaxNode;
  readonly tokenize: (template: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }) => unknown;
};

interface Variables {
  set(name: string, value: unknown): Value;
}

interface LibraryInterpreter {
  run(program: SyntaxNode): Value;
  evaluate(node: SyntaxNode | undefined, variables: Variables): Value | undefined;
  evaluateBlock(statements: readonly SyntaxNode[], variables: Variables): Value;
}

/** A value of the template language. Lists and tuples hold an array of values, objects a map of them. */
interface Value {
  readonly type: string;
  readonly value: unknown;
}

/** A node of a template's syntax tree, with the parts of the nodes that are treated here. */
interface SyntaxNode {
  readonly type: string;
  readonly value?: unknown;
  readonly iterable?: SyntaxNode;
  readonly lhs?: SyntaxNode;
  readonly body?: readonly SyntaxNode[];
  readonly defaultBlock?: readonly SyntaxNode[];
  readonly operator?: { readonly value: string };
  readonly left?: SyntaxNode;
  readonly right?: SyntaxNode;
  readonly operand?: SyntaxNode;
  readonly filter?: SyntaxNode;
  readonly test?: SyntaxNode;
  readonly callee?: SyntaxNode;
  readonly args?: readonly SyntaxNode[];
  readonly object?: SyntaxNode;
  readonly property?: SyntaxNode;
  readonly computed?: boolean;
}

/** A template that is ready to be run. */
export type TemplateProgram = SyntaxNode;

/**
 * @param lines what becomes of line breaks around blocks and at the template's end: "trim" as Transformers, "keep" as
 *   lm-evaluation-harness sets it
 * @throws Error if the template has a syntax error.
 */
export function parseTemplate(template: string, lines: "trim" | "keep" = "trim"): TemplateProgram {
  const trim = lines === "trim";
  // Jinja2 makes a line break of each "\r\n" and "\r".
  const text = template.replace(/\r\n?/g, "\n");
  // The library always drops one line break at the end.
  const source = trim || !text.endsWith("\n") ? text : `${text}\n`;
  try {
    return parse(tokenize(source, { lstrip_blocks: trim, trim_blocks: trim }));
  } catch (error) {
    // The library reads on where a block has no end.
    const reason = error instanceof TypeError ? "it ends within a block" : (error as Error).message;
    throw new Error(`the template has a syntax error (${reason.replace(/\.$/, "")})`);
  }
}

/**
 * @param undefinedNames what a name that is not defined means: nothing, or an error as with Jinja2's StrictUndefined
 * @throws Error if the template fails or exceeds the bounds on its work, and whatever a function it calls throws.
 */
export function runTemplate(
  program: TemplateProgram,
  variables: Readonly<Record<string, unknown>>,
  undefinedNames: "empty" | "error" = "empty",
): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries({ ...variables, range: boundedRange })) {
    if (value !== undefined) environment.set(name, value);
  }
  return String(new BoundedInterpreter(environment, undefinedNames === "error").run(program).value);
}

/** One or two seconds of work. A conversation of a hundred messages takes some thousands. */
const maximumSteps = 500_000;
const maximumTextLength = 2 ** 24;
const maximumListLength = 2 ** 16;

/** A loop that is being run, and the text of its turns that were left early, which goes before what it prints next. */
interface Loop {
  readonly body: unknown;
  readonly defaultBlock: unknown;
  text: string;
}

/** `{% break %}` and `{% continue %}`, with the text that their turn of the loop printed before. */
class LoopControl extends Error {
  readonly type: string;
  text = "";
  constructor(type: string) {
    super("it leaves a loop where there is none");
    this.type = type;
  }
}

/**
 * Templates come with models from strangers. Each evaluation of a node and each turn of a loop counts as a step, and
 * the results are bounded, so that neither loops nor texts grow without end. The work inside one built-in filter is
 * not bounded.
 *
 * Where the library's result is not Jinja2's and no error tells of it, the node is evaluated here.
 */
class BoundedInterpreter extends Interpreter {
  readonly #isStrict: boolean;
  /** Expressions that are asked whether they are defined. */
  readonly #questioned = new Set<unknown>();
  #steps = 0;
  readonly #iterated = new Set<unknown>();
  readonly #loops: Loop[] = [];

  constructor(variables: Variables, isStrict: boolean) {
    super(variables);
    this.#isStrict = isStrict;
  }

  override evaluate(node: SyntaxNode | undefined, variables: Variables): Value {
    if (node?.type === "Evaluated") return node.value as Value;
    this.#count(1);
    const result =
      (node && this.#evaluateAsJinja2(node, variables)) ??
      super.evaluate(node, variables) ??
      // The library has no value for the first element of an empty list.
      super.evaluate(undefined, variables)!;
    if (this.#isStrict && node && result.type === "UndefinedValue") this.#checkDefined(node);
    const { value } = result;
    if (typeof value === "string" && value.length > maximumTextLength) {
      throw new Error(`its text is longer than ${maximumTextLength} characters`);
    }
    if (Array.isArray(value) && value.length > maximumListLength) {
      throw new Error(`it makes a list of more than ${maximumListLength} elements`);
    }
    if (this.#iterated.has(node)) {
      this.#count(Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0);
    }
    return result;
  }

  /** Prints as Jinja2 does, and keeps what a turn of a loop prints before it is left, which the library drops. */
  override evaluateBlock(statements: readonly SyntaxNode[], variables: Variables): Value {
    const innermost = this.#loops.at(-1);
    const isTurn = innermost?.body === statements;
    let text = "";
    if (innermost && (isTurn || innermost.defaultBlock === statements)) {
      text = innermost.text;
      innermost.text = "";
    }
    for (const statement of statements) {
      try {
        const result = this.evaluate(statement, variables);
        if (!silentStatements.has(statement.type)) text += printed(result);
      } catch (error) {
        if (!(error instanceof LoopControl)) throw error;
        error.text = text + error.text;
        if (!innermost || !isTurn) throw error;
        innermost.text = error.text;
        // Throws what the library's loop catches.
        super.evaluate({ type: error.type }, variables);
      }
    }
    return this.#text(text);
  }

  /** As in Jinja2, only names and their parts must be defined: a condition without "else" may give nothing. */
  #checkDefined(node: SyntaxNode): void {
    const isName = node.type === "Identifier" || node.type === "MemberExpression";
    if (isName && !this.#questioned.has(node)) throw new Error(`${writtenName(node)} is undefined`);
  }

  #count(steps: number): void {
    this.#steps += steps;
    if (this.#steps > maximumSteps) throw new Error(`it takes more than ${maximumSteps} steps`);
  }

  #evaluateAsJinja2(node: SyntaxNode, variables: Variables): Value | undefined {
    switch (node.type) {
      case "For":
        return this.#evaluateLoop(node, variables);
      case "Break":
      case "Continue":
        throw new LoopControl(node.type);
      case "BinaryExpression":
        return this.#evaluateBinary(node, variables);
      case "FilterExpression":
        return this.#evaluateFilter(node, variables);
      case "CallExpression":
        return this.#evaluateMethod(node, variables);
      case "TestExpression":
        if (node.test?.value === "defined" || node.test?.value === "undefined") {
          this.#questioned.add(node.operand);
        }
        return undefined;
      default:
        return undefined;
    }
  }

  #evaluateLoop(node: SyntaxNode, variables: Variables): Value {
    const { iterable, body, defaultBlock } = node;
    this.#iterated.add(iterable?.type === "SelectExpression" ? iterable.lhs : iterable);
    const loop: Loop = { body, defaultBlock, text: "" };
    this.#loops.push(loop);
    try {
      const { value } = super.evaluate(node, variables)!;
      return this.#text(`${value}${loop.text}`);
    } finally {
      this.#loops.pop();
    }
  }

  #evaluateBinary(node: SyntaxNode, variables: Variables): Value | undefined {
    const operator = node.operator?.value;
    if (operator === "and" || operator === "or") return undefined;
    const left = this.evaluate(node.left, variables);
    const right = this.evaluate(node.right, variables);
    if (operator === "==") return areEqual(left, right) ? trueValue : falseValue;
    if (operator === "!=") return areEqual(left, right) ? falseValue : trueValue;
    if (operator === "~") return this.#text(printed(left) + printed(right));
    if (operator === "+" && isText(left) !== isText(right)) {
      throw new Error(`it joins a text and a ${nameOf(isText(left) ? right : left)} by "+"`);
    }
    if (operator === "%" && isInteger(left) && isInteger(right)) {
      if (right.value === 0) throw new Error("it divides by zero");
      // Python's remainder has the sign of the divisor.
      const value = left.value - right.value * Math.floor(left.value / right.value);
      return super.evaluate({ type: "IntegerLiteral", value }, variables);
    }
    return super.evaluate({ ...node, left: evaluated(left), right: evaluated(right) }, variables);
  }

  #evaluateFilter(node: SyntaxNode, variables: Variables): Value | undefined {
    const { filter } = node;
    const name = filter?.type === "CallExpression" ? filter.callee?.value : filter?.value;
    if (name === "default") this.#questioned.add(node.operand);
    const operand = this.evaluate(node.operand, variables);
    if (name === "string") return this.#text(printed(operand));
    if (isText(operand) && typeof name === "string" && textFilters.has(name)) {
      const args = (filter?.args ?? []).map((arg) => this.evaluate(arg, variables));
      return this.#text(textFilters.get(name)!(operand.value, charactersOf(args, name)));
    }
    let input = evaluated(operand);
    if (name === "join" && Array.isArray(operand.value)) {
      if (filter?.args?.some(({ type }) => type.startsWith("Keyword"))) {
        throw new Error('it gives "join" a named argument, which is not supported');
      }
      const elements = operand.value.map((element: Value) => evaluated(this.#text(printed(element))));
      input = { type: "ArrayLiteral", value: elements };
    }
    return super.evaluate({ ...node, operand: input }, variables);
  }

  #evaluateMethod(node: SyntaxNode, variables: Variables): Value | undefined {
    const { callee, args = [] } = node;
    const name = callee?.property?.value;
    if (callee?.type !== "MemberExpression" || callee.computed || typeof name !== "string") return undefined;
    const object = this.evaluate(callee.object, variables);
    if (name === "index" && Array.isArray(object.value)) return this.#indexOf(object.value, args, variables);
    const method = textMethods.get(name);
    if (!method || !isText(object)) {
      return super.evaluate({ ...node, callee: { ...callee, object: evaluated(object) } }, variables);
    }
    const values = args.map((arg) => this.evaluate(arg, variables));
    return this.#text(method(object.value, charactersOf(values, name)));
  }

  /** A list's method, which the library lacks. */
  #indexOf(list: readonly Value[], args: readonly SyntaxNode[], variables: Variables): Value {
    const wanted = this.evaluate(args[0], variables);
    const value = list.findIndex((element) => areEqual(element, wanted));
    if (value < 0) throw new Error(`${represented(wanted)} is not in the list`);
    return super.evaluate({ type: "IntegerLiteral", value }, noVariables)!;
  }

  #text(value: string): Value {
    return super.evaluate({ type: "StringLiteral", value }, noVariables)!;
  }
}

const noVariables = new Environment();
const trueValue = new Environment().set("value", true);
const falseValue = new Environment().set("value", false);

/** Statements whose value is not printed. */
const silentStatements: ReadonlySet<string> = new Set(["Set", "Macro", "Comment"]);

/** A node that stands for its value, so that no part of an expression is evaluated twice. */
function evaluated(value: Value): SyntaxNode {
  return { type: "Evaluated", value };
}

function isText(value: Value): value is Value & { readonly value: string } {
  return value.type === "StringValue";
}

function isInteger(value: Value): value is Value & { readonly value: number } {
  return value.type === "IntegerValue";
}

/** "NullValue" as "null". */
function nameOf({ type }: Value): string {
  return type.replace(/Value$/, "").toLowerCase();
}

/** A name, or a part of one, as it stands in the template. */
function writtenName({ value, object, property, computed }: SyntaxNode): string {
  if (!object) return String(value ?? "…");
  const part = String(property?.value ?? "…");
  return computed ? `${writtenName(object)}[${part}]` : `${writtenName(object)}.${part}`;
}

const numberTypes: ReadonlySet<string> = new Set(["IntegerValue", "FloatValue", "BooleanValue"]);

/** What Python's `==` says: 1 equals 1.0 and True, but "1" does not, nor does what is undefined equal None. */
function areEqual(left: Value, right: Value): boolean {
  if (numberTypes.has(left.type) && numberTypes.has(right.type)) {
    return Number(left.value) === Number(right.value);
  }
  if (left.type !== right.type) return false;
  if (Array.isArray(left.value) && Array.isArray(right.value)) {
    const others: readonly Value[] = right.value;
    return left.value.length === others.length && left.value.every((value, i) => areEqual(value, others[i]!));
  }
  if (left.value instanceof Map && right.value instanceof Map) {
    const others: ReadonlyMap<string, Value> = right.value;
    return (
      left.value.size === others.size &&
      [...left.value].every(([key, value]) => others.has(key) && areEqual(value, others.get(key)!))
    );
  }
  return left.value === right.value;
}

/** What Python's `str` makes of a value; nothing of one that is undefined. */
function printed(value: Value): string {
  if (isText(value)) return value.value;
  return value.type === "UndefinedValue" ? "" : represented(value);
}

/** What Python's `repr` makes of a value. */
function represented(value: Value): string {
  switch (value.type) {
    case "StringValue":
      return quoted(value.value as string);
    case "BooleanValue":
      return value.value ? "True" : "False";
    case "NullValue":
      return "None";
    case "UndefinedValue":
      return "Undefined";
    case "IntegerValue":
    case "FloatValue":
      return String(value);
    case "ArrayValue":
      return `[${(value.value as readonly Value[]).map(represented).join(", ")}]`;
    case "TupleValue": {
      const elements = (value.value as readonly Value[]).map(represented);
      return `(${elements.join(", ")}${elements.length === 1 ? "," : ""})`;
    }
    case "ObjectValue": {
      const entries = [...(value.value as ReadonlyMap<string, Value>)];
      return `{${entries.map(([key, entry]) => `${quoted(key)}: ${represented(entry)}`).join(", ")}}`;
    }
    default:
      throw new Error(`it prints a ${nameOf(value)}`);
  }
}

const escapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

/** A text as Python writes it in its code: characters that do not print are escaped. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inside = text.replace(/[\\\p{C}\p{Z}']/gu, (character) => {
    if (character === " ") return character;
    if (character === "'") return quote === "'" ? "\\'" : "'";
    const code = character.codePointAt(0)!;
    const [letter, digits] = code > 0xffff ? ["U", 8] : code > 0xff ? ["u", 4] : ["x", 2];
    return escapes[character] ?? `\\${letter}${code.toString(16).padStart(digits, "0")}`;
  });
  return quote + inside + quote;
}

type TextMethod = (text: string, characters: ReadonlySet<string>) => string;

/** Methods of texts which the library has with other results: it strips whitespace only, and capitals stay. */
const textMethods: ReadonlyMap<string, TextMethod> = new Map<string, TextMethod>([
  ["strip", strip],
  ["lstrip", stripStart],
  ["rstrip", stripEnd],
  ["capitalize", capitalize],
  ["title", (text) => text.replace(/\p{Cased}+/gu, capitalize)],
]);

/** The filters of that kind. Unlike the method, the filter "title" takes "it's" for one word. */
const textFilters: ReadonlyMap<string, TextMethod> = new Map<string, TextMethod>([
  ["trim", strip],
  ["capitalize", capitalize],
  ["title", (text) => text.replace(/[^-\s({[<]+/g, capitalize)],
]);

/** Unlike JavaScript's, Python's whitespace holds the separators of ASCII and U+0085, but no byte order mark. */
const whitespace: ReadonlySet<string> = new Set(
  "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000",
);

/** The characters that a method is to strip: those of its argument, if it has one, else whitespace. */
function charactersOf(args: readonly Value[], method: string): ReadonlySet<string> {
  const [characters] = args;
  if (args.length > 1) throw new Error(`it calls "${method}" with ${args.length} arguments`);
  if (characters === undefined || characters.type === "NullValue") return whitespace;
  if (!isText(characters)) throw new Error(`it calls "${method}" with a ${nameOf(characters)}`);
  return new Set(characters.value);
}

function strip(text: string, characters: ReadonlySet<string>): string {
  return stripEnd(stripStart(text, characters), characters);
}

function stripStart(text: string, characters: ReadonlySet<string>): string {
  let start = 0;
  while (start < text.length) {
    const character = String.fromCodePoint(text.codePointAt(start)!);
    if (!characters.has(character)) break;
    start += character.length;
  }
  return text.slice(start);
}

function stripEnd(text: string, characters: ReadonlySet<string>): string {
  let end = text.length;
  while (end > 0) {
    const character = Array.from(text.slice(Math.max(0, end - 2), end)).at(-1)!;
    if (!characters.has(character)) break;
    end -= character.length;
  }
  return text.slice(0, end);
}

function capitalize(text: string): string {
  const [first = ""] = text;
  // "ß" becomes "Ss".
  const [capital = "", ...others] = first.toUpperCase();
  return capital + (others.join("") + text.slice(first.length)).toLowerCase();
}

/** Python's `range`, with a bound on its length. */
function boundedRange(...bounds: (number | undefined)[]): number[] {
  const [first = 0, second, step = 1] = bounds.filter((bound) => typeof bound === "number");
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  if (step === 0) throw new Error("range() step must not be zero");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > maximumListLength) throw new Error(`it makes a range of ${length} elements`);
  return Array.from({ length }, (_, i) => start + i * step);
}
