/** @file What adapter_config.json says for every type of adapter: the layers that are adapted, and keys without effect. */

import * as z from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { InputError } from "../errors.ts";
import { type KeyTable, withRole } from "../formats/known-keys.ts";
import { narrowTargetModules } from "./target-modules.ts";

/** What PEFT puts before a tensor's name. */
export const peftPrefix = "base_model.model.";

/** Keys of PEFT's PeftConfig. */
export const commonKeys: KeyTable = {
  peft_type: "used",
  task_type: ["CAUSAL_LM"],
  ...withRole(
    "harmless",
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "peft_version",
    "revision",
  ),
};

/** Keys of the configurations that choose linear layers. */
export const targetKeys: KeyTable = {
  ...withRole("used", "exclude_modules", "layers_to_transform", "target_modules"),
  fan_in_fan_out: [false],
  layers_pattern: ["", [], "layers", ["layers"]],
};

export const targetFields = {
  target_modules: z.union([z.string(), z.array(z.string()).min(1)]),
  layers_to_transform: z.union([z.int().transform((layer) => [layer]), z.array(z.int())]).nullish(),
  exclude_modules: z.union([z.string(), z.array(z.string())]).nullish(),
};

/**
 * Reads an adapter's configuration.
 *
 * @throws InputError if a value is bad.
 */
export function parsePeftFields<T extends z.ZodType>(schema: T, json: unknown, origin: string): z.output<T> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new InputError(`${origin} has a bad value at "${issue.path.join(".")}": ${issue.message}.`);
}

/**
 * The adapted layers, as a list of names if some of `target_modules` are left out.
 *
 * @param tables as in {@link narrowTargetModules}
 * @throws InputError if they are chosen from a model's that is not given, or none is left.
 */
export function readTargets(
  config: z.output<z.ZodObject<typeof targetFields>>,
  origin: string,
  model: ModelConfig | undefined,
  tables?: readonly string[],
): string | string[] {
  const { target_modules, exclude_modules, layers_to_transform } = config;
  const choice = { excluded: exclude_modules ?? [], layers: layers_to_transform ?? [] };
  if (choice.excluded.length === 0 && choice.layers.length === 0) return target_modules;
  if (model) return narrowTargetModules(target_modules, choice, model, tables);
  throw new InputError(
    `${origin} chooses its layers by exclude_modules or layers_to_transform, which tuning cannot go on with; merge the adapter and tune the merged model.`,
  );
}
