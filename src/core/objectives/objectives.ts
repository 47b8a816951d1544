/** @file The objectives by name (docs/objectives.md). */

import * as z from "zod";
import type { ExampleKind } from "../data/training-example.ts";
import { parseOptions } from "../parse-fields.ts";
import { companion, companionOptions } from "./companion.ts";
import { cpo, cpoOptions, simpo, simpoOptions } from "./cpo.ts";
import { distill, distillOptions } from "./distill.ts";
import { dpo, dpoNorm, dpoOptions, hinge, ipo, robust, robustOptions } from "./dpo.ts";
import { grpo, grpoOptions } from "./grpo.ts";
import { kto, ktoOptions } from "./kto.ts";
import type { Objective } from "./objective.ts";
import { orpo, orpoOptions } from "./orpo.ts";
import { prm, prmOptions } from "./prm.ts";
import { rloo, rlooOptions } from "./rloo.ts";
import { sft } from "./sft.ts";

type OptionShape = Readonly<Record<string, z.ZodType>>;

/** An objective, as `--objective` names it. */
export interface ObjectiveKind<Shape extends OptionShape = OptionShape> {
  readonly learnsFrom: ExampleKind;
  /** Its own options of a run, by their names in config.yaml; those without a default have to be given. */
  readonly options: z.ZodObject<Shape>;
  /** By this a method's default learning rate, which is one for supervised tuning, is multiplied. */
  readonly learningRateFactor: number;
  create(options: z.output<z.ZodObject<Shape>>): Objective;
  /** In a few words, for a card. */
  describe(options: z.output<z.ZodObject<Shape>>): string;
}

/**
 * A loss of preferences or rewards, with a tenth of the learning rate: TRL's documentation advises 1e-5 for DPO with LoRA, where it has
 * 1e-6 for the whole model (as for GRPO), and 1e-4 for supervised tuning with LoRA.
 */
function ofPreferences<Shape extends OptionShape>(
  learnsFrom: ExampleKind,
  title: string,
  options: z.ZodObject<Shape>,
  create: (options: z.output<z.ZodObject<Shape>>) => Objective,
): ObjectiveKind<Shape> {
  return {
    learnsFrom,
    options,
    learningRateFactor: 0.1,
    create,
    describe: (options) =>
      `${title}, ${Object.entries(options)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => `${name} ${value}`)
        .join(", ")}`,
  };
}

const objectives = {
  sft: {
    learnsFrom: "texts",
    options: z.strictObject({}),
    learningRateFactor: 1,
    create: () => sft,
    describe: () => "supervised tuning",
  } satisfies ObjectiveKind,
  distill: {
    learnsFrom: "texts",
    options: distillOptions,
    learningRateFactor: 1,
    create: distill,
    describe: ({ divergence, temperature, label_weight }) =>
      `distillation, ${divergence}, temperature ${temperature}, label_weight ${label_weight}`,
  } satisfies ObjectiveKind<typeof distillOptions.shape>,
  companion: {
    learnsFrom: "wordings",
    options: companionOptions,
    learningRateFactor: 1,
    create: companion,
    describe: ({ companion_weight }) =>
      `answers after two wordings of a question, companion_weight ${companion_weight}`,
  } satisfies ObjectiveKind<typeof companionOptions.shape>,
  dpo: ofPreferences("pairs", "DPO", dpoOptions, dpo),
  ipo: ofPreferences("pairs", "IPO", dpoOptions, ipo),
  hinge: ofPreferences("pairs", "DPO with a hinge loss", dpoOptions, hinge),
  robust: ofPreferences("pairs", "robust DPO", robustOptions, robust),
  dpo_norm: ofPreferences("pairs", "length-normalized DPO", dpoOptions, dpoNorm),
  simpo: ofPreferences("pairs", "SimPO", simpoOptions, simpo),
  cpo: ofPreferences("pairs", "CPO", cpoOptions, cpo),
  orpo: ofPreferences("pairs", "ORPO", orpoOptions, orpo),
  kto: ofPreferences("unpaired", "KTO", ktoOptions, kto),
  grpo: ofPreferences("prompts", "GRPO", grpoOptions, grpo),
  rloo: ofPreferences("prompts", "RLOO", rlooOptions, rloo),
  prm: {
    learnsFrom: "steps",
    options: prmOptions,
    learningRateFactor: 1,
    create: () => prm,
    describe: ({ step_separator }) =>
      `process reward model, steps that end with ${JSON.stringify(step_separator)}`,
  } satisfies ObjectiveKind<typeof prmOptions.shape>,
};

export type ObjectiveName = keyof typeof objectives;
export const objectiveNames = Object.keys(objectives) as [ObjectiveName, ...ObjectiveName[]];

type Intersection<T> = (T extends unknown ? (value: T) => void : never) extends (value: infer U) => void
  ? U
  : never;
type Shape = Intersection<(typeof objectives)[ObjectiveName]["options"]["shape"]>;

/**
 * The options of all objectives, by their names in a run's config.yaml; each may be left out. Of those that several have the last one's
 * range stands here, which is the widest.
 */
export const objectiveOptions = Object.fromEntries(
  Object.values<ObjectiveKind>(objectives).flatMap(({ options }) =>
    Object.entries(options.shape).map(([name, option]) => [name, withoutDefault(option).optional()]),
  ),
) as { readonly [Name in keyof Shape]: z.ZodOptional<WithoutDefault<Shape[Name]>> };

type WithoutDefault<Option> = Option extends z.ZodDefault<infer Inner> ? Inner : Option;

function withoutDefault(option: z.ZodType): z.ZodType {
  return option instanceof z.ZodDefault ? (option.unwrap() as z.ZodType) : option;
}

/** Options of an objective, as a person gives them. */
export type ObjectiveOptions = z.output<z.ZodObject<typeof objectiveOptions>>;

export function objectiveOf(name: ObjectiveName): ObjectiveKind {
  return objectives[name];
}

/** The objectives that have an option. */
export function ownersOf(option: string): ObjectiveName[] {
  return objectiveNames.filter((name) => Object.hasOwn(objectives[name].options.shape, option));
}

/** A run's options of an objective, with its defaults. @param given with others' options, or a run's, among them */
export function completeOptions(name: ObjectiveName, given: ObjectiveOptions): ObjectiveOptions {
  const options = Object.entries(objectiveOf(name).options.shape).map(([option, schema]) => {
    const value = given[option as keyof ObjectiveOptions];
    return [option, value ?? (schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined)];
  });
  return Object.fromEntries(options);
}

/**
 * An objective by the name that `--objective` gives it.
 *
 * @param options its own; those left out have its defaults (docs/objectives.md)
 * @throws InputError if an option is bad or another objective's.
 *
 * @example
 * const objective = createObjective("dpo", { beta: 0.1 });
 * const text = (logProbability: number) => ({
 *   logProbabilities: Float64Array.of(logProbability, -2),
 *   reference: Float64Array.of(-1, -2),
 * });
 * const { loss, metrics } = objective.evaluate([{ texts: [text(-0.5), text(-1.5)], weight: 1 }]);
 * console.log(loss, metrics["rewards/margins"]);
 */
export function createObjective(name: ObjectiveName, options: ObjectiveOptions = {}): Objective {
  const { options: schema, create } = objectiveOf(name);
  return create(parseOptions(schema, options, name));
}
