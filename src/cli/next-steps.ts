/** @file What a command's summary ends with: the commands that may come next, to be copied. */

import type { Command } from "commander";
import type { Paint } from "../node/colours.ts";
import { renderCommand } from "../node/command-line.ts";

/** What somebody may want, and the command of slimtune for it, without its own name. */
export type NextStep = readonly [purpose: string, words: readonly string[]];

/** A heading and a line for each command. */
export function renderNextSteps(steps: readonly NextStep[], paint: Paint): string {
  const width = Math.max(...steps.map(([purpose]) => purpose.length));
  const lines = steps.map(
    ([purpose, words]) => `  ${paint("aside", purpose.padEnd(width))}  ${renderCommand(words)}`,
  );
  return [paint("heading", "Next:"), ...lines].join("\n");
}

/** The words of a command as it was given, but for the options of these names, such as "out" for --out. */
export function repeatCommand(command: Command, except: readonly string[]): string[] {
  const given = command.options.filter((option) => {
    const name = option.attributeName();
    return command.getOptionValueSource(name) === "cli" && !except.includes(name);
  });
  const words = given.flatMap((option) => {
    const value: unknown = command.getOptionValue(option.attributeName());
    if (typeof value === "boolean") return value === option.negate ? [] : [option.long!];
    const parts = Array.isArray(value) && !option.variadic ? [value.join(",")] : [value].flat();
    return [option.long!, ...parts.map(String)];
  });
  return [command.name(), ...words];
}
