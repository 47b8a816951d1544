/** @file Parsing of option values. */

import { InvalidArgumentError } from "commander";

export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("It is not a number.");
  return value;
}

/** Parses a whole number of at least `minimum`. */
export function parseWhole(minimum: number): (text: string) => number {
  return (text) => {
    const value = parseNumber(text);
    if (!Number.isSafeInteger(value) || value < minimum) {
      throw new InvalidArgumentError(`It is not a whole number of at least ${minimum}.`);
    }
    return value;
  };
}

export function parsePort(text: string): number {
  const port = parseWhole(0)(text);
  if (port > 65535) throw new InvalidArgumentError("It is not a port: those end at 65535.");
  return port;
}

export function parsePositive(text: string): number {
  const value = parseNumber(text);
  if (value <= 0) throw new InvalidArgumentError("It is not above 0.");
  return value;
}

/** "prompt=question,completion=answer" as an object. */
export function parseFields(text: string): Record<string, string> {
  const entries = text.split(",").map((part) => part.split("="));
  const bad = entries.find((entry) => entry.length !== 2 || entry.includes(""));
  if (bad) throw new InvalidArgumentError(`"${bad.join("=")}" is not of the form name=field.`);
  return Object.fromEntries(entries);
}

/** "a,b" as a list. */
export function parseList(text: string): string[] {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.includes("")) throw new InvalidArgumentError("A name in the list is empty.");
  return parts;
}

/** "1000,4000" as whole numbers from 1 on. */
export function parseWholes(text: string): number[] {
  return parseList(text).map(parseWhole(1));
}
