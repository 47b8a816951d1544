/** @file Options of the parts of tokenizer.json, with checks. */

type Options = Readonly<Record<string, unknown>>;

function refuse(options: Options, name: string, expected: string): never {
  throw new Error(`the option "${name}" of its ${String(options.type)} is not ${expected}`);
}

/** @throws Error that names the type of a part, such as its decoder, as not supported. */
export function refuseType(part: string, { type }: Options): never {
  const name = typeof type === "string" ? JSON.stringify(type.slice(0, 80)) : typeof type;
  throw new Error(`its ${part} is of the type ${name}, which is not supported`);
}

/** @throws Error, as all of these, if the option is something else, or missing without a value by default. */
export function readFlag(options: Options, name: string, byDefault: boolean): boolean {
  const value = options[name] ?? byDefault;
  return typeof value === "boolean" ? value : refuse(options, name, "true or false");
}

export function readText(options: Options, name: string): string {
  const value = options[name];
  return typeof value === "string" ? value : refuse(options, name, "a text");
}

export function readCharacter(options: Options, name: string): string {
  const value = options[name];
  return typeof value === "string" && Array.from(value).length === 1
    ? value
    : refuse(options, name, "a character");
}

export function readCount(options: Options, name: string): number {
  const value = options[name];
  return Number.isSafeInteger(value) && (value as number) >= 0
    ? (value as number)
    : refuse(options, name, "a whole number");
}

export function readChoice<Choice extends string>(
  options: Options,
  name: string,
  choices: readonly Choice[],
  byDefault?: Choice,
): Choice {
  const value = options[name] ?? byDefault;
  return choices.find((choice) => choice === value) ?? refuse(options, name, `one of ${choices.join(", ")}`);
}

/** A list of parts. */
export function readList(options: Options, name: string): readonly Options[] {
  const value = options[name];
  return Array.isArray(value) && value.every((part) => typeof part === "object" && part !== null)
    ? value
    : refuse(options, name, "a list of parts");
}
