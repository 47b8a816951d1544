/** @file The adapter that a run goes on with, in place of one that begins anew. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type MethodOptions, methodOf } from "../../core/adapters/methods.ts";
import { InputError } from "../../core/errors.ts";
import { readAdapterTemplate, readSettings } from "../adapters/peft-files.ts";
import { parseRunConfig, type RunConfig, type RunOptions } from "./run-config.ts";
import { runFolder } from "./run-folder.ts";

/** The folder of an adapter that is given by its own path, or by that of the run which tuned it. */
export function findAdapter(path: string): string {
  const { config, adapter } = runFolder(path);
  return existsSync(config) ? adapter : path;
}

/**
 * Checks a run's options and fills in what they leave open: the settings and the chat template of the adapter that it goes on
 * with, and the defaults.
 * Only what does not belong to what the adapter computes, such as its dropout, may be another than the adapter's.
 *
 * @param origin where the options come from, for messages
 * @throws InputError as `parseRunConfig` does, or if there is no such adapter, or an option contradicts its settings.
 * @example
 * const { learning_rate } = completeOptions({ model: "fixtures/embedded-model", data: "faq.csv", out: "runs/faq" }, "here");
 */
export function completeOptions(options: RunOptions, origin: string): RunConfig {
  const { adapter, method } = parseRunConfig(options, origin);
  if (adapter === undefined) return parseRunConfig(options, origin);
  const folder = findAdapter(adapter);
  const { format, settings } = readSettings(join(folder, "adapter_config.json"));
  const { section } = format;
  if (methodOf(method).peft !== format) {
    throw new InputError(
      `${origin}: the adapter ${folder} is of PEFT's type "${format.type}", with which method "${method}" cannot go on; choose a method of that type.`,
    );
  }
  const given = { ...(options[section as keyof MethodOptions] as object | undefined) };
  const changed: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const own = settings[name];
    if (format.changeable.includes(name)) changed[name] = value ?? own;
    else if (value !== undefined && !isDeepStrictEqual(withoutOrder(value), withoutOrder(own))) {
      throw new InputError(
        `${origin}: the option "${section}.${name}" is ${JSON.stringify(value)}, but the adapter ${folder} was made with ${JSON.stringify(own)}; leave it out.`,
      );
    }
  }
  const template = options.apply_chat_template === false ? undefined : readAdapterTemplate(folder);
  const chat_template = options.chat_template ?? template;
  return parseRunConfig(
    {
      ...options,
      [section]: { ...settings, ...changed },
      ...(chat_template !== undefined && { chat_template }),
    },
    origin,
  );
}

/** Lists of settings are sets. */
function withoutOrder(value: unknown): unknown {
  return Array.isArray(value) ? [...value].sort() : value;
}
