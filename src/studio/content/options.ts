/** @file The options of a tuning run, from the schema that the command line has. */

import { isDeepStrictEqual } from "node:util";
import { Hono } from "hono";
import { z } from "zod";
import { type MethodName, methodNames, methodOf } from "../../core/adapters/methods.ts";
import { type ObjectiveName, ownersOf } from "../../core/objectives/objectives.ts";
import { fileOptionHelp, type OptionName, optionHelp } from "../../node/training/option-help.ts";
import { givenOptions, runConfigSchema } from "../../node/training/run-config.ts";
import type { RunOption } from "../api.ts";

/** What most people set, shown before any search. */
const basic: ReadonlySet<string> = new Set<OptionName>([
  ...(["model", "data", "method", "objective", "keep", "num_train_epochs", "max_steps"] as const),
  ...(["learning_rate", "batch_size", "context", "r", "validation"] as const),
]);

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** GET /options. */
export function optionRoutes(): Hono {
  const options = listRunOptions();
  return new Hono().get("/options", (c) => c.json(options));
}

/** All options but for the run's folder, which the studio chooses. */
export function listRunOptions(): RunOption[] {
  const { properties = {} } = z.toJSONSchema(givenOptions, { io: "input", unrepresentable: "any" });
  const { out: _, ...own } = properties as Record<string, JsonSchema>;
  return Object.entries(own).flatMap(([name, schema]) =>
    schema.properties
      ? Object.entries(schema.properties).map(([setting, inner]) =>
          describe(`${name}.${setting}`, inner as JsonSchema),
        )
      : [describe(name, schema)],
  );
}

function describe(path: string, schema: JsonSchema): RunOption {
  const name = path.split(".").at(-1)!;
  const isFlag = Object.hasOwn(optionHelp, name);
  const help: Readonly<Record<string, string>> = isFlag ? optionHelp : fileOptionHelp;
  return {
    name: path,
    ...(isFlag && {
      flag: `--${schema.type === "boolean" && schema.default === true ? "no-" : ""}${name.replaceAll("_", "-")}`,
    }),
    ...describeValues(schema),
    ...describeDefaults(path),
    help: help[name]!,
    isBasic: basic.has(name),
  };
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
function describeDefaults(path: string): Pick<RunOption, "methods" | "objectives" | "default" | "defaults"> {
  const [root] = path.split(".") as [string];
  const methods = methodNames.filter((name) => Object.hasOwn(methodOf(name).options, root));
  const objectives = ownersOf(root);
  const values =
    objectives.length > 0
      ? objectives.map((objective) => [objective, defaultOf(path, { objective })] as const)
      : (methods.length > 0 ? methods : methodNames).map(
          (method) => [method, defaultOf(path, { method })] as const,
        );
  const [, first] = values[0]!;
  const isShared = values.every(([, value]) => isDeepStrictEqual(value, first));
  return {
    ...(methods.length > 0 && { methods }),
    ...(objectives.length > 0 && { objectives }),
    ...(isShared ? first !== undefined && { default: first } : { defaults: Object.fromEntries(values) }),
  };
}

function defaultOf(
  path: string,
  chosen: { readonly method?: MethodName; readonly objective?: ObjectiveName },
): unknown {
  const config: unknown = runConfigSchema.parse({ model: "-", data: "-", out: "-", ...chosen });
  return ["model", "data"].includes(path)
    ? undefined
    : path.split(".").reduce((value, part) => (value as Record<string, unknown>)[part], config);
}
