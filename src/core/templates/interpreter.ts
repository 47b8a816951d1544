/** @file The interpreter of templates: Jinja2's statements and expressions over Python's values, within bounded work. */

import { arithmetic, Float, negate, readFloat, readInteger } from "../python/number.ts";
import { type Arguments, bindArguments, noArguments } from "./arguments.ts";
import { applyFilter, type FilterContext } from "./filters.ts";
import { methodOf } from "./methods.ts";
import type { SyntaxNode } from "./syntax.ts";
import { testOf } from "./tests.ts";
import {
  Attributes,
  areEqual,
  type Callable,
  compare,
  contains,
  type Dict,
  isInteger,
  isKey,
  isTrue,
  itemsOf,
  nameOf,
  print,
  Tuple,
  toNumeric,
  Undefined,
  type Value,
} from "./values.ts";
import type { Work } from "./work.ts";

/** The names that a part of a template knows: its own, and those of the parts around it. */
class Scope {
  readonly #names: Map<string, Value>;
  readonly #outer: Scope | undefined;

  constructor(outer?: Scope, names: Iterable<readonly [string, Value]> = []) {
    this.#outer = outer;
    this.#names = new Map(names);
  }

  find(name: string): Value | undefined {
    const value = this.#names.get(name);
    return value === undefined ? this.#outer?.find(name) : value;
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }
}

const constants: readonly (readonly [string, Value])[] = [
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
];

/** What statements print. */
interface Output {
  text: string;
}

/** How a block of statements ends, if not at its end. */
type Exit = "Break" | "Continue" | undefined;

export class Interpreter {
  readonly #work: Work;
  readonly #isStrict: boolean;
  readonly #context: FilterContext;

  constructor(
    work: Work,
    { isStrict, tojson }: { readonly isStrict: boolean; readonly tojson: FilterContext["tojson"] },
  ) {
    this.#work = work;
    this.#isStrict = isStrict;
    this.#context = { work, tojson, itemOf: (value, key) => this.#item(value, key, String(key)) };
  }

  /**
   * What a template prints.
   *
   * @throws Error if it fails, and whatever a function that it is given throws.
   */
  run(program: SyntaxNode, variables: Iterable<readonly [string, Value]>): string {
    const globals = new Scope(undefined, this.#globals());
    return this.#render(program.body!, new Scope(globals, variables));
  }

  #globals(): (readonly [string, Value])[] {
    return [
      ...constants,
      ["range", (args) => this.#range(args)],
      [
        "namespace",
        (args, named) => new Attributes(this.#mapping("namespace", args, named) as Map<string, Value>),
      ],
      ["dict", (args, named) => this.#mapping("dict", args, named)],
    ];
  }

  #range(args: readonly Value[]): Value {
    const [first = 0, second, step = 1] = args.map((arg) => {
      if (typeof arg === "number") return arg;
      throw new Error(`it makes a range of ${nameOf(arg)}`);
    });
    const [start, stop] = second === undefined ? [0, first] : [first, second];
    if (step === 0) throw new Error("range() step must not be zero");
    const length = Math.max(0, Math.ceil((stop - start) / step));
    this.#work.spendElements(length);
    return Array.from({ length }, (_, i) => start + i * step);
  }

  #mapping(
    name: string,
    args: readonly Value[],
    named: ReadonlyMap<string, Value>,
  ): Map<string | number, Value> {
    const [source = new Map()] = bindArguments(name, ["mapping"], { args, named: noArguments.named });
    const pairs =
      source instanceof Map
        ? [...(source as Dict)]
        : itemsOf(source, this.#work).map((pair) => this.#pair(pair));
    this.#work.spendElements(2 * (pairs.length + named.size));
    return new Map([...pairs, ...named]);
  }

  #pair(value: Value): [string | number, Value] {
    const [key, item, ...others] = itemsOf(value, this.#work);
    if (key === undefined || item === undefined || others.length > 0 || !isKey(key)) {
      throw new Error("it makes a dict of what are not keys with values");
    }
    return [key, item];
  }

  /** The text of a block of its own, which no loop around it is left from. */
  #render(statements: readonly SyntaxNode[], scope: Scope): string {
    const output = { text: "" };
    if (this.#execute(statements, scope, output)) throw new Error("it leaves a loop where there is none");
    return output.text;
  }

  #execute(statements: readonly SyntaxNode[], scope: Scope, output: Output): Exit {
    for (const statement of statements) {
      const exit = this.#executeOne(statement, scope, output);
      if (exit) return exit;
    }
    return undefined;
  }

  #executeOne(node: SyntaxNode, scope: Scope, output: Output): Exit {
    this.#work.spendNode();
    switch (node.type) {
      case "Comment":
        return undefined;
      case "If":
        return this.#execute(
          isTrue(this.#evaluate(node.test, scope)) ? node.body! : node.alternate!,
          scope,
          output,
        );
      case "For":
        return this.#loop(node, scope, output);
      case "Break":
      case "Continue":
        return node.type;
      case "Set":
        this.#set(node, scope);
        return undefined;
      case "Macro":
        scope.set(
          node.name!.value as string,
          this.#macro(node.name!.value as string, node.args!, node.body!, scope),
        );
        return undefined;
      case "CallStatement":
        output.text += this.#work.text(this.#callWithBlock(node, scope));
        return undefined;
      case "FilterStatement": {
        const text = this.#render(node.body!, new Scope(scope));
        output.text += this.#work.text(print(this.#filter(node.filter!, text, scope), this.#work));
        return undefined;
      }
      default:
        output.text += this.#work.text(print(this.#evaluate(node, scope), this.#work));
        return undefined;
    }
  }

