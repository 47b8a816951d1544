/** @file What is chosen for the next tuning. */

import { computed, signal } from "@preact/signals";
import type { ExampleRow } from "../../web/examples.ts";
import type { TuneOptions } from "../../web/tune-options.ts";
import type { EngineSettings } from "./engine.ts";
import { embedded, type ModelChoice } from "./model-choice.ts";

export const model = signal<ModelChoice>(embedded);
export const device = signal<EngineSettings["device"]>("wasm");

/** The examples with the name of where they are from. */
export const data = signal<{ readonly name: string; readonly rows: readonly ExampleRow[] } | undefined>(
  undefined,
);

/** Rows as they are typed. */
export const pasted = signal("");

export const method = signal<"lora" | "qlora">("lora");

/** Options as they are typed; where nothing is, the default holds. */
export const typed = {
  num_train_epochs: signal("3"),
  batch_size: signal(""),
  learning_rate: signal(""),
  r: signal(""),
  validation: signal(""),
  context: signal(""),
};

export const engineSettings = computed<EngineSettings>(() => ({
  model: model.value,
  device: device.value,
  storage: method.value === "qlora" ? "nf4" : "float32",
}));

/** As the tuning takes them; numbers that are none are refused there. */
export function readOptions(): TuneOptions {
  const { r, ...others } = typed;
  const given = Object.entries(others).flatMap(([name, { value }]) => toNumber(name, value));
  const rank = toNumber("r", r.value);
  return {
    method: method.value,
    ...Object.fromEntries(given),
    ...(rank.length > 0 && { lora: Object.fromEntries(rank) }),
    ...(model.value.kind === "hub" && { base_model_name: model.value.name }),
    // A tab that is closed loses what is not kept.
    save_steps: 1,
  };
}

const toNumber = (name: string, text: string): [name: string, value: number][] =>
  text.trim() === "" ? [] : [[name, Number(text)]];
