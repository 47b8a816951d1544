/** @file The interpreter of chat templates: the library's, with Jinja2's results where the two differ, and bounded. */

import * as jinja from "@huggingface/jinja";

/** The part of the library that is used here. Node's module resolution does not find its own declarations. */
const { Environment, Interpreter, parse, tokenize } = jinja as unknown as {
  readonly Environment: new () => Variables;
  readonly Interpreter: new (variables: Variables) => LibraryInterpreter;
  readonly parse: (tokens: unknown) => SyntaxNode;
  readonly tokenize: (template: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }) => unknown;
};

interface Variables {
  set(name: string, value: unknown): void;
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
  readonly operator?: { readonly value: string };
  readonly left?: SyntaxNode;
  readonly right?: SyntaxNode;
  readonly operand?: SyntaxNode;
  readonly filter?: SyntaxNode;
  readonly callee?: SyntaxNode;
  readonly args?: readonly SyntaxNode[];
  readonly object?: SyntaxNode;
  readonly property?: SyntaxNode;
  readonly computed?: boolean;
}

/** A template that is ready to be run. */
export type TemplateProgram = SyntaxNode;

/** @throws Error if the template has a syntax error. */
export function parseTemplate(template: string): TemplateProgram {
  // Jinja2 makes a line break of each "\r\n" and "\r"; Transformers sets the two options.
  const text = template.replace(/\r\n?/g, "\n");
  return parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true }));
}

/** @throws Error if the template fails or exceeds the bounds on its work, and whatever a function it calls throws. */
export function runTemplate(program: TemplateProgram, variables: Readonly<Record<string, unknown>>): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries({ ...variables, range: boundedRange })) {
    if (value !== undefined) environment.set(name, value);
  }
  return String(new ChatTemplateInterpreter(environment).run(program).value);
}

/** One or two seconds of work. A conversation of a hundred messages takes some thousands. */
const maximumSteps = 500_000;
const maximumTextLength = 2 ** 24;
const maximumListLength = 2 ** 16;

/** `{% break %}` and `{% continue %}`, with the text that their turn of the loop printed before. */
class LoopControl extends Error {
  readonly ends: boolean;
  text = "";
  constructor(ends: boolean) {
    super("it leaves a loop where there is none");
    this.ends = ends;
  }
}

/**
 * Templates come with models from strangers. Each evaluation of a node and each turn of a loop counts as a step, and
 * the results are bounded, so that neither loops nor texts grow without end. The work inside one built-in filter is
 * not bounded.
 *
 * Where the library's result is not Jinja2's and no error tells of it, the node is evaluated here.
 */
class ChatTemplateInterpreter extends Interpreter {
  #steps = 0;
  readonly #iterated = new Set<unknown>();
  readonly #loops: { readonly body: unknown; ended: boolean }[] = [];

  override evaluate(node: SyntaxNode | undefined, variables: Variables): Value {
    if (node?.type === "Evaluated") return node.value as Value;
    this.#count(1);
    const result =
      (node && this.#evaluateAsJinja2(node, variables)) ??
      super.evaluate(node, variables) ??
      // The library has no value for the first element of an empty list.
      super.evaluate(undefined, variables)!;
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
    const loop = innermost?.body === statements ? innermost : undefined;
    if (loop?.ended) return this.#text("");
    let text = "";
    for (const statement of statements) {
      try {
        const result = this.evaluate(statement, variables);
        if (!silentStatements.has(statement.type)) text += printed(result);
      } catch (error) {
        if (!(error instanceof LoopControl)) throw error;
        error.text = text + error.text;
        if (!loop) throw error;
        loop.ended = error.ends;
        text = error.text;
        break;
      }
    }
    return this.#text(text);
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
        throw new LoopControl(node.type === "Break");
      case "BinaryExpression":
        return this.#evaluateBinary(node, variables);
      case "FilterExpression":
        return this.#evaluateFilter(node, variables);
      case "CallExpression":
        return this.#evaluateMethod(node, variables);
      default:
        return undefined;
    }
  }

  #evaluateLoop(node: SyntaxNode, variables: Variables): Value | undefined {
    const { iterable, body } = node;
    this.#iterated.add(iterable?.type === "SelectExpression" ? iterable.lhs : iterable);
    this.#loops.push({ body, ended: false });
    try {
      return super.evaluate(node, variables);
    } finally {
      this.#loops.pop();
    }
  }

  #evaluateBinary(node: SyntaxNode, variables: Variables): Value | undefined {
    const operator = node.operator?.value;
    if (operator === "and" || operator === "or") return undefined;
    const left = this.evaluate(node.left, variables);
    const right = this.evaluate(node.right, variables);
    if (operator === "==" || operator === "!=") return this.#boolean(areEqual(left, right) === (operator === "=="));
    if (operator === "~") return this.#text(printed(left) + printed(right));
    if (operator === "+" && isText(left) !== isText(right)) {
      throw new Error(`it joins a text and a ${nameOf(isText(left) ? right : left)} by "+"`);
    }
    const result = super.evaluate({ ...node, left: evaluated(left), right: evaluated(right) }, variables);
    // Python's remainder has the sign of the divisor.
    if (operator !== "%" || !isNumber(left) || !isNumber(right)) return result;
    const [dividend, divisor] = [Number(left.value), Number(right.value)];
    if (divisor === 0) throw new Error("it divides by zero");
    return { ...result, type: result!.type, value: dividend - divisor * Math.floor(dividend / divisor) };
  }

  #evaluateFilter(node: SyntaxNode, variables: Variables): Value | undefined {
    const { filter } = node;
    const name = filter?.type === "CallExpression" ? filter.callee?.value : filter?.value;
    const operand = this.evaluate(node.operand, variables);
    if (name === "string") return this.#text(printed(operand));
    if (isText(operand) && typeof name === "string" && textFilters.has(name)) {
      const args = (filter?.args ?? []).map((arg) => this.evaluate(arg, variables));
      return this.#text(textFilters.get(name)!(operand.value, charactersOf(args, name)));
    }
    let input = evaluated(operand);
    if (name === "join" && Array.isArray(operand.value)) {
      if (filter?.args?.some(({ type }) => type === "KeywordArgumentExpression")) {
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
    const method = textMethods.get(name);
    if (!method || !isText(object)) {
      return super.evaluate({ ...node, callee: { ...callee, object: evaluated(object) } }, variables);
    }
    const values = args.map((arg) => this.evaluate(arg, variables));
    return this.#text(method(object.value, charactersOf(values, name)));
  }

  #text(value: string): Value {
    return super.evaluate({ type: "StringLiteral", value }, this.#none)!;
  }

  #boolean(value: boolean): Value {
    const one = { type: "IntegerLiteral", value: value ? 0 : 1 };
    return super.evaluate({ type: "UnaryExpression", operator: { value: "not" }, argument: one } as SyntaxNode, this.#none)!;
  }

  readonly #none = new Environment();
}
