/** @file Items as lm-evaluation-harness 0.4.12 logs them: one line of JSON for each item and filter. */

import { createHash } from "node:crypto";
import { formatJson } from "../core/python/json.ts";
import { formatFloat } from "../core/python/number.ts";
import type { Sample } from "./evaluate.ts";
import { type Answer, argumentsOf } from "./language-model.ts";

/** A line of samples_<task>.jsonl. The scores stand beside these entries, by the names of the metrics. */
export interface SampleLine {
  readonly doc_id: number;
  readonly doc: Readonly<Record<string, unknown>>;
  readonly target: string;
  readonly arguments: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly resps: readonly (readonly (string | readonly string[])[])[];
  readonly filtered_resps: readonly (string | readonly string[])[];
  readonly filter: string;
  readonly metrics: readonly string[];
  readonly doc_hash: string;
  readonly prompt_hash: string;
  readonly target_hash: string;
}

export function describeSample({ instance, answers, filter, filtered, scores }: Sample): SampleLine {
  const calls = instance.requests.map(argumentsOf);
  const responses = answers.map(describeAnswer);
  const target = String(instance.target);
  return {
    doc_id: instance.docId,
    doc: instance.doc,
    target,
    arguments: Object.fromEntries(
      calls.map((call, i) => [
        `gen_args_${i}`,
        Object.fromEntries(call.map((argument, j) => [`arg_${j}`, argument])),
      ]),
    ),
    // The harness may ask each request several times, so it keeps a list for each.
    resps: responses.map((response) => [response]),
    filtered_resps: filtered.map(describeAnswer),
    filter,
    metrics: Object.keys(scores),
    doc_hash: hash(formatJson(instance.doc, { indent: 2 })),
    prompt_hash: hash(calls[0]![0]),
    target_hash: hash(target),
    ...scores,
  };
}

/** One hash of all of a task's items, prompts and targets. */
export function hashSamples(lines: readonly SampleLine[]): string {
  return hash(lines.map((line) => line.doc_hash + line.prompt_hash + line.target_hash).join(""));
}

export function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function describeAnswer(answer: Answer): string | readonly string[] {
  if (typeof answer === "number") return formatFloat(answer);
  if ("text" in answer) return answer.text;
  return [formatFloat(answer.logLikelihood), answer.isGreedy ? "True" : "False"];
}
