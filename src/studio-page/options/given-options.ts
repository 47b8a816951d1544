/** @file The options of a run as the form holds them, as texts by name, and as they are sent. */

import type { GivenOptions, RunOption } from "../../studio/api.ts";

/** What was typed or chosen; what is left at its default is not in it. */
export type OptionTexts = Readonly<Record<string, string>>;

const linesOf = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

/** What a text stands for. What is no number, and cannot be, stays a text: the server says what is wrong with it. */
export function parseOption({ kind, holds, choices }: RunOption, text: string): unknown {
  const number = (word: string) => {
    const value = Number(word);
    return Number.isNaN(value) || choices?.includes(word) ? word : value;
  };
  const held = holds === "number" ? number : (word: string) => word;
  switch (kind) {
    case "number":
    case "integer":
      return number(text.trim());
    case "boolean":
      return text === "true";
    case "list":
      return linesOf(text).map(held);
    case "names": {
      const names = linesOf(text);
      return names.length === 1 ? names[0] : names;
    }
    case "mapping":
      return Object.fromEntries(
        linesOf(text).map((line) => {
          const [name, ...rest] = line.split("=");
          return [name!.trim(), held(rest.join("=").trim())];
        }),
      );
    case "choice":
      // As of init_lora_weights, which is true or a word.
      return text === "true" && !choices!.includes(text) ? true : text;
    default:
      return text;
  }
}

/** A value as the form shows it. */
export function formatOption(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.join("\n");
  if (typeof value !== "object") return String(value);
  return Object.entries(value)
    .map((pair) => pair.join("="))
    .join("\n");
}

/** The value of an option that is not given, as far as it is known: it may depend on the method and on the objective. */
export function defaultOf(option: RunOption, method: string, objective: string): unknown {
  return option.defaults ? (option.defaults[method] ?? option.defaults[objective]) : option.default;
}

/** Whether a run of this method and this objective has the option. */
export function isOffered({ methods, objectives }: RunOption, method: string, objective: string): boolean {
  return (methods?.includes(method) ?? true) && (objectives?.includes(objective) ?? true);
}

/** The method and the objective, which decide what other options there are. */
export function chosenOf(texts: OptionTexts): { readonly method: string; readonly objective: string } {
  return { method: texts.method ?? "lora", objective: texts.objective ?? "sft" };
}

/** What is sent: the options that are given and that the method and the objective have, in their sections. */
export function toGivenOptions(options: readonly RunOption[], texts: OptionTexts): GivenOptions {
  const find = (name: string) => options.find((option) => option.name === name);
  const { method, objective } = chosenOf(texts);
  const given: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(texts)) {
    const option = find(name);
    if (option === undefined || text.trim() === "") continue;
    if (!isOffered(option, method, objective)) continue;
    const value = parseOption(option, text);
    const [section, setting] = name.split(".") as [string, string?];
    if (setting === undefined) given[name] = value;
    else given[section] = { ...(given[section] as object | undefined), [setting]: value };
  }
  return given;
}

/** The options in whose name, flag or help every word stands; those whose name has them come first. */
export function findOptions(options: readonly RunOption[], words: string): readonly RunOption[] {
  const sought = words.toLowerCase().split(/\s+/).filter(Boolean);
  const hasAll = (text: string) => sought.every((word) => text.toLowerCase().includes(word));
  return options
    .filter(({ name, flag, help }) => hasAll(`${name} ${flag ?? ""} ${help}`))
    .toSorted((a, b) => Number(hasAll(b.name)) - Number(hasAll(a.name)));
}
