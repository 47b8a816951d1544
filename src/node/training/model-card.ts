/** @file The model card of a run's result (README.md): what it was made of and how, and what was measured. */

import { existsSync } from "node:fs";
import { basename } from "node:path";
import { stringify } from "yaml";
import type { Yield } from "../../core/adapters/method.ts";
import { methodOf } from "../../core/adapters/methods.ts";
import { completeOptions, objectiveOf } from "../../core/objectives/objectives.ts";
import type { EvaluationMetrics } from "../../core/training/loop.ts";
import { type Metrics, type RunStepMetrics, readMetrics } from "./metrics-log.ts";
import type { RunConfig } from "./run-config.ts";
import { type RunFolder, readIdentity } from "./run-folder.ts";

/**
 * The card of a run's result, as the Hub reads it: metadata between dashes, then Markdown. No path of this machine stands in
 * it.
 *
 * @param subject what the card is of: an adapter alone, or a model with the tuned weights
 * @param baseModel the base model's id on the Hub, where it is known
 * @param isForPeft whether PEFT computes an adapter as slimtune does
 */
export function describeResult(
  subject: Yield,
  folder: RunFolder,
  config: RunConfig,
  baseModel: string | undefined,
  isForPeft = true,
): string {
  const base = baseModel ?? basename(config.model);
  const isLocal = existsSync(config.data);
  const data = isLocal ? basename(config.data) : config.data;
  const metadata = {
    ...(baseModel !== undefined && { base_model: baseModel }),
    ...(subject === "adapter" && isForPeft && { library_name: "peft" }),
    pipeline_tag: "text-generation",
    ...(!isLocal && { datasets: [data] }),
    tags: ["slimtune", config.method],
  };
  const rows = [
    ["base model", base],
    ["data", `${data} (SHA-256 ${readIdentity(folder).dataSha256.slice(0, 16)}…)`],
    ["method", describeMethod(config)],
    ["objective", describeObjective(config)],
    ...describeMetrics(readMetrics(folder.metrics), config),
    ["seed", String(config.seed)],
  ];
  const name = baseModel ?? "BASE-MODEL";
  const withPeft = isForPeft
    ? `PEFT loads it as well: \`PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("${name}"), "THIS-FOLDER")\`.`
    : "PEFT does not compute such an adapter, and refuses it.";
  const use =
    subject === "adapter"
      ? `\`\`\`\nnpx slimtune chat --model ${name} --adapter THIS-FOLDER\n\`\`\`\n\n${withPeft}`
      : "```\nnpx slimtune chat --model THIS-FOLDER\n```\n\nIt is an ordinary model folder, which Transformers loads as well.";
  return `---
${stringify(metadata)}---
# ${base}, tuned on ${data}

${subject === "adapter" ? "An adapter for" : "A model made from"} ${base}, tuned with slimtune.

| | |
| --- | --- |
${rows.map(([label, text]) => `| ${label} | ${asCell(text!)} |`).join("\n")}

## Use

${use}

## What is not known

Nothing but what stands above was measured when this card was written. \`slimtune evaluate\` and \`slimtune compare\` show what
was gained and what was forgotten.

## Licence

The licence of the base model and the terms of the data hold for this as well. Say here which they are before you hand it on.
`;
}

function describeMethod(config: RunConfig): string {
  const { method, storage } = config;
  const kept = storage === "float32" ? "" : `, on a base in ${storage}`;
  return `${method}: ${methodOf(method).describe(config)}${kept}`;
}

function describeObjective({ objective, keep, ...config }: RunConfig): string {
  const options = completeOptions(objective, config);
  // No path of this machine stands in a card.
  const named = config.teacher === undefined ? options : { ...options, teacher: basename(config.teacher) };
  const kept = keep === 0 ? "" : `; KL(before ‖ after) with weight ${keep}`;
  return `${objectiveOf(objective).describe(named)}${kept}`;
}

function describeMetrics(metrics: readonly Metrics[], config: RunConfig): [string, string][] {
  const steps = metrics.filter((line): line is RunStepMetrics => "loss" in line);
  const evaluations = metrics.filter((line): line is EvaluationMetrics => "eval_loss" in line);
  const trained = steps.reduce((sum, { trained_tokens }) => sum + trained_tokens, 0);
  const rows: [string, string][] = [
    [
      "training",
      `${steps.length} steps of ${config.batch_size} examples, ${trained} trained tokens; learning rate ${config.learning_rate}, ${config.lr_scheduler_type}`,
    ],
  ];
  const before = evaluations.find(({ step }) => step === 0);
  const after = evaluations.filter(({ step }) => step > 0);
  if (after.length === 0) {
    const last = steps.at(-1);
    if (!last) return rows;
    const [firstReward, lastReward] = [steps[0]!, last].map(({ metrics }) => metrics?.reward);
    if (firstReward !== undefined && lastReward !== undefined) {
      const change = `${firstReward.toFixed(3)} in the first step, ${lastReward.toFixed(3)} in the last`;
      return [...rows, ["mean reward", change]];
    }
    return [...rows, ["loss of the last step", `${last.loss.toFixed(3)}${unitOf(config)}`]];
  }
  const best = after.reduce((least, line) => (line.eval_loss < least.eval_loss ? line : least));
  const was = before ? `${before.eval_loss.toFixed(3)} before, ` : "";
  return [
    ...rows,
    [
      "held-out loss",
      `${was}${best.eval_loss.toFixed(3)} after ${best.step} steps${unitOf(config).replace(/^ /, ", in ")} over ${best.eval_tokens} tokens`,
    ],
  ];
}

/** Losses of preferences are no means over tokens. */
function unitOf({ objective }: RunConfig): string {
  return objectiveOf(objective).learnsFrom === "texts" ? " nats a token" : "";
}

/** Names come from elsewhere: a bar would end a table's cell, and a line break the table. */
function asCell(text: string): string {
  return text.replace(/[|\\`<]/g, "\\$&").replace(/\s+/g, " ");
}
