/** @file The user's own tasks and groups, in YAML files with the harness's fields. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { isMap, parseDocument, visit } from "yaml";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { checkDepth } from "../../core/formats/json-document.ts";
import { parseFields } from "../../core/parse-fields.ts";
import { readText } from "../../node/files/read.ts";
import { checkYamlDepth, refuseYaml } from "../../node/files/structured.ts";
import { mean } from "../metrics/aggregations.ts";
import { metricNames, metrics } from "../metrics/metrics.ts";
import { checkDefinition, parseSplit, type TaskDefinition } from "./task-definition.ts";
import type { GroupEntry, TaskEntry } from "./task-entry.ts";

const extensions = [".yaml", ".yml"];

/**
 * Reads tasks and groups.
 *
 * @param paths files, or folders whose .yaml and .yml files are read
 * @throws InputError if one is missing, not valid YAML, or not a valid definition.
 */
export function readTaskFiles(paths: readonly string[]): {
  readonly tasks: readonly TaskEntry[];
  readonly groups: readonly GroupEntry[];
} {
  const entries = paths.flatMap(listFiles).map(readTaskFile);
  return {
    tasks: entries.filter((entry) => "definition" in entry),
    groups: entries.filter((entry) => "tasks" in entry),
  };
}

function listFiles(path: string): string[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw new InputError(`There is no file ${path} with a task.`);
  if (!found.isDirectory()) return [path];
  const files = readdirSync(path).filter((file) => extensions.includes(extname(file)));
  if (files.length === 0) throw new InputError(`${path} holds no .yaml files with tasks.`);
  return files.sort().map((file) => join(path, file));
}

function readTaskFile(path: string): TaskEntry | GroupEntry {
  const fields = readYaml(path);
  if (fields.group !== undefined) return toGroup(fields, path);
  const definition = resolveFiles(checkDefinition(withSplit(fields), path), path);
  return {
    name: definition.task,
    description: `Defined in ${path}.`,
    items: undefined,
    licence: "your own",
    definition,
  };
}

function readYaml(path: string): Record<string, unknown> {
  // The harness's parser is of YAML 1.1, in which "yes" is true.
  const text = readText(path);
  checkYamlDepth(text, path);
  const document = parseDocument(text, { version: "1.1", logLevel: "silent" });
  const [error] = document.errors;
  if (error) throw refuseYaml(error, path);
  visit(document, {
    Node(_, node) {
      if (node.tag?.startsWith("!")) {
        throw new InputError(
          `${path}: ${node.tag} is not supported, because code that files name is never run; give functions through the API.`,
        );
      }
    },
  });
  if (!isMap(document.contents)) throw new InputError(`${path} holds no fields of a task.`);
  try {
    const fields = document.toJS();
    checkDepth(fields, path);
    return fields;
  } catch (error) {
    throw error instanceof InputError ? error : refuseYaml(error as Error, path);
  }
}

/** A dataset that is one file is evaluated whole unless splits are named. */
function withSplit(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isNamed = typeof fields.test_split === "string" || typeof fields.validation_split === "string";
  const isFile = extname(String(fields.dataset_path)) !== "" && fields.dataset_kwargs == null;
  return isNamed || !isFile ? { ...fields } : { ...fields, test_split: "test" };
}

/** The names under which the harness takes data_files. */
const fileKinds = ["json", "csv", "parquet", "text"];

/** Makes paths absolute, which count from the folder of the YAML file. */
function resolveFiles(definition: TaskDefinition, path: string): TaskDefinition {
  const { dataset_path, dataset_kwargs } = definition;
  const fromHere = (file: string) => resolve(dirname(path), file);
  let files = dataset_kwargs?.data_files;
  if (fileKinds.includes(dataset_path)) {
    if (!files)
      throw new InputError(
        `${path}: dataset_path is ${dataset_path}, so name files in dataset_kwargs.data_files.`,
      );
  } else if (files) {
    throw new InputError(`${path}: data_files goes with a dataset_path of ${fileKinds.join(", ")}.`);
  } else if (existsSync(fromHere(dataset_path))) {
    const { training_split, validation_split, test_split, fewshot_split } = definition;
    const splits = [training_split, validation_split, test_split, fewshot_split].filter(
      (split) => split !== undefined,
    );
    files = Object.fromEntries(splits.map((split) => [parseSplit(split).name, dataset_path]));
  }
  if (!files) return definition;
  const data_files = Object.fromEntries(
    Object.entries(files).map(([split, file]) => [split, fromHere(file)]),
  );
  return { ...definition, dataset_kwargs: { ...dataset_kwargs, data_files } };
}

const groupSchema = z.strictObject({
  group: z.string().min(1),
  group_alias: z.string().optional(),
  task: z.array(z.string()).min(1),
  aggregate_metric_list: z
    .array(
      z.strictObject({
        metric: z.enum(metricNames.filter((name) => metrics[name].aggregation === mean)),
        aggregation: z.literal("mean").optional(),
        weight_by_size: z.boolean().default(true),
        filter_list: z.never({ error: "filters of groups are not supported; all are aggregated" }).optional(),
      }),
    )
    .default([]),
  metadata: z.looseObject({ version: z.union([z.string(), z.number()]).optional() }).optional(),
});

function toGroup(fields: Readonly<Record<string, unknown>>, path: string): GroupEntry {
  const data = parseFields(groupSchema, fields, path);
  return {
    name: data.group,
    version: String(data.metadata?.version ?? 0),
    description: `Defined in ${path}.`,
    tasks: data.task,
    aggregate: data.aggregate_metric_list.map(({ metric, weight_by_size }) => ({
      metric,
      weightBySize: weight_by_size,
    })),
  };
}
