/** @file The models of a study of reasoning: what each is tuned on, how, and with which it begins. */

import { InputError } from "../../core/errors.ts";
import { parseRule, rules } from "../../rollouts/rules/rules.ts";
import { baseId } from "../study-folder.ts";
import type { ReasoningConfig } from "./options.ts";

/** What a model learns from. */
export type Lesson =
  /** Worked solutions. */
  | "solutions"
  /** The same as programs. */
  | "programs"
  /** Rows that a rule selects from the samples of the model that it begins with. */
  | "rollouts"
  /** Rewards of what it writes as it learns. */
  | "rewards";

/** A tuned model of the study. */
export interface TunedModel {
  /** As it was asked for, such as "correct:1". */
  readonly name: string;
  /** The same for folders. */
  readonly id: string;
  readonly lesson: Lesson;
  /** The id of the model that it begins with. */
  readonly from: string;
}

/** Trainings that are no rules. */
const lessons: Readonly<Record<string, Lesson>> = {
  sft: "solutions",
  programs: "programs",
  grpo: "rewards",
  rloo: "rewards",
};

/** @throws InputError if there is no such training. */
export function checkTraining(name: string, origin: string): void {
  if (Object.hasOwn(lessons, name)) return;
  const [rule = ""] = name.split(":");
  if (!Object.hasOwn(rules, rule)) {
    const known = [...Object.keys(lessons), ...Object.keys(rules)];
    throw new InputError(
      `${origin}: there is no training "${name}"; there are ${known.join(", ")}, the last ${Object.keys(rules).length} with their options.`,
    );
  }
  parseRule(name);
}

/** In the order in which they are tuned, so that each comes after the one that it begins with. */
export function listModels({ training }: Pick<ReasoningConfig, "training">): TunedModel[] {
  const models = training.map((name): TunedModel => {
    const lesson = Object.hasOwn(lessons, name) ? lessons[name]! : "rollouts";
    const goesOn = lesson === "rollouts" || lesson === "rewards";
    return {
      ...{ name, lesson, id: name.replaceAll(/[^\w.+-]+/g, "-") },
      from: goesOn && training.includes("sft") ? "sft" : baseId,
    };
  });
  return [...models.filter(({ from }) => from === baseId), ...models.filter(({ from }) => from !== baseId)];
}

/** The strategies by which a model is asked. */
export function strategiesOf(name: string, config: ReasoningConfig): readonly string[] {
  if (Object.hasOwn(config.strategies_of, name)) return config.strategies_of[name]!;
  return name === "programs" ? ["tir"] : config.strategies;
}

/** What stands under the questions that a model is tuned on and asked. */
export function instructionOf(name: string, { instruction }: ReasoningConfig): string {
  return name === "programs" ? "" : instruction;
}

/** The options of a model's run, but for where its data and its model are. */
export function runOptionsOf(
  { run, runs, max_tokens }: ReasoningConfig,
  { name, lesson }: Pick<TunedModel, "name" | "lesson">,
): Record<string, unknown> {
  const own = Object.hasOwn(runs, name) ? runs[name] : {};
  if (lesson === "rewards") {
    const rewarded = { reward: ["correct", "length:0.1"], max_completion_length: max_tokens };
    return { objective: name, ...rewarded, ...run, ...own };
  }
  return { objective: /^pairs(:|$)/.test(name) ? "dpo" : "sft", ...run, ...own };
}
