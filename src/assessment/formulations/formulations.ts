/** @file The formulations by name. */

import { InputError } from "../../core/errors.ts";
import { count } from "./count.ts";
import { examples } from "./examples.ts";
import type { Formulation } from "./formulation.ts";
import { score } from "./score.ts";
import { turns } from "./turns.ts";

/**
 * After Tran, Pierce, Litman, Correnti and Matsumura 2024 (arXiv 2406.08680, their direct score, direct count, extractive count and
 * binary count), in words of our own.
 */
export const formulations: Readonly<Record<string, Formulation>> = { score, count, examples, turns };

export const formulationNames = Object.keys(formulations);

/** @throws InputError if there is none of that name */
export function findFormulation(name: string): Formulation {
  if (Object.hasOwn(formulations, name)) return formulations[name]!;
  throw new InputError(
    `There is no formulation "${name}"; the formulations are ${formulationNames.join(", ")}.`,
  );
}
