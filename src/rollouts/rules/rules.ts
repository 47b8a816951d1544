/** @file All rules by name: how each is asked for, and what it selects. */

import { closest } from "fastest-levenshtein";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { parseOptions } from "../../core/parse-fields.ts";
import type { RolloutGroup } from "../rollout.ts";
import { selectCorrect, selectShortestCorrect } from "./correct.ts";
import { selectLengthPrompts } from "./l1.ts";
import { selectPruned } from "./o1-pruner.ts";
import { pairKinds, selectPairs } from "./pairs.ts";
import type { CompletionRow, PairRow, Selection } from "./selection.ts";
import { selectTokenSkip, type WordScorer } from "./tokenskip.ts";

/** A rule with its options. */
export interface Rule {
  /** As it was asked for, such as "tokenskip:0.7". */
  readonly name: string;
  /** With their defaults. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Whether it asks a model how surprising words are. */
  readonly needsModel: boolean;
  select(
    groups: readonly RolloutGroup[],
    scoreWords: WordScorer | undefined,
  ): Selection<CompletionRow | PairRow> | Promise<Selection<CompletionRow | PairRow>>;
}

interface RuleEntry<Options extends z.ZodObject = z.ZodObject> {
  /** How it is asked for; what stands in brackets may be left out. */
  readonly usage: string;
  /** One line. */
  readonly description: string;
  readonly options: Options;
  /** The option that may stand without its name. */
  readonly first?: string & keyof z.output<Options>;
  readonly needsModel?: boolean;
  select(
    groups: readonly RolloutGroup[],
    options: z.output<Options>,
    scoreWords: WordScorer,
  ): ReturnType<Rule["select"]>;
}

const define = <Options extends z.ZodObject>(entry: RuleEntry<Options>) => entry as unknown as RuleEntry;

const count = z.int().min(1);
const seed = z.int().min(0).default(0);
const fewest = count.default(2);

/** A new one is a file beside this one, and an entry here. */
export const rules: Readonly<Record<string, RuleEntry>> = {
  "shortest-correct": define({
    usage: "shortest-correct[:correct=2]",
    description: "the shortest right solution of each problem with so many right ones",
    options: z.strictObject({ correct: fewest }),
    first: "correct",
    select: selectShortestCorrect,
  }),
  correct: define({
    usage: "correct[:each=N,correct=2,seed=0]",
    description: "its baseline: all right solutions of the same problems, or N of each, drawn at random",
    options: z.strictObject({ each: count.optional(), correct: fewest, seed }),
    first: "each",
    select: (groups, { each, ...options }) =>
      selectCorrect(groups, { ...options, ...(each !== undefined && { each }) }),
  }),
  "o1-pruner": define({
    usage: "o1-pruner[:alpha=5,each=2,lowest=-2,highest=4,seed=0]",
    description: "solutions weighted by how short and right they are among those of their problem",
    options: z.strictObject({
      alpha: z.number().min(0).default(5),
      each: count.default(2),
      lowest: z.number().default(-2),
      highest: z.number().default(4),
      seed,
    }),
    first: "alpha",
    select: selectPruned,
  }),
  pairs: define({
    usage: `pairs[:${pairKinds.join("|")},seed=0]`,
    description: "pairs for --objective dpo: short against long, right against wrong, or both (mixed)",
    options: z.strictObject({ kind: z.enum(pairKinds).default("mixed"), seed }),
    first: "kind",
    select: selectPairs,
  }),
  tokenskip: define({
    usage: "tokenskip[:RATIO,seed=0]",
    description:
      "solutions without their least surprising words: a share is kept, or 0.5 to 1 as the prompt says",
    options: z.strictObject({ ratio: z.number().positive().max(1).optional(), seed }),
    first: "ratio",
    needsModel: true,
    select: (groups, { ratio, ...options }, scoreWords) =>
      selectTokenSkip(groups, scoreWords, { ...options, ...(ratio !== undefined && { ratio }) }),
  }),
  l1: define({
    usage: "l1[:exact|max,seed=0]",
    description: "right solutions under prompts that ask for their length: “Think for N tokens.”",
    options: z.strictObject({ form: z.enum(["exact", "max"]).default("exact"), seed }),
    first: "form",
    select: selectLengthPrompts,
  }),
};

/**
 * The rule of a name with its options, such as "tokenskip:0.7" or "o1-pruner:alpha=2,each=4".
 *
 * @throws InputError if there is no such rule, or an option is unknown or bad.
 */
export function parseRule(text: string): Rule {
  const [, name = "", given] = /^([^:]*)(?::(.*))?$/s.exec(text) ?? [];
  const entry = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (!entry) {
    const known = Object.keys(rules);
    throw new InputError(
      `There is no rule "${name}"; do you mean ${closest(name, known)}? There are ${known.join(", ")}.`,
    );
  }
  const { first, needsModel = false, select } = entry;
  const values = (given ?? "").split(",").flatMap((part, i): [string, unknown][] => {
    if (given === undefined) return [];
    const [, key, value] = /^([a-z]+)=(.+)$/.exec(part) ?? [];
    if (key !== undefined) return [[key, readValue(value!)]];
    if (i === 0 && part !== "" && first !== undefined) return [[first, readValue(part)]];
    throw new InputError(`The rule "${text}": "${part}" is no option; it is asked for as ${entry.usage}.`);
  });
  const options = parseOptions(entry.options, Object.fromEntries(values), `The rule "${text}"`);
  return {
    name: text,
    options,
    needsModel,
    select: (groups, scoreWords) => select(groups, options, scoreWords!),
  };
}

/** A number where it is one. */
function readValue(text: string): unknown {
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : text;
}
