/** @file The options of a tuning run, from the schema that the command line has. */

import { isDeepStrictEqual } from "node:util";
import { Hono } from "hono";
import { z } from "zod";
import { methodNames, methodOf } from "../../core/adapters/methods.ts";
import { objectiveNames, ownersOf } from "../../core/objectives/objectives.ts";
import { fileOptionHelp, type OptionName, optionHelp } from "../../node/training/option-help.ts";
import { givenOptions, runConfigSchema } from "../../node/training/run-config.ts";
import type { RunOption } from "../api.ts";

/** What most people set, shown before any search. */
const basic: ReadonlySet<string> = new Set<OptionName>([
  ...(["model", "data", "method", "objective", "keep", "num_train_epochs", "max_steps"] as const),
  ...(["learning_rate", "batch_size", "context", "r", "validation", "sample_prompts"] as const),
]);

/** Given once for each of its texts, of which a comma may be part. */
export const repeatedFlag = "--sample-prompt";

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** GET /options. */
export function optionRoutes() {
  const options = listRunOptions();
  return new Hono().get("/options", (c) => c.json(options));
}

/** All options but for the run's folder, which the studio chooses. */
export function listRunOptions(): RunOption[] {
  const { properties = {} } = z.toJSONSchema(givenOptions, { io: "input", unrepresentable: "any" });
  const defaults = listDefaults();
  const { out: _, ...own } = properties as Record<string, JsonSchema>;
  return Object.entries(own).flatMap(([name, schema]) =>
    schema.properties
      ? Object.entries(schema.properties).map(([setting, inner]) =>
          describe(`${name}.${setting}`, inner as JsonSchema, defaults),
        )
      : [describe(name, schema, defaults)],
  );
}

function describe(path: string, schema: JsonSchema, defaults: Defaults): RunOption {
  const name = path.split(".").at(-1)!;
  const isFlag = Object.hasOwn(optionHelp, name);
  const help: Readonly<Record<string, string>> = isFlag ? optionHelp : fileOptionHelp;
  return {
    name: path,
    ...(isFlag && { flag: flagOf(name, schema) }),
    ...describeValues(schema),
    ...describeDefaults(path, defaults),
    help: help[name]!,
    isBasic: basic.has(name),
  };
}

function flagOf(name: string, { type, default: standard }: JsonSchema): string {
  if (name === "sample_prompts") return repeatedFlag;
  return `--${type === "boolean" && standard === true ? "no-" : ""}${name.replaceAll("_", "-")}`;
}

function describeValues(schema: JsonSchema): Pick<RunOption, "kind" | "choices" | "holds"> {
  const forms = schema.anyOf ?? [schema];
  const [held] = forms.flatMap((form) => form.items ?? form.additionalProperties ?? []) as JsonSchema[];
  const choices = [...forms, ...(held ? [held] : [])].flatMap((form) => form.enum ?? form.const ?? []);
  const words = choices.filter((choice) => typeof choice === "string");
  return {
    kind: kindOf(forms),
    ...(words.length > 0 && { choices: words }),
    ...(/^(integer|number)$/.test(String(held?.type)) && { holds: "number" }),
  };
}

function kindOf(forms: readonly JsonSchema[]): RunOption["kind"] {
  const has = (type: string) => forms.some((form) => form.type === type);
  if (has("array")) return has("string") ? "names" : "list";
  if (has("object")) return "mapping";
  if (has("integer")) return "integer";
  if (has("number")) return "number";
  if (forms.some((form) => form.enum || form.const !== undefined)) return "choice";
  return has("boolean") ? "boolean" : "text";
}

/** Who has an option, and its value where nobody gives one. */
function describeDefaults(
  path: string,
  defaults: Defaults,
): Pick<RunOption, "methods" | "objectives" | "default" | "defaults"> {
  const [root] = path.split(".") as [string];
  const methods = methodNames.filter((name) => Object.hasOwn(methodOf(name).options, root));
  const objectives = ownersOf(root);
  const owners = objectives.length > 0 ? objectives : methods.length > 0 ? methods : methodNames;
  const values = owners.map((owner) => [owner, valueAt(path, defaults.get(owner))] as const);
  const [, first] = values[0]!;
  const isShared = values.every(([, value]) => isDeepStrictEqual(value, first));
  return {
    ...(methods.length > 0 && { methods }),
    ...(objectives.length > 0 && { objectives }),
    ...(isShared ? first !== undefined && { default: first } : { defaults: Object.fromEntries(values) }),
  };
}

/** A run's options where nothing but a method or an objective is chosen, by its name. */
type Defaults = ReadonlyMap<string, unknown>;

function listDefaults(): Defaults {
  const complete = (chosen: object): object => {
    const {
      model: _,
      data,
      ...defaults
    } = runConfigSchema.parse({ model: "-", data: "-", out: "-", ...chosen });
    return defaults;
  };
  return new Map<string, unknown>([
    ...methodNames.map((method) => [method, complete({ method })] as const),
    ...objectiveNames.map((objective) => [objective, complete({ objective })] as const),
  ]);
}

function valueAt(path: string, config: unknown): unknown {
  return path.split(".").reduce((value, part) => (value as Record<string, unknown>)[part], config);
}
