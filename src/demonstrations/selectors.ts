/** @file The ways to choose demonstrations, by name. */

import { InputError } from "../core/errors.ts";
import type { Model } from "../core/models/model.ts";
import type { Device } from "../core/runtime/device.ts";
import type { DemonstrationSelector, SelectorModels } from "../evaluation/demonstration-selector.ts";
import { bm25Selector } from "./bm25.ts";
import { complexitySelector } from "./complexity.ts";
import { createDirections, type FindDirections } from "./directions.ts";
import { dppSelector } from "./dpp.ts";
import { knnSelector } from "./knn.ts";
import { likelihoodSelector } from "./likelihood.ts";
import { type Lms3Compat, lms3Selector } from "./lms3.ts";
import { mmrSelector } from "./mmr.ts";
import { randomSelector } from "./random.ts";

export interface SelectorOptions extends SelectorModels {
  /** Of "random". Default 0. */
  readonly seed?: number | undefined;
  /** Of "lms3": the share of the pool that counts as similar. Default 0.01. */
  readonly lms3Lambda?: number | undefined;
  /** Of "lms3": "paper" (default), or "released", as the published code computes. */
  readonly lms3Compat?: Lms3Compat | undefined;
  /** Where `model` reads texts. Default: the CPU. */
  readonly device?: Device | undefined;
}

interface SelectorKind {
  readonly description: string;
  open(options: SelectorOptions): DemonstrationSelector;
}

const kinds = {
  random: {
    description: "drawn at random, for each query anew",
    open: ({ seed }) => randomSelector(seed),
  },
  bm25: { description: "shares rare words with the query", open: () => bm25Selector },
  complexity: {
    description: "has the most steps in its solution; the same for all",
    open: () => complexitySelector,
  },
  knn: {
    description: "is represented like the query by the model (KATE)",
    open: byDirections("knn", knnSelector),
  },
  mmr: {
    description: "is like the query, and unlike the others (maximal marginal relevance)",
    open: byDirections("mmr", mmrSelector),
  },
  dpp: {
    description: "the same by a determinantal point process (CEIL's, without training)",
    open: byDirections("dpp", dppSelector),
  },
  lms3: {
    description: "similar and stable to the model's last layer, or rejected (LMS3)",
    open: (options) =>
      lms3Selector(needModel("lms3", options), {
        ...(options.lms3Lambda !== undefined && { lambda: options.lms3Lambda }),
        ...(options.lms3Compat !== undefined && { compat: options.lms3Compat }),
        ...(options.device && { device: options.device }),
      }),
  },
  likelihood: {
    description: "makes the right answer likeliest, which it reads: a costly bound, not a way",
    open({ languageModel }) {
      if (languageModel) return likelihoodSelector(languageModel);
      throw new InputError(
        "likelihood asks a model how likely answers are, and there is none; name a model that chooses.",
      );
    },
  },
} as const satisfies Readonly<Record<string, SelectorKind>>;

/** Names of the ways to choose demonstrations. */
export type SelectorName = keyof typeof kinds;

/** The ways, each with what it chooses, by name. */
export const selectorKinds: Readonly<Record<SelectorName, SelectorKind>> = kinds;

/**
 * A selector of demonstrations by its name. Those that read texts with a model keep what they have read, in memory and in the user's
 * folder of caches.
 *
 * @throws InputError if there is no such selector, or it needs a model and has none
 * @example
 * const model = await openModel("HuggingFaceTB/SmolLM2-135M-Instruct");
 * const lms3 = createDemonstrationSelector("lms3", { model, lms3Lambda: 0.05 });
 * await runEvaluation({ model: model.name, tasks: ["gsm8k"], numFewshot: 1, fewshotBy: lms3 });
 */
export function createDemonstrationSelector(
  name: SelectorName,
  options: SelectorOptions = {},
): DemonstrationSelector {
  if (Object.hasOwn(selectorKinds, name)) return selectorKinds[name].open(options);
  throw new InputError(
    `There is no way "${name}" to choose demonstrations; take one of ${Object.keys(selectorKinds).join(", ")}.`,
  );
}

function byDirections(
  name: string,
  create: (findDirections: FindDirections) => DemonstrationSelector,
): SelectorKind["open"] {
  return (options) => create(createDirections(needModel(name, options), options.device));
}

function needModel(name: string, { model }: SelectorOptions): Model {
  if (model) return model;
  throw new InputError(
    `${name} reads texts with the weights of a model, which a server does not give; choose by a model on this machine (--choose-by-model of slimtune demos), or by random, bm25 or complexity.`,
  );
}
