/**
 * @file IA³ (Liu et al. 2022): a vector of factors for what a linear layer gives or, in the feed-forward network, for what it is
 * given.
 */

import * as z from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { withRole } from "../formats/known-keys.ts";
import { mul } from "../graph/operators/elementwise.ts";
import { reshape } from "../graph/operators/movement.ts";
import { selectFullMatches } from "../python/regexp.ts";
import type { Adaptation, LinearAdapter } from "./adaptation.ts";
import type { Method, PeftFormat } from "./method.ts";
import { commonKeys, parsePeftFields, readTargets, targetFields, targetKeys } from "./peft-config.ts";
import { readSavedModules, savedModules, withSavedModules } from "./saved-modules.ts";
import { describeTargets, selectTargetModules, targetModules } from "./target-modules.ts";

/** IA³'s settings, named and meant as in PEFT's IA3Config. */
export const ia3ConfigSchema = z.strictObject({
  /** Names of linear layers, one regular expression, or "all-linear". By default those of the paper. */
  target_modules: targetModules.default(["k_proj", "v_proj", "down_proj"]),
  /** Those of them whose inputs are scaled: ends of names, or one regular expression. By default down_proj, if it is a target. */
  feedforward_modules: z.union([z.string(), z.array(z.string())]).optional(),
  /** Of embedding and output layer, those that are trained as a whole. */
  modules_to_save: savedModules,
});

export type Ia3Config = z.infer<typeof ia3ConfigSchema>;

/** @throws InputError if the settings do not fit the model. */
export function ia3(settings: Ia3Config, model: ModelConfig): Adaptation {
  const targets = [...selectTargetModules(settings.target_modules, model)];
  const ends = feedforwardModules(settings);
  const scalesInputs = new Set(
    typeof ends === "string"
      ? selectFullMatches(ends, targets)
      : targets.filter((name) => ends.some((end) => name.endsWith(end))),
  );
  const adapted = new Set(targets);
  const adaptation: Adaptation = {
    trains: () => false,
    adapterOf(name, outFeatures, inFeatures) {
      if (!adapted.has(name)) return undefined;
      return scalesInputs.has(name) ? inputScale(inFeatures) : outputScale(outFeatures);
    },
  };
  return withSavedModules(adaptation, settings.modules_to_save, model);
}

function feedforwardModules({ feedforward_modules, target_modules }: Ia3Config): string | string[] {
  const usual = "down_proj";
  if (feedforward_modules !== undefined) return feedforward_modules;
  return typeof target_modules === "string" || target_modules.includes(usual) ? [usual] : [];
}

const factors = "ia3_l";
const ones = (length: number) => () => new Float32Array(length).fill(1);

/** W (l ⊙ x) */
function inputScale(inFeatures: number): LinearAdapter {
  return {
    signature: "ia3 inputs",
    dropout: 0,
    parameters: [{ name: factors, shape: [1, inFeatures], initialize: ones(inFeatures) }],
    forward: (x, _dropped, weight, tensors) =>
      weight.multiply(mul(x, reshape(tensors[factors]!, [inFeatures]))),
    merge: (weight, tensors) => mul(weight, tensors[factors]!),
  };
}

/** l ⊙ (W x + b) */
function outputScale(outFeatures: number): LinearAdapter {
  return {
    signature: "ia3 outputs",
    dropout: 0,
    parameters: [{ name: factors, shape: [outFeatures, 1], isByOutput: true, initialize: ones(outFeatures) }],
    forward: (x, _dropped, weight, tensors) =>
      mul(weight.multiply(x), reshape(tensors[factors]!, [outFeatures])),
    bias: (bias, tensors) => mul(bias, reshape(tensors[factors]!, [outFeatures])),
    merge: (weight, tensors) => mul(weight, tensors[factors]!),
  };
}

const configSchema = z.looseObject({
  ...targetFields,
  feedforward_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  modules_to_save: z.array(z.string()).nullish(),
});

/** As PEFT's IA3Config and files have it. */
const ia3Format: PeftFormat<Ia3Config> = {
  type: "IA3",
  section: "ia3",
  schema: ia3ConfigSchema,
  changeable: [],
  keys: {
    ...commonKeys,
    ...targetKeys,
    ...withRole("used", "feedforward_modules", "modules_to_save"),
    init_ia3_weights: "harmless",
  },
  readSettings(json, origin, model) {
    const config = parsePeftFields(configSchema, json, origin);
    return {
      target_modules: readTargets(config, origin, model),
      feedforward_modules: config.feedforward_modules ?? [],
      modules_to_save: readSavedModules(config.modules_to_save, origin),
    };
  },
  writeSettings: (settings) => ({
    ...settings,
    feedforward_modules: feedforwardModules(settings),
    modules_to_save: settings.modules_to_save.length > 0 ? settings.modules_to_save : null,
    fan_in_fan_out: false,
  }),
  adapt: ia3,
};

const options = { ia3: ia3ConfigSchema.optional() };

export const ia3Method: Method<typeof options, { readonly ia3: Ia3Config }> = {
  // The paper's.
  learning_rate: 3e-3,
  storage: "float32",
  yields: "adapter",
  options,
  complete: (given) => ({ ia3: ia3ConfigSchema.parse(given.ia3 ?? {}) }),
  findContradiction({ ia3: { target_modules: targets, feedforward_modules: inputs } }) {
    if (!Array.isArray(targets) || !Array.isArray(inputs)) return undefined;
    const other = inputs.find((name) => !targets.includes(name));
    return (
      other &&
      `"ia3.feedforward_modules" names "${other}", which is none of ia3.target_modules; add it there.`
    );
  },
  describe: (given) => describeTargets(given.ia3),
  adapt: (given, model) => ia3(given.ia3, model),
  peft: ia3Format,
};
