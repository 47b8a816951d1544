/** @file JSON texts of strangers: their values, or in one sentence what is wrong and where. */

import { InputError } from "../errors.ts";
import { parseJson } from "../python/json.ts";

/**
 * The value of a JSON text, its numbers as `parseJson` gives them, in which no object has a field twice and no text half of a surrogate pair.
 *
 * @param path what the text came from, for errors
 * @param line the line that the text is; by default it is a text of lines of its own
 * @throws InputError that names the line, the column and the reason, or the field.
 */
export function parseJsonText(text: string, path: string, line?: number): unknown {
  const fault = findJsonFault(text);
  if (fault) {
    const before = text.slice(0, fault.index).split("\n");
    const where = `${path}, line ${line ?? before.length}, column ${Array.from(before.at(-1)!).length + 1}`;
    throw new InputError(`${where}: it is not valid JSON: ${fault.reason}.`);
  }
  const value = parseNumbers(text, line === undefined ? path : `${path}, line ${line}`);
  if (escapedSurrogate.test(text))
    checkSurrogates(value, line === undefined ? path : `${path}, line ${line}`);
  return value;
}

function parseNumbers(text: string, where: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw new InputError(`${where}: ${(error as Error).message.replace(/\.?$/, ".")}`);
  }
}

const escapedSurrogate = /\\u[dD][89a-fA-F]/;
const loneSurrogate = /\p{Surrogate}/u;

/** @throws InputError that names the field if a text or a name in the value holds half of a surrogate pair. */
function checkSurrogates(value: unknown, where: string): void {
  const open: [field: string, value: unknown][] = [["", value]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [field, inner] = next;
    const texts = typeof inner === "string" ? [inner] : [];
    if (Array.isArray(inner)) {
      for (const [i, item] of inner.entries()) open.push([`${field}[${i}]`, item]);
    } else if (typeof inner === "object" && inner !== null) {
      for (const [name, item] of Object.entries(inner)) {
        texts.push(name);
        open.push([field === "" ? name : `${field}.${name}`, item]);
      }
    }
    const half = texts.map((text) => loneSurrogate.exec(text)?.[0]).find((found) => found !== undefined);
    if (half !== undefined) {
      throw new InputError(
        `${where}: the field "${field}" holds ${JSON.stringify(half)}, half of a surrogate pair, which is no text; write both halves, or the character itself.`,
      );
    }
  }
}

/** What is wrong at an index of a text. */
export interface JsonFault {
  readonly index: number;
  /** The rest of a sentence that begins with "it is not valid JSON". */
  readonly reason: string;
}

interface Container {
  readonly close: string;
  readonly start: number;
  readonly names: Set<string>;
}

/** Characters of a name or a word in a message. */
const longestQuote = 80;

const space = /[ \t\n\r]*/y;
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null/y;
const word = /[\p{L}_$][\p{L}\p{N}_$]*/uy;

/** The first place at which a text departs from JSON, or an object names a field again; undefined if there is none. */
export function findJsonFault(text: string): JsonFault | undefined {
  const containers: Container[] = [];
  let expected: "value" | "name" | "colon" | "separator" = "value";
  let afterComma = false;
  let index = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = index;
    return pattern.exec(text)?.[0];
  };
  const fault = (reason: string, at = index): JsonFault => ({ index: at, reason });
  for (;;) {
    index += match(space)!.length;
    const container = containers.at(-1);
    const character = text[index];
    if (character === undefined) {
      if (container)
        return fault(
          `it ends before the "${text[container.start]}" is closed that stands here`,
          container.start,
        );
      return expected === "value" ? fault("it is empty") : undefined;
    }
    if (text.startsWith("//", index) || text.startsWith("/*", index)) return fault("JSON has no comments");
    if (
      character === container?.close &&
      (expected === "separator" || (!afterComma && expected !== "colon"))
    ) {
      if (expected === "value" && container.close === "}") return fault("a value is missing");
      containers.pop();
      index++;
      expected = "separator";
    } else if (expected === "separator") {
      if (!container) return fault(`something follows the value: ${JSON.stringify(character)}`);
      if (character === "]" || character === "}")
        return fault(`"${character}" stands where "${container.close}" or a comma is expected`);
      if (character !== ",") return fault("a comma is missing");
      index++;
      afterComma = true;
      expected = container.close === "}" ? "name" : "value";
      continue;
    } else if (expected === "colon") {
      if (character !== ":") return fault("a colon is missing after the name of a field");
      index++;
      expected = "value";
    } else if (character === '"') {
      const end = endOfText(text, index);
      if (typeof end !== "number") return end;
      if (expected === "name") {
        const name = JSON.parse(text.slice(index, end)) as string;
        if (container!.names.has(name))
          return fault(`the field ${JSON.stringify(name.slice(0, longestQuote))} stands in its object twice`);
        container!.names.add(name);
      }
      index = end;
      expected = expected === "name" ? "colon" : "separator";
    } else if (expected === "value" && (character === "{" || character === "[")) {
      containers.push({ close: character === "{" ? "}" : "]", start: index, names: new Set() });
      index++;
      expected = character === "{" ? "name" : "value";
    } else {
      if (character === "]" || character === "}")
        return fault(afterComma ? "a comma stands before it, but nothing follows" : "a value is missing");
      if (character === "'" || character === "`" || character === "“")
        return fault("texts and names of fields stand in double quotes");
      const found = match(word)?.slice(0, longestQuote);
      if (expected === "name")
        return fault(found ? `the name ${found} stands without quotes` : "the name of a field is missing");
      const length = match(scalar)?.length;
      if (length === undefined)
        return fault(
          found ? `${found} is none of its values` : `a value cannot begin with ${JSON.stringify(character)}`,
        );
      index += length;
      expected = "separator";
    }
    afterComma = false;
  }
}

const escapeSequence = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

/** The index behind the text in quotes that begins at `start`. */
function endOfText(text: string, start: number): number | JsonFault {
  for (let index = start + 1; index < text.length; index++) {
    const character = text[index]!;
    if (character === '"') return index + 1;
    if (character === "\\") {
      escapeSequence.lastIndex = index;
      const found = escapeSequence.exec(text)?.[0];
      if (found === undefined)
        return { index, reason: `${JSON.stringify(text.slice(index, index + 2))} is no escape` };
      index += found.length - 1;
    } else if (character < " ") {
      const escaped = JSON.stringify(character).slice(1, -1);
      return { index, reason: `a text holds a control character, which is written ${escaped}` };
    }
  }
  return { index: start, reason: "the text that begins here is not closed" };
}
