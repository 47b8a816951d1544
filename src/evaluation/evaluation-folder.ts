/** @file Reads what an evaluation left on disk, by this project or by lm-evaluation-harness. */

import { type Dirent, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { parseFields } from "../core/parse-fields.ts";
import { Float } from "../core/python/number.ts";
import { readJson } from "../node/files/structured.ts";
import { readRows } from "../node/formats/rows.ts";
import type { ItemScore } from "./metrics/aggregations.ts";
import { findMetric } from "./metrics/metrics.ts";

export interface RecordedEvaluation {
  /** The file of results. */
  readonly path: string;
  readonly model: string;
  /** Of the model, how its weights are kept, and the adapter; undefined in results of other harnesses. */
  readonly fingerprint: string | undefined;
  /** What shapes prompts, by name, as far as it is recorded for all tasks. */
  readonly promptSettings: ReadonlyMap<string, string>;
  /** By name. */
  readonly tasks: ReadonlyMap<string, RecordedTask>;
  /** By name. */
  readonly groups: ReadonlyMap<string, RecordedGroup>;
}

export interface RecordedGroup {
  /** Names of its tasks and groups. */
  readonly members: readonly string[];
  /** None if it is only a name for its members. */
  readonly scores: readonly RecordedScore[];
}

export interface RecordedTask {
  readonly name: string;
  readonly version: string;
  readonly numFewshot: number | undefined;
  readonly scores: readonly RecordedScore[];
  /** The items under each filter, in the file's order. */
  readonly items: ReadonlyMap<string, readonly RecordedItem[]>;
}

/** A task's or group's score in the file of results. */
export interface RecordedScore {
  /** Such as "exact_match". */
  readonly metric: string;
  /** Such as "strict-match"; "none" if answers are not filtered. */
  readonly filter: string;
  readonly value: number;
  readonly higherIsBetter: boolean;
}

export interface RecordedItem {
  readonly docId: number;
  readonly docHash: string;
  readonly promptHash: string;
  readonly targetHash: string;
  readonly prompt: string;
  readonly target: string;
  /** What the model answered, for people to read: a text, or the log-likelihood of each choice in nats. */
  readonly answer: string;
  /** What the answer comes to: the number of the likeliest choice, or the text that its filter leaves; undefined of texts that are scored. */
  readonly given: string | undefined;
  /** Of how many choices one is correct; undefined if there are none. */
  readonly choices: number | undefined;
  /** By metric. */
  readonly scores: ReadonlyMap<string, ItemScore>;
}

const resultsSchema = z.object({
  results: z.record(z.string(), z.record(z.string(), z.unknown())),
  group_subtasks: z.record(z.string(), z.array(z.string())).default({}),
  versions: z.record(z.string(), z.union([z.string(), z.number(), z.null()])).default({}),
  "n-shot": z.record(z.string(), z.number().nullable()).default({}),
  "n-samples": z.record(z.string(), z.object({ effective: z.number() })).default({}),
  higher_is_better: z.record(z.string(), z.record(z.string(), z.boolean().nullable())).default({}),
  config: z.object({ fewshot_seed: z.number().nullish() }).default({}),
  model_name: z.string().nullish(),
  system_instruction: z.string().nullish(),
  chat_template: z.string().nullish(),
  fewshot_as_multiturn: z.boolean().nullish(),
  slimtune: z
    .object({
      model: z.looseObject({ sha256: z.string(), adapter: z.object({ sha256: z.string() }).nullable() }),
      date: z.string().nullish(),
    })
    .optional(),
});

type Results = z.infer<typeof resultsSchema>;

/** The harness writes {"gen_args_0": {"arg_0": …}}; lists in their place are read alike. */
const listOf = <T extends z.ZodType>(element: T) =>
  z
    .union([z.record(z.string(), element), z.array(element)])
    .transform((values): z.output<T>[] => Object.values(values));

const sampleSchema = z.looseObject({
  doc_id: z.number(),
  doc_hash: z.string(),
  prompt_hash: z.string(),
  target_hash: z.string(),
  filter: z.string().default("none"),
  target: z.unknown(),
  arguments: listOf(listOf(z.unknown())),
  resps: z.array(z.unknown()),
  filtered_resps: z.array(z.unknown()).default([]),
});

type Sample = z.infer<typeof sampleSchema>;

/**
 * Reads an evaluation.
 *
 * @param path the folder with results.json, or one that lm-evaluation-harness wrote, whose newest results are taken;
 *   or a file of results
 * @throws InputError if it holds no evaluation or no samples, or a file is damaged
 */
export async function readEvaluation(path: string): Promise<RecordedEvaluation> {
  const file = findResults(path);
  const results = readJson(file, resultsSchema, "evaluate again");
  const groups = new Map<string, RecordedGroup>();
  for (const [name, members] of Object.entries(results.group_subtasks)) {
    // The harness lists tasks too, as groups of nothing.
    if (members.length > 0) groups.set(name, { members, scores: readScores(results, name) });
  }
  const tasks = new Map<string, RecordedTask>();
  for (const name of Object.keys(results.results)) {
    if (!groups.has(name)) tasks.set(name, await readTask(file, results, name));
  }
  if (tasks.size === 0) throw new InputError(`${file} holds no results of a task.`);
  return {
    path: file,
    model: results.model_name ?? basename(dirname(file)),
    // How weights are kept counts, under which path does not.
    fingerprint: results.slimtune && JSON.stringify({ ...results.slimtune.model, name: undefined }),
    promptSettings: new Map([
      ["chat template", results.chat_template ? "used" : "not used"],
      ["system instruction", JSON.stringify(results.system_instruction ?? "")],
      ["examples as turns of the chat", results.chat_template && results.fewshot_as_multiturn ? "yes" : "no"],
      ["date in the chat template", results.slimtune?.date ?? "none"],
      ["seed of the examples", String(results.config.fewshot_seed ?? "not recorded")],
    ]),
    tasks,
    groups,
  };
}

/** Whether a file of this name holds the results of an evaluation. */
export const isResults = (name: string) => /^results(_.+)?\.json$/.test(name);

function findResults(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw new InputError(`There is no evaluation at ${path}.`);
  if (!found.isDirectory()) return path;
  const entries = readdirSync(path, { withFileTypes: true });
  // The harness puts each model's files in a folder of its own.
  const folders = [
    path,
    ...entries.filter((entry: Dirent) => entry.isDirectory()).map(({ name }) => join(path, name)),
  ];
  const holding = folders.filter((folder) => readdirSync(folder).some(isResults));
  if (entries.some(({ name }) => name === "evaluation.json") && holding.length === 0) {
    throw new InputError(`The evaluation in ${path} is not finished; run its command again to go on.`);
  }
  if (holding.length === 0) {
    throw new InputError(
      `${path} holds no results.json, so it is no evaluation; name the output folder of one.`,
    );
  }
  if (holding.length > 1) {
    throw new InputError(`${path} holds several evaluations; name one of ${holding.join(", ")}.`);
  }
  // The harness's names end in the date, so the last is the newest.
  return join(holding[0]!, readdirSync(holding[0]!).filter(isResults).sort().at(-1)!);
}

async function readTask(file: string, results: Results, name: string): Promise<RecordedTask> {
  // results_<date>.json goes with samples_<task>_<date>.jsonl.
  const suffix = basename(file, ".json").slice("results".length);
  const samples = join(dirname(file), `samples_${name}${suffix}.jsonl`);
  if (!statSync(samples, { throwIfNoEntry: false })) {
    throw new InputError(
      `${file} has no samples of ${name} beside it (${basename(samples)}), without which items cannot be paired; evaluate with the samples logged (--log_samples in lm-evaluation-harness).`,
    );
  }
  const items = await readItems(samples);
  const expected = results["n-samples"][name]?.effective;
  for (const [filter, list] of items) {
    if (expected !== undefined && list.length !== expected) {
      const under = filter === "none" ? "" : ` under the filter ${filter}`;
      throw new InputError(
        `${samples} holds ${list.length} items${under}, but ${file} is of ${expected}; evaluate again.`,
      );
    }
  }
  return {
    name,
    version: String(results.versions[name] ?? "unknown"),
    numFewshot: results["n-shot"][name] ?? undefined,
    scores: readScores(results, name),
    items,
  };
}

/** The scores among the entries of a task or group, which are keyed "metric,filter". */
function readScores(results: Results, name: string): RecordedScore[] {
  return Object.entries(results.results[name] ?? {}).flatMap(([key, value]) => {
    const [metric, filter] = key.split(",");
    if (typeof value !== "number" || filter === undefined || metric!.endsWith("_stderr")) return [];
    const higherIsBetter =
      results.higher_is_better[name]?.[metric!] ?? findMetric(metric!)?.higherIsBetter ?? true;
    return [{ metric: metric!, filter, value, higherIsBetter }];
  });
}

async function readItems(path: string): Promise<Map<string, RecordedItem[]>> {
  const items = new Map<string, RecordedItem[]>();
  const seen = new Set<string>();
  for await (const { fields, line } of readRows(path)) {
    const sample = parseFields(sampleSchema, fields, `${path}, line ${line}`);
    const key = `${sample.filter}/${sample.doc_id}`;
    if (seen.has(key))
      throw new InputError(`${path}, line ${line}: item ${sample.doc_id} stands there twice.`);
    seen.add(key);
    const list = items.get(sample.filter) ?? [];
    items.set(sample.filter, list);
    list.push(toItem(sample));
  }
  if (items.size === 0) throw new InputError(`${path} holds no items.`);
  return items;
}

function toItem(sample: Sample): RecordedItem {
  const requests = sample.arguments;
  return {
    docId: sample.doc_id,
    docHash: sample.doc_hash,
    promptHash: sample.prompt_hash,
    targetHash: sample.target_hash,
    prompt: String(requests[0]?.[0] ?? ""),
    target: String(sample.target),
    answer: describeAnswer(requests, sample.resps),
    given: findGiven(requests, sample),
    choices: requests.length > 1 && asksLikelihoods(requests) ? requests.length : undefined,
    scores: new Map(
      Object.entries(sample).flatMap(([key, value]) => {
        const score = toScore(value);
        return score === undefined ? [] : [[key, score]];
      }),
    ),
  };
}

function toScore(value: unknown): ItemScore | undefined {
  if (isNumber(value) || typeof value === "boolean") return Number(value);
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [logLikelihood, size] = value;
  return isNumber(logLikelihood) && isNumber(size) ? [Number(logLikelihood), Number(size)] : undefined;
}

function isNumber(value: unknown): value is number | Float {
  return typeof value === "number" || value instanceof Float;
}

function asksLikelihoods(requests: readonly unknown[][]): boolean {
  return typeof requests[0]?.[1] === "string";
}

function isWritten(requests: readonly unknown[][]): boolean {
  return typeof requests[0]?.[1] === "object";
}

function logLikelihoodOf(answers: unknown): number {
  const answer = Array.isArray(answers) ? answers[0] : answers;
  return Number(Array.isArray(answer) ? answer[0] : answer);
}

function findGiven(requests: readonly unknown[][], { resps, filtered_resps }: Sample): string | undefined {
  if (!asksLikelihoods(requests)) {
    const [text] = filtered_resps;
    return isWritten(requests) && typeof text === "string" ? text : undefined;
  }
  if (requests.length === 1) return undefined;
  const logLikelihoods = resps.map(logLikelihoodOf);
  return String(logLikelihoods.indexOf(Math.max(...logLikelihoods)));
}

/** `requests` are [context, continuation] where likelihoods are asked, and [context, settings] or [text] of others. */
function describeAnswer(requests: readonly unknown[][], resps: readonly unknown[]): string {
  const firsts = resps.map((answers) => (Array.isArray(answers) ? answers[0] : answers));
  if (!asksLikelihoods(requests)) return String(firsts[0]);
  const choices = resps.map(
    (answers, i) => `${String(requests[i]?.[1]).trim()}: ${logLikelihoodOf(answers).toFixed(2)}`,
  );
  return choices.join(", ");
}
