/** @file The kinds of items that tasks may have, by the harness's names. */

import { generateUntil } from "./generate-until.ts";
import { loglikelihood } from "./loglikelihood.ts";
import { loglikelihoodRolling } from "./loglikelihood-rolling.ts";
import { multipleChoice } from "./multiple-choice.ts";
import type { OutputType } from "./output-type.ts";

const table = {
  multiple_choice: multipleChoice,
  generate_until: generateUntil,
  loglikelihood_rolling: loglikelihoodRolling,
  loglikelihood,
};

export type OutputTypeName = keyof typeof table;

/** What metrics see of an answered item of this type. */
export type OutcomeOf<T extends OutputTypeName> = ReturnType<(typeof table)[T]["outcome"]>;

/** The kinds, each with how it is asked and what is judged of it, by name. */
export const outputTypes: Readonly<Record<OutputTypeName, OutputType>> = table;

export const outputTypeNames = Object.keys(table) as [OutputTypeName, ...OutputTypeName[]];
