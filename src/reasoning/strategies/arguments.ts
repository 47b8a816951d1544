/** @file The options of a strategy, which stand behind its name and are parted by colons: "sc:8", "force:200:2"; and its budget, "sc:8@4000". */

import { InputError } from "../../core/errors.ts";

export interface StrategyArguments {
  /** The whole of it, as it was asked for. */
  readonly name: string;
  /** The most tokens that may be computed for a problem, if that is limited. */
  readonly budget?: number;
  /** A whole number of at least `least` that must be given, unless there is a default. @param what it is, for errors */
  whole(index: number, what: string, least: number, byDefault?: number): number;
  /** A number above 0. */
  positive(index: number, what: string, byDefault?: number): number;
  /** One of these words. */
  word<T extends string>(index: number, what: string, words: readonly T[], byDefault?: T): T;
  /** All behind the strategy's name, colons included. */
  rest(what: string): string;
}

/**
 * @param usage such as "sc:N", of which no more options are taken than it names
 * @throws InputError if there are more options, and from each of the methods if one is missing or none that it could be
 */
export function readArguments(text: string, usage: string): StrategyArguments {
  const { words, budget } = splitBudget(text);
  const [, ...given] = words.split(":");
  const refuse = (problem: string): never => {
    throw new InputError(`The strategy ${text}: ${problem}; it is asked for as ${usage}.`);
  };
  const most = usage.split(":").length - 1;
  if (given.length > most && !usage.endsWith("MODEL")) refuse("it has more options than it takes");
  const number = (index: number, what: string, byDefault: number | undefined) => {
    const option = given[index];
    if (option === undefined || option === "") return byDefault ?? refuse(`${what} is missing`);
    return /^\d+(\.\d+)?$/.test(option)
      ? Number(option)
      : refuse(`${what} is "${option}", which is no number`);
  };
  return {
    name: text,
    ...(budget !== undefined && { budget }),
    whole(index, what, least, byDefault) {
      const value = number(index, what, byDefault);
      if (Number.isSafeInteger(value) && value >= least) return value;
      return refuse(`${what} is ${value}, but must be a whole number of at least ${least}`);
    },
    positive(index, what, byDefault) {
      const value = number(index, what, byDefault);
      return value > 0 ? value : refuse(`${what} is ${value}, but must be above 0`);
    },
    word(index, what, words, byDefault) {
      const option = given[index] || byDefault;
      const found = words.find((word) => word === option);
      if (found !== undefined) return found;
      const known = words.join(", ");
      return option === undefined
        ? refuse(`${what} is missing, of ${known}`)
        : refuse(`${what} is "${option}", but must be one of ${known}`);
    },
    rest(what) {
      const option = given.join(":");
      return option === "" ? refuse(`${what} is missing`) : option;
    },
  };
}

/** A strategy's name with its options, and the budget behind it. */
export function splitBudget(text: string): { readonly words: string; readonly budget?: number } {
  const [, words, budget] = /^(.*)@(\d+)$/.exec(text) ?? [];
  return words === undefined ? { words: text } : { words, budget: Number(budget) };
}
