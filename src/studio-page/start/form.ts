/** @file The form of the view "Start", which a refreshed page finds as it was. */

import { computed, effect, signal } from "@preact/signals";
import { chosenOf, type OptionTexts } from "../options/given-options.ts";

const key = "slimtune-start";

function readKept(): OptionTexts {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "{}") as OptionTexts;
  } catch {
    return {};
  }
}

/** What is given, by the name of its option. */
export const texts = signal<OptionTexts>(readKept());
effect(() => sessionStorage.setItem(key, JSON.stringify(texts.value)));

/** Gives an option, or takes it back to its default. */
export function give(name: string, text: string | undefined): void {
  const { [name]: _, ...rest } = texts.peek();
  texts.value = text === undefined ? rest : { ...rest, [name]: text };
}

export const chosen = computed(() => chosenOf(texts.value));
