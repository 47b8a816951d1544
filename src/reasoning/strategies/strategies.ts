/** @file All strategies by name: how each is asked for, and what it is. */

import { closest } from "fastest-levenshtein";
import { InputError } from "../../core/errors.ts";
import { aggregations } from "../../search/ranking.ts";
import type { Strategy } from "../strategy.ts";
import { readArguments, type StrategyArguments, splitBudget } from "./arguments.ts";
import { bestOfN } from "./best-of-n.ts";
import { budgetForcing, hardBudget } from "./budget.ts";
import { type DynasorSetting, dynasor, dynasorSettings } from "./dynasor.ts";
import { chainOfDraft, chainOfThought, conciseThought, cutThought } from "./prompted.ts";
import { bestByReward, weightedBestOfN } from "./ranked-samples.ts";
import { route } from "./route.ts";
import { estimatedBudget, searchedBudget } from "./tale.ts";
import { toolLoop } from "./tool-loop.ts";
import { diverseTrees, forest, mindStarBeam, mindStarLevin } from "./tree-search.ts";
import { adaptiveConsistency, earlyStop, randomStop, sameInWindow, selfConsistency } from "./voting.ts";

export interface StrategyEntry {
  /** How it is asked for; what stands in brackets may be left out. */
  readonly usage: string;
  /** One line. */
  readonly description: string;
  /** Whether it is what a claim of saving tokens has to beat. Default false. */
  readonly isBaseline?: boolean;
  /** Whether it can be held to a budget of computed tokens, as in "sc:8@4000". Default false. */
  readonly takesBudget?: boolean;
  /** Whether it draws whole solutions, which a search over steps has to beat at the same budget. Default false. */
  readonly drawsWholes?: boolean;
  create(given: StrategyArguments, options: StrategyOptions): Strategy;
}

/** Options of strategies that stand beside their names. */
export interface StrategyOptions {
  /** The share of problems that `route` gives to the stronger model. Default 0.3. */
  readonly routeShare?: number;
  /** By what it chooses them. Default "votes". */
  readonly routeBy?: "votes" | "logprob";
}

const samples = "the number of samples";
const draws = "the number of draws a step";
const by = "the reward of a solution";

