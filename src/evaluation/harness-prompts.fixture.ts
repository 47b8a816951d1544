/** @file Prompts of tasks in the harness's golden files, and our own in their form. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { applyChatTemplate } from "../core/tokenization/chat-template.ts";
import { argumentsOf } from "./language-model.ts";
import { type PreparationOptions, prepareTasks } from "./prepare.ts";
import type { Instance } from "./task.ts";

/** Made by reference/harness_prompts.py. */
export interface PromptGolden {
  readonly chatTemplate: string;
  readonly cases: readonly PromptCase[];
}

export interface PromptCase {
  readonly task: string;
  readonly numFewshot: number;
  readonly form: "plain" | "system" | "turns" | "message";
  /** Of each item the first digits of a hash of its target and requests. */
  readonly items: readonly string[];
  /** The first item's target and requests. */
  readonly first?: readonly string[];
}

export function readPromptGolden(name: string): PromptGolden {
  return JSON.parse(readFileSync(`fixtures/evaluation/${name}.json`, "utf8"));
}

/** Our items of a case, each as target and requests. */
export async function prepareCase(
  { task, numFewshot, form, items }: PromptCase,
  chatTemplate: string,
  dataDir: string,
): Promise<string[][]> {
  const system: PreparationOptions =
    form === "system" || form === "turns" ? { systemInstruction: "Answer briefly." } : {};
  const chat: PreparationOptions = {
    applyChatTemplate: (messages) =>
      applyChatTemplate(chatTemplate, messages, { addGenerationPrompt: true }).text,
    fewshotAsMultiturn: form === "turns",
  };
  const { tasks } = await prepareTasks([task], {
    numFewshot,
    dataDir,
    limit: items.length,
    ...system,
    ...(form === "turns" || form === "message" ? chat : {}),
  });
  return tasks[0]!.instances.map(textsOf);
}

function textsOf({ target, requests }: Instance): string[] {
  const texts = requests.flatMap((request) => {
    const [text, rest] = argumentsOf(request);
    if (typeof rest !== "object") return rest === undefined ? [text] : [text, rest];
    // As Python's json writes lists.
    return [text, `[${rest.until.map((stop) => JSON.stringify(stop)).join(", ")}]`];
  });
  return [String(target), ...texts];
}

export function digest(texts: readonly string[]): string {
  return createHash("sha256").update(texts.join("\0")).digest("hex").slice(0, 16);
}
