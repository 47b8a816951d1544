/** @file Which linear layers `target_modules` means, by PEFT's rules. */

import { closest, distance } from "fastest-levenshtein";
import * as z from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { listLinearModules, nameInLayer } from "../architectures/modules.ts";
import { InputError } from "../errors.ts";
import { withinPatience } from "../python/patience.ts";
import { selectFullMatches } from "../python/regexp.ts";

const allLinear = "all-linear";

/** How a person names linear layers: by a list of names, one regular expression, or "all-linear". */
export const targetModules = z.union([z.string(), z.array(z.string()).min(1)]);

/** For a card. */
export function describeTargets({
  target_modules: target,
}: {
  target_modules: string | readonly string[];
}): string {
  return `target_modules ${typeof target === "string" ? target : target.join(", ")}`;
}

/**
 * Full names of the linear layers that `target` selects: a list selects layers whose name equals an entry or ends
 * in one after a dot; "all-linear" all of the decoder blocks; any other string is a regular expression of Python for
 * the whole name.
 *
 * @param tables names of the embedding and the output layer, where they may be selected too
 * @throws InputError if an entry of the list, or the expression, fits no linear layer.
 */
export function selectTargetModules(
  target: string | readonly string[],
  model: ModelConfig,
  tables: readonly string[] = [],
): Set<string> {
  const modules = listLinearModules(model);
  const inBlocks = Array.from({ length: model.numHiddenLayers }, (_, layer) =>
    modules.map((module) => nameInLayer(layer, module.name)),
  ).flat();
  if (target === allLinear) return new Set(inBlocks);
  const names = [...inBlocks, ...tables];
  const shortNames = modules.map((module) => module.name.split(".").at(-1)!);
  const others = tables.map((name) => `, and ${name.split(".").at(-1)!}`).join("");
  const possible = `Possible are "${allLinear}" and the linear layers of the decoder blocks: ${shortNames.join(", ")}${others}.`;

  if (typeof target === "string") {
    const selected = selectFullMatches(target, names);
    if (selected.length > 0) return new Set(selected);
    const advice = shortNames.includes(target)
      ? `as a list it is ["${target}"].`
      : suggestion(
          target,
          [allLinear],
          `as a regular expression it must match a whole name such as "${names[0]}".`,
        );
    throw new InputError(`target_modules "${target}" matches no linear layer; ${advice} ${possible}`);
  }

  if (target.length === 0) throw new InputError(`target_modules is an empty list. ${possible}`);
  const selected = new Set<string>();
  for (const entry of target) {
    const fitting = names.filter((name) => name === entry || name.endsWith(`.${entry}`));
    if (fitting.length === 0) {
      throw new InputError(
        `target_modules names "${entry}", ${whyNot(entry, shortNames, model)} ${possible}`,
      );
    }
    for (const name of fitting) selected.add(name);
  }
  return selected;
}

/**
 * `target` without the modules that PEFT leaves out: those `excluded` (names as in a list of targets, or a regular expression of
 * Python) and, if there are `layers`, those of others, unless `target` has their whole name. `target` itself where neither is
 * given.
 *
 * @throws InputError if nothing is left, or layers are given beside an expression, which PEFT does not take.
 */
export function narrowTargetModules(
  target: string | string[],
  { excluded, layers }: { readonly excluded: string | readonly string[]; readonly layers: readonly number[] },
  model: ModelConfig,
  tables: readonly string[] = [],
): string | string[] {
  if (excluded.length === 0 && layers.length === 0) return target;
  if (typeof target === "string" && layers.length > 0)
    throw new InputError("layers_to_transform needs a list of target_modules, but they are an expression.");
  const selected = [...selectTargetModules(target, model, tables)];
  const leftOut = new Set(
    typeof excluded === "string"
      ? selectFullMatches(excluded, selected)
      : selected.filter((name) => excluded.some((entry) => name === entry || name.endsWith(`.${entry}`))),
  );
  const isInLayers = (name: string) =>
    layers.length === 0 || target.includes(name) || layers.includes(Number(/\.(\d+)\./.exec(name)?.[1]));
  const left = selected.filter((name) => !leftOut.has(name) && isInLayers(name));
  if (left.length === 0)
    throw new InputError("exclude_modules and layers_to_transform leave none of the target_modules.");
  return left;
}

/** What a name that is no linear layer of a decoder block may be, by the end of its name. */
const otherParts: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/^(?:lm_head|output|embed_out)$/, "the output layer"],
  [/^(?:embed_tokens|wte|embeddings?|token_embd)$/, "the embedding"],
  [/norm(?:_f|\d+)?$|^ln_/, "a norm"],
];

function whyNot(entry: string, shortNames: readonly string[], { tieWordEmbeddings }: ModelConfig): string {
  if (entry === allLinear) return "which stands alone, in place of a list.";
  const name = entry
    .replace(/\.(?:weight|bias)$/, "")
    .split(".")
    .at(-1)!;
  const part = otherParts.find(([pattern]) => pattern.test(name));
  if (part && tieWordEmbeddings && part[1] !== "a norm")
    return `which is ${part[1]}, and embedding and output layer are one in this model; train them by modules_to_save.`;
  if (part) return `which is ${part[1]}; adapters are added to linear layers of the decoder blocks only.`;
  return `which is no linear layer of this model; ${suggestion(name, shortNames, "see what is possible.")}`;
}

/** The name that is meant, if it is spelt much like one that there is; else another advice. Both are sentences. */
function suggestion(name: string, names: readonly string[], otherwise: string): string {
  const meant = closest(name, names);
  return distance(name, meant) <= 3 ? `did you mean "${meant}"?` : otherwise;
}

/**
 * The values of rank_pattern or alpha_pattern for the layers that its keys fit, each for its first: a key is a regular
 * expression of Python for the end of a name, after a dot or from its start.
 *
 * @throws InputError if a key does not compile, or the search takes too long.
 */
export function valuesByPattern(
  patterns: Readonly<Record<string, number>>,
  names: readonly string[],
): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  const search = () => {
    for (const [pattern, value] of Object.entries(patterns)) {
      const rest = names.filter((name) => !values.has(name));
      for (const name of selectFullMatches(`(.*\\.)?(${pattern})`, rest)) values.set(name, value);
    }
  };
  withinPatience(
    "rank_pattern or alpha_pattern takes more than 2 seconds to match; write simpler expressions.",
    search,
  );
  return values;
}