/** By the word that each name begins with. */
export const strategies: Readonly<Record<string, StrategyEntry>> = {
  cot: {
    usage: "cot",
    description: "Chain of thought: one solution under the run's instruction.",
    isBaseline: true,
    create: ({ name }) => chainOfThought(name),
  },
  cut: {
    usage: "cut:N",
    description: "The same, cut at N tokens.",
    isBaseline: true,
    create: (given) => cutThought(given.name, given.whole(0, "the number of tokens", 1)),
  },
  greedy: {
    usage: "greedy",
    description: "cot by another name: the likeliest solution.",
    isBaseline: true,
    create: ({ name }) => chainOfThought(name),
  },
  cod: {
    usage: "cod",
    description: "Chain of Draft: at most five words a step.",
    create: ({ name }) => chainOfDraft(name),
  },
  ccot: {
    usage: "ccot",
    description: "Concise chain of thought: the run's instruction and “Be concise.”",
    create: ({ name }) => conciseThought(name),
  },
  tale: {
    usage: "tale",
    description: "A budget of tokens that the model estimates itself and is then asked to keep (TALE-EP).",
    create: ({ name }) => estimatedBudget(name),
  },
  "tale-search": {
    usage: "tale-search",
    description:
      "The smallest budget with which the answer stays right: an oracle, which knows what is right.",
    create: ({ name }) => searchedBudget(name),
  },
  budget: {
    usage: "budget:N",
    description: "At most N tokens of thoughts, then the answer.",
    create: (given) => hardBudget(given.name, given.whole(0, "the budget", 1)),
  },
  force: {
    usage: "force:N[:K]",
    description: "Thoughts of up to N tokens, made to go on by “Wait” K times at most (1).",
    create: (given) =>
      budgetForcing(given.name, given.whole(0, "the budget", 1), given.whole(1, "the number of times", 1, 1)),
  },
  sc: {
    usage: "sc:N",
    description: "Self-consistency: the answer that most of N samples give.",
    isBaseline: true,
    takesBudget: true,
    drawsWholes: true,
    create: (given) => selfConsistency(given, given.whole(0, samples, 1)),
  },
  "sc-early": {
    usage: "sc-early:N[:CERTAINTY[:LEAST]]",
    description:
      "Stops when the samples' certainty reaches a threshold (0.75), after 3 of them at least: Certaindex.",
    create: (given) =>
      earlyStop(
        given.name,
        given.whole(0, samples, 1),
        given.positive(1, "the certainty", 0.75),
        given.whole(2, "the least number of samples", 2, 3),
      ),
  },
  esc: {
    usage: "esc:N[:WINDOW]",
    description: "Stops when all samples of a window (of 5) give the same answer.",
    create: (given) =>
      sameInWindow(given.name, given.whole(0, samples, 1), given.whole(1, "the window", 2, 5)),
  },
  ac: {
    usage: "ac:N[:CONFIDENCE]",
    description: "Adaptive-Consistency: stops when the first answer is likely (0.95) to stay ahead.",
    create: (given) =>
      adaptiveConsistency(given.name, given.whole(0, samples, 1), given.positive(1, "the confidence", 0.95)),
  },
  "random-early": {
    usage: "random-early:N:MEAN",
    description: "Stops after a number of samples that is drawn, of this mean.",
    isBaseline: true,
    create(given) {
      const n = given.whole(0, samples, 2);
      const mean = given.positive(1, "the mean number of samples");
      if (mean >= 1 && mean <= n) return randomStop(given.name, n, mean);
      throw new InputError(`The strategy ${given.name}: the mean ${mean} does not lie between 1 and ${n}.`);
    },
  },
  dynasor: {
    usage: "dynasor:SETTING[:words]",
    description:
      "Asks for the answer every 64 (crazy: 32) tokens and stops when 8 (mild), 5 (low), 3 (mid), 2 (high, crazy) in a row agree without doubt; with words, doubts are whole words.",
    create: (given) =>
      dynasor(
        given.name,
        given.word(0, "the setting", Object.keys(dynasorSettings) as DynasorSetting[]),
        given.word(1, "the kind of doubts", ["letters", "words"], "letters") === "words",
      ),
  },
  route: {
    usage: "route:MODEL",
    description: "What the model is least confident about goes to a stronger one.",
    create(given, { routeShare: share = 0.3, routeBy: by = "votes" }) {
      if (share >= 0 && share <= 1) return route(given.name, { model: given.rest("the model"), by, share });
      throw new InputError(
        `The strategy ${given.name}: a share of ${share} problems cannot be given away; take one between 0 and 1.`,
      );
    },
  },
  bon: {
    usage: "bon:N",
    description: "The sample of N with the highest mean log-probability of its tokens.",
    takesBudget: true,
    drawsWholes: true,
    create: (given) => bestOfN(given, given.whole(0, samples, 1)),
  },
  "prm-bon": {
    usage: "prm-bon:N[:BY]",
    description:
      "The sample of N whose steps have the highest reward: the last (default), the min, or the product.",
    takesBudget: true,
    drawsWholes: true,
    create: (given) =>
      bestByReward(given, given.whole(0, samples, 1), given.word(1, by, aggregations, "last")),
  },
  "weighted-bon": {
    usage: "weighted-bon:N[:BY]",
    description: "The answer whose samples, of N, have the highest sum of such rewards.",
    takesBudget: true,
    drawsWholes: true,
    create: (given) =>
      weightedBestOfN(given, given.whole(0, samples, 1), given.word(1, by, aggregations, "last")),
  },
  "mstar-beam": {
    usage: "mstar-beam:N[:WIDTH]",
    description:
      "MindStar: of N drawn steps the best (or WIDTH of them) are gone on from, and none is gone back to.",
    takesBudget: true,
    create: (given) => mindStarBeam(given, given.whole(0, draws, 1), given.whole(1, "the width", 1, 1)),
  },
  "mstar-levin": {
    usage: "mstar-levin:N",
    description:
      "MindStar: N steps after the node of least depth / product of rewards, wherever it is in the tree.",
    takesBudget: true,
    create: (given) => mindStarLevin(given, given.whole(0, draws, 1)),
  },
  forest: {
    usage: "forest:K[:N[:RULE]]",
    description: "MindStar: K trees of N (16) draws a step by beam (default) or levin, whose answers vote.",
    takesBudget: true,
    create: (given) =>
      forest(
        given,
        given.whole(0, "the number of trees", 1),
        given.whole(1, draws, 1, 16),
        given.word(2, "the rule", ["beam", "levin"], "beam"),
      ),
  },
  dvts: {
    usage: "dvts:N[:WIDTH]",
    description: "Diverse verifier tree search: N / WIDTH independent beams with WIDTH (4) draws a step.",
    takesBudget: true,
    create: (given) => diverseTrees(given, given.whole(0, draws, 1), given.whole(1, "the width", 1, 4)),
  },
  tir: {
    usage: "tir",
    description: "Programs between the lines, run in a sandbox as they come.",
    create: ({ name }) => toolLoop(name),
  },
};

/**
 * The strategy of a name with its options, such as "sc:8".
 *
 * @throws InputError if there is no such strategy, or an option is missing or bad.
 *
 * @example
 * const strategy = parseStrategy("sc-early:16:0.9");
 */
export function parseStrategy(text: string, options: StrategyOptions = {}): Strategy {
  const { words, budget } = splitBudget(text);
  const [name = ""] = words.split(":");
  const entry = Object.hasOwn(strategies, name) ? strategies[name] : undefined;
  if (!entry) {
    const known = Object.keys(strategies);
    throw new InputError(
      `There is no strategy "${name}"; do you mean ${closest(name, known)}? There are ${known.join(", ")}.`,
    );
  }
  if (budget !== undefined && !entry.takesBudget) {
    const able = Object.keys(strategies).filter((each) => strategies[each]!.takesBudget);
    throw new InputError(
      `The strategy ${name} cannot be held to a budget of ${budget} tokens; ${able.join(", ")} can.`,
    );
  }
  return entry.create(readArguments(text, entry.usage), options);
}

/** Whether a strategy of this name is what a claim of saving tokens has to beat. */
export function isBaseline(name: string): boolean {
  return entryOf(name)?.isBaseline === true;
}

/** Whether a strategy of this name is what a search over steps has to beat at the same budget. */
export function drawsWholes(name: string): boolean {
  return entryOf(name)?.drawsWholes === true;
}

/** Undefined of a strategy of one's own. */
function entryOf(name: string): StrategyEntry | undefined {
  const [word = ""] = splitBudget(name).words.split(":");
  return Object.hasOwn(strategies, word) ? strategies[word] : undefined;
}
