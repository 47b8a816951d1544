/** @file Which linear layers `target_modules` means, by PEFT's rules. */

import { closest } from "fastest-levenshtein";
import { InputError } from "../errors.ts";
import type { ModelConfig } from "../models/config.ts";
import { listLinearModules, nameInLayer } from "../models/modules.ts";

/**
 * Full names of the linear layers that `target` selects: a list selects layers whose name equals an entry or ends
 * in one after a dot; "all-linear" all of the decoder blocks; any other string is a regular expression for the
 * whole name.
 *
 * @throws InputError if an entry of the list, or the expression, fits no linear layer.
 */
export function selectTargetModules(target: string | readonly string[], model: ModelConfig): Set<string> {
  const modules = listLinearModules(model);
  const names = Array.from({ length: model.numHiddenLayers }, (_, layer) =>
    modules.map((module) => nameInLayer(layer, module.name)),
  ).flat();
  if (target === "all-linear") return new Set(names);

  if (typeof target === "string") {
    const expression = compileExpression(`^(?:${target})$`, target);
    const selected = names.filter((name) => expression.test(name));
    if (selected.length > 0) return new Set(selected);
    throw new InputError(
      `target_modules "${target}" matches no linear layer; as a regular expression it must match a whole name such as "${names[0]}".`,
    );
  }

  const selected = new Set<string>();
  const shortNames = modules.map((module) => module.name.split(".").at(-1)!);
  for (const entry of target) {
    const fitting = names.filter((name) => name === entry || name.endsWith(`.${entry}`));
    if (fitting.length === 0) {
      throw new InputError(
        `target_modules names "${entry}", which is no linear layer of this model; did you mean "${closest(entry, shortNames)}"? (There are ${shortNames.join(", ")}.)`,
      );
    }
    for (const name of fitting) selected.add(name);
  }
  return selected;
}

/** Whether a key of rank_pattern or alpha_pattern fits a module's name: at its end, after a dot or the start. */
export function matchesPattern(name: string, pattern: string): boolean {
  return compileExpression(`^(?:.*\\.)?(?:${pattern})$`, pattern).test(name);
}

function compileExpression(source: string, shown: string): RegExp {
  try {
    return new RegExp(source);
  } catch {
    throw new InputError(`"${shown}" is not a regular expression.`);
  }
}