  #loop(node: SyntaxNode, scope: Scope, output: Output): Exit {
    const { loopvar, iterable, body, defaultBlock } = node;
    const items = this.#loopItems(loopvar!, iterable!, scope);
    // As in Jinja2, "else" is for loops none of whose turns came to its end.
    let isDone = false;
    for (const [i, item] of items.entries()) {
      this.#work.spendNode();
      const turn = new Scope(scope, [["loop", new Attributes(() => this.#loopState(items, i))]]);
      this.#assign(loopvar!, item, turn);
      const exit = this.#execute(body!, turn, output);
      if (exit === "Break") break;
      isDone ||= exit === undefined;
    }
    return isDone ? undefined : this.#execute(defaultBlock!, new Scope(scope), output);
  }

  #loopItems(target: SyntaxNode, iterable: SyntaxNode, scope: Scope): readonly Value[] {
    if (iterable.type !== "SelectExpression") return itemsOf(this.#evaluate(iterable, scope), this.#work);
    const items = itemsOf(this.#evaluate(iterable.lhs, scope), this.#work);
    return this.#work.list(
      items.filter((item) => {
        this.#work.spendNode();
        const candidate = new Scope(scope);
        this.#assign(target, item, candidate);
        return isTrue(this.#evaluate(iterable.test, candidate));
      }),
    );
  }

  #loopState(items: readonly Value[], i: number): Map<string, Value> {
    this.#work.spendElements(12);
    const { length } = items;
    return new Map<string, Value>([
      ["index", i + 1],
      ["index0", i],
      ["revindex", length - i],
      ["revindex0", length - i - 1],
      ["first", i === 0],
      ["last", i === length - 1],
      ["length", length],
      ["previtem", items[i - 1] ?? new Undefined("loop.previtem", this.#isStrict)],
      ["nextitem", items[i + 1] ?? new Undefined("loop.nextitem", this.#isStrict)],
      ["depth", 1],
      ["depth0", 0],
      ["cycle", (args) => args[i % args.length] ?? null],
    ]);
  }

  #set({ assignee, value, body }: SyntaxNode, scope: Scope): void {
    const assigned = value
      ? this.#evaluate(value as SyntaxNode, scope)
      : this.#filteredBlock(assignee!, body!, scope);
    const target = assignee!.type === "FilterExpression" ? assignee!.operand! : assignee!;
    if (target.type !== "MemberExpression") {
      this.#assign(target, assigned, scope);
      return;
    }
    const object = this.#evaluate(target.object, scope);
    if (!(object instanceof Attributes) || target.computed)
      throw new Error("it sets a part of what is no namespace");
    object.entries.set(target.property!.value as string, assigned);
  }

  /** The text of a block that is set, through the filters after the name. */
  #filteredBlock(target: SyntaxNode, body: readonly SyntaxNode[], scope: Scope): Value {
    const filters: SyntaxNode[] = [];
    for (let node = target; node.type === "FilterExpression"; node = node.operand!)
      filters.unshift(node.filter!);
    const text: Value = this.#render(body, new Scope(scope));
    return filters.reduce<Value>((value, filter) => this.#filter(filter, value, scope), text);
  }

  #assign(target: SyntaxNode, value: Value, scope: Scope): void {
    if (target.type === "Identifier") {
      scope.set(target.value as string, value);
      return;
    }
    if (target.type !== "TupleLiteral") throw new Error("it sets what is no name");
    const targets = target.value as readonly SyntaxNode[];
    const items = itemsOf(value, this.#work);
    if (items.length !== targets.length) {
      throw new Error(`it unpacks ${items.length} values into ${targets.length} names`);
    }
    for (const [i, part] of targets.entries()) this.#assign(part, items[i]!, scope);
  }

  /** A macro, which knows the names around its definition. */
  #macro(
    name: string,
    parameters: readonly SyntaxNode[],
    body: readonly SyntaxNode[],
    scope: Scope,
  ): Callable {
    const described = parameters.map((parameter) =>
      parameter.type === "Identifier"
        ? { name: parameter.value as string, general: undefined }
        : { name: parameter.key!.value as string, general: parameter.value as SyntaxNode },
    );
    const names = described.map((parameter) => parameter.name);
    return (args, named) => {
      const { caller, ...others } = { caller: named.get("caller"), named: new Map(named) };
      if (!names.includes("caller")) others.named.delete("caller");
      const bound = bindArguments(name, names, { args, ...others });
      const inner = new Scope(scope, caller === undefined ? [] : [["caller", caller]]);
      for (const [i, parameter] of described.entries()) {
        const general = () =>
          parameter.general === undefined
            ? new Undefined(parameter.name, this.#isStrict)
            : this.#evaluate(parameter.general, inner);
        inner.set(parameter.name, bound[i] ?? general());
      }
      return this.#render(body, inner);
    };
  }

  #callWithBlock({ call, callerArgs, body }: SyntaxNode, scope: Scope): string {
    const { args, named } = this.#arguments(call!.args!, scope);
    const caller = this.#macro("caller", callerArgs ?? [], body!, scope);
    const callee = this.#evaluate(call!.callee, scope);
    return print(this.#call(callee, { args, named: new Map([...named, ["caller", caller]]) }), this.#work);
  }

  #evaluate(node: SyntaxNode | undefined, scope: Scope): Value {
    this.#work.spendNode();
    switch (node!.type) {
      case "StringLiteral":
      case "IntegerLiteral":
        return node!.value as string | number;
      case "FloatLiteral":
        return new Float(node!.value as number);
      case "ArrayLiteral":
        return this.#work.list(
          (node!.value as readonly SyntaxNode[]).map((part) => this.#evaluate(part, scope)),
        );
      case "TupleLiteral":
        return new Tuple(
          this.#work.list((node!.value as readonly SyntaxNode[]).map((part) => this.#evaluate(part, scope))),
        );
      case "ObjectLiteral":
        return this.#dictLiteral(node!.value as ReadonlyMap<SyntaxNode, SyntaxNode>, scope);
      case "Identifier":
        return this.#name(node!.value as string, scope);
      case "MemberExpression":
        return this.#member(node!, scope);
      case "CallExpression":
        return this.#callExpression(node!, scope);
      case "FilterExpression":
        return this.#filter(node!.filter!, this.#evaluate(node!.operand, scope), scope);
      case "TestExpression": {
        const isMet = testOf(
          node!.test!.value as string,
          [],
          this.#work,
        )(this.#evaluate(node!.operand, scope));
        return isMet !== node!.negate;
      }
      case "UnaryExpression":
        return this.#unary(node!, scope);
      case "BinaryExpression":
        return this.#binary(node!, scope);
      case "Ternary":
        return this.#evaluate(
          isTrue(this.#evaluate(node!.condition, scope)) ? node!.trueExpr : node!.falseExpr,
          scope,
        );
      case "SelectExpression":
        // A condition without "else" may give nothing, also where names must be defined.
        return isTrue(this.#evaluate(node!.test, scope))
          ? this.#evaluate(node!.lhs, scope)
          : new Undefined("a condition without else");
      default:
        throw new Error(`it has an expression that is not supported (${node!.type})`);
    }
  }

  #dictLiteral(entries: ReadonlyMap<SyntaxNode, SyntaxNode>, scope: Scope): Value {
    this.#work.spendElements(2 * entries.size);
    return new Map(
      Array.from(entries, ([keyNode, valueNode]) => {
        const key = this.#evaluate(keyNode, scope);
        if (!isKey(key)) throw new Error(`it has ${nameOf(key)} for a key`);
        return [key, this.#evaluate(valueNode, scope)] as const;
      }),
    );
  }

  #name(name: string, scope: Scope): Value {
    // See syntax.ts.
    if (/^[-+]?\d/.test(name)) return readNumber(name);
    const value = scope.find(name);
    if (value !== undefined) return value;
    if (name === "varargs" || name === "kwargs") throw new Error(`it uses "${name}", which is not supported`);
    return new Undefined(name, this.#isStrict);
  }

  #member(node: SyntaxNode, scope: Scope): Value {
    const object = this.#evaluate(node.object, scope);
    const property = node.property!;
    if (property.type === "SliceExpression") return this.#slice(object, property, scope);
    const key = node.computed ? this.#evaluate(property, scope) : (property.value as string | number);
    if (!node.computed && typeof key === "string") return this.#attribute(object, key, writtenName(node));
    return this.#item(object, key, writtenName(node));
  }

  /** `object.name`: a method before an entry. */
  #attribute(object: Value, name: string, written: string): Value {
    if (object instanceof Undefined) throw object.error;
    if (object instanceof Attributes)
      return object.entries.get(name) ?? new Undefined(written, this.#isStrict);
    const found =
      methodOf(object, name, this.#work) ?? (object instanceof Map ? object.get(name) : undefined);
    return found === undefined ? new Undefined(written, this.#isStrict) : found;
  }

  /** `object[key]`: an entry before a method. */
  #item(object: Value, key: Value, written: string): Value {
    if (object instanceof Undefined) throw object.error;
    if (key instanceof Undefined) throw key.error;
    const position = typeof key === "boolean" ? Number(key) : key;
    const found = this.#entry(object, position);
    if (found !== undefined) return found;
    if (typeof key === "string" && object instanceof Attributes) return this.#attribute(object, key, written);
    const method = typeof key === "string" ? methodOf(object, key, this.#work) : undefined;
    return method ?? new Undefined(written, this.#isStrict);
  }

  #entry(object: Value, key: Value): Value | undefined {
    if (object instanceof Map) return isKey(key) ? object.get(key) : undefined;
    if (typeof key !== "number") return undefined;
    if (typeof object === "string") return Array.from(this.#work.readCharacters(object)).at(key);
    const items = object instanceof Tuple ? object.items : object;
    return Array.isArray(items) ? items.at(key) : undefined;
  }

  #slice(object: Value, { start, stop, step }: SyntaxNode, scope: Scope): Value {
    const [first, end, stride] = [start, stop, step].map((part) => {
      const value = part ? this.#evaluate(part, scope) : null;
      if (value === null || typeof value === "number") return value;
      throw new Error(`it slices at ${nameOf(value)}`);
    });
    if (typeof object !== "string" && !Array.isArray(object) && !(object instanceof Tuple)) {
      throw object instanceof Undefined ? object.error : new Error(`it slices ${nameOf(object)}`);
    }
    const sliced = this.#work.list(
      slice(itemsOf(object, this.#work), first ?? null, end ?? null, stride ?? 1),
    );
    if (typeof object === "string") return this.#work.text(sliced.join(""));
    return object instanceof Tuple ? new Tuple(sliced) : sliced;
  }

  #callExpression({ callee, args }: SyntaxNode, scope: Scope): Value {
    const called = this.#evaluate(callee, scope);
    return this.#call(called, this.#arguments(args!, scope));
  }

  #call(callee: Value, { args, named }: Arguments): Value {
    if (typeof callee === "function") return callee(args, named);
    throw callee instanceof Undefined ? callee.error : new Error(`it calls ${nameOf(callee)}`);
  }

  #arguments(nodes: readonly SyntaxNode[], scope: Scope): Arguments {
    const args: Value[] = [];
    const named = new Map<string, Value>();
    for (const node of nodes) {
      switch (node.type) {
        case "KeywordArgumentExpression":
          named.set(node.key!.value as string, this.#evaluate(node.value as SyntaxNode, scope));
          break;
        case "SpreadExpression":
          for (const item of this.#work.list([...itemsOf(this.#evaluate(node.argument, scope), this.#work)]))
            args.push(item);
          break;
        case "KeywordSpreadExpression":
          for (const [key, value] of this.#mapping(
            "**",
            [this.#evaluate(node.argument, scope)],
            noArguments.named,
          )) {
            named.set(String(key), value);
          }
          break;
        default:
          args.push(this.#evaluate(node, scope));
      }
    }
    return { args, named };
  }

  #filter(filter: SyntaxNode, value: Value, scope: Scope): Value {
    const isCall = filter.type === "CallExpression";
    const name = (isCall ? filter.callee! : filter).value as string;
    return applyFilter(
      name,
      value,
      isCall ? this.#arguments(filter.args!, scope) : noArguments,
      this.#context,
    );
  }

  #unary({ operator, argument }: SyntaxNode, scope: Scope): Value {
    const value = this.#evaluate(argument, scope);
    if (operator!.value === "not") return !isTrue(value);
    const number = toNumeric(value);
    if (number === undefined)
      throw value instanceof Undefined ? value.error : new Error(`it computes with ${nameOf(value)}`);
    return operator!.value === "-" ? negate(number) : number;
  }

  #binary({ operator, left: leftNode, right: rightNode }: SyntaxNode, scope: Scope): Value {
    const left = this.#evaluate(leftNode, scope);
    const sign = operator!.value;
    if (sign === "and") return isTrue(left) ? this.#evaluate(rightNode, scope) : left;
    if (sign === "or") return isTrue(left) ? left : this.#evaluate(rightNode, scope);
    const right = this.#evaluate(rightNode, scope);
    const work = this.#work;
    switch (sign) {
      case "==":
        return areEqual(left, right, work);
      case "!=":
        return !areEqual(left, right, work);
      case "<":
        return compare(left, right, work) < 0;
      case "<=":
        return compare(left, right, work) <= 0;
      case ">":
        return compare(left, right, work) > 0;
      case ">=":
        return compare(left, right, work) >= 0;
      case "in":
        return contains(right, left, work);
      case "not in":
        return !contains(right, left, work);
      case "~":
        return work.text(print(left, work) + print(right, work));
      default:
        return this.#compute(sign as keyof typeof arithmetic, left, right);
    }
  }

  #compute(sign: keyof typeof arithmetic, left: Value, right: Value): Value {
    const [a, b] = [toNumeric(left), toNumeric(right)];
    if (a !== undefined && b !== undefined) return arithmetic[sign](a, b);
    for (const value of [left, right]) if (value instanceof Undefined) throw value.error;
    const work = this.#work;
    if (sign === "+") {
      if (typeof left === "string" && typeof right === "string") return work.text(left + right);
      if (Array.isArray(left) && Array.isArray(right)) return work.list([...left, ...right]);
      if (left instanceof Tuple && right instanceof Tuple)
        return new Tuple(work.list([...left.items, ...right.items]));
    }
    if (sign === "*") {
      const [times, repeated] = isInteger(left) ? [left, right] : [right, left];
      if (typeof times === "number") {
        const count = Math.max(0, times);
        if (typeof repeated === "string") {
          work.spend(repeated.length * count);
          return repeated.repeat(repeated === "" ? 0 : count);
        }
        if (Array.isArray(repeated)) {
          work.spendElements(repeated.length * count);
          return Array.from({ length: repeated.length * count }, (_, i) => repeated[i % repeated.length]);
        }
      }
    }
    throw new Error(`it joins ${nameOf(left)} and ${nameOf(right)} by "${sign}"`);
  }
}

/** @throws Error if it is none. */
function readNumber(text: string): Value {
  const bases: Readonly<Record<string, number>> = { b: 2, o: 8, x: 16 };
  const number = readInteger(text, bases[text[1]!.toLowerCase()]) ?? readFloat(text);
  if (number === undefined) throw new Error(`it holds the number ${text}, which is none`);
  return number;
}

/** A name, or a part of one, as it stands in the template. */
function writtenName({ type, value, object, property, computed }: SyntaxNode): string {
  if (type === "MemberExpression") {
    const part = writtenName(property!);
    return computed ? `${writtenName(object!)}[${part}]` : `${writtenName(object!)}.${part}`;
  }
  return typeof value === "string" || typeof value === "number" ? String(value) : "…";
}

/** `items[start:stop:step]`. */
function slice(items: readonly Value[], start: number | null, stop: number | null, step: number): Value[] {
  if (step === 0) throw new Error("slice step cannot be zero");
  const { length } = items;
  const [lowest, highest] = step > 0 ? [0, length] : [-1, length - 1];
  const clamp = (index: number) => Math.min(Math.max(index < 0 ? index + length : index, lowest), highest);
  const first = start === null ? (step > 0 ? lowest : highest) : clamp(start);
  const end = stop === null ? (step > 0 ? highest : lowest) : clamp(stop);
  const sliced: Value[] = [];
  for (let i = first; step > 0 ? i < end : i > end; i += step) sliced.push(items[i]!);
  return sliced;
}
