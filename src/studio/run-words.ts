/** @file A tuning run's options as flags of the command line. */

import type { GivenOptions, RunOption } from "./api.ts";
import { listRunOptions, repeatedFlag } from "./content/options.ts";

/** Whose flag takes the name of a file, where the option is what stands in it. */
const readFromFile = "chat_template";

/** By their names, made when they are first needed. */
let known: ReadonlyMap<string, RunOption> | undefined;

/**
 * The flags that say what a person's options do.
 *
 * @returns the words, and under their names those options that only a configuration file can say
 */
export function runWords(options: GivenOptions): {
  readonly words: readonly string[];
  readonly others: GivenOptions;
} {
  known ??= new Map(listRunOptions().map((option) => [option.name, option]));
  const words: string[] = [];
  const others: Record<string, unknown> = {};
  for (const [name, value] of flatten(options)) {
    const { flag } = known.get(name) ?? {};
    if (flag === undefined || name === readFromFile) others[name] = value;
    else words.push(...toWords(flag, value));
  }
  return { words, others };
}

/** The settings of an adapter as "lora.r". */
function flatten(options: GivenOptions): [name: string, value: unknown][] {
  return Object.entries(options).flatMap(([name, value]) =>
    isTable(value) && name !== "fields"
      ? Object.entries(value).map(([setting, inner]): [string, unknown] => [`${name}.${setting}`, inner])
      : [[name, value]],
  );
}

function toWords(flag: string, value: unknown): string[] {
  if (typeof value === "boolean") return value === flag.startsWith("--no-") ? [] : [flag];
  if (Array.isArray(value))
    return flag === repeatedFlag ? value.flatMap((text) => [flag, String(text)]) : [flag, value.join(",")];
  if (isTable(value))
    return [
      flag,
      Object.entries(value)
        .map((pair) => pair.join("="))
        .join(","),
    ];
  return [flag, String(value)];
}

function isTable(value: unknown): value is GivenOptions {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
