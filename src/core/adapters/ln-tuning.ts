/** @file LN tuning (Zhao et al. 2023): the norms' weights are trained, and nothing else. */

import * as z from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { listTensors } from "../architectures/modules.ts";
import { InputError } from "../errors.ts";
import { selectFullMatches } from "../python/regexp.ts";
import type { Adaptation } from "./adaptation.ts";
import type { Method, PeftFormat } from "./method.ts";
import { commonKeys, parsePeftFields, peftPrefix } from "./peft-config.ts";
import { describeTargets, targetModules } from "./target-modules.ts";

/** LN tuning's settings, named and meant as in PEFT's LNTuningConfig. */
const lnTuningSchema = z.strictObject({
  /** Names of norms, or one regular expression. By default all, as PEFT's for Llama. */
  target_modules: targetModules.default(".*norm"),
});

type LnTuningConfig = z.infer<typeof lnTuningSchema>;

/** @throws InputError if no norm has such a name. */
function lnTuning({ target_modules: target }: LnTuningConfig, model: ModelConfig): Adaptation {
  const norms = listTensors(model).flatMap(({ name }) => /^(.+norm)\.weight$/.exec(name)?.[1] ?? []);
  const selected =
    typeof target === "string"
      ? selectFullMatches(target, norms)
      : norms.filter((name) => target.some((entry) => name === entry || name.endsWith(`.${entry}`)));
  if (selected.length === 0) {
    const shortNames = new Set(norms.map((name) => name.split(".").at(-1)));
    throw new InputError(
      `ln_tuning.target_modules matches no norm of this model, whose norms are ${[...shortNames].join(", ")}.`,
    );
  }
  const trained = new Set(selected.map((name) => `${name}.weight`));
  return { adapterOf: () => undefined, trains: (name) => trained.has(name) };
}

/** As PEFT's LNTuningConfig and files have it. */
const lnTuningFormat: PeftFormat<LnTuningConfig> = {
  type: "LN_TUNING",
  section: "ln_tuning",
  schema: lnTuningSchema,
  changeable: [],
  keys: { ...commonKeys, target_modules: "used", exclude_modules: [[]], modules_to_save: [[]] },
  readSettings: (json, origin) =>
    lnTuningSchema.parse({
      target_modules: parsePeftFields(z.looseObject({ target_modules: targetModules }), json, origin)
        .target_modules,
    }),
  writeSettings: (settings) => settings,
  fileNames: () => (name) => [peftPrefix + name.replace(/\.weight$/, ".ln_tuning_layers.weight")],
  adapt: lnTuning,
};

const options = { ln_tuning: lnTuningSchema.optional() };

export const lnTuningMethod: Method<typeof options, { readonly ln_tuning: LnTuningConfig }> = {
  // Our choice.
  learning_rate: 1e-3,
  storage: "float32",
  yields: "adapter",
  options,
  complete: (given) => ({ ln_tuning: lnTuningSchema.parse(given.ln_tuning ?? {}) }),
  describe: (given) => describeTargets(given.ln_tuning),
  adapt: (given, model) => lnTuning(given.ln_tuning, model),
  peft: lnTuningFormat,
};
