/** @file The tuning methods by name (docs/methods.md). */

import type { z } from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import type { Adaptation } from "./adaptation.ts";
import { adaptionPromptMethod, dcaMethod } from "./adaption-prompt.ts";
import { freezeMethod, fullMethod } from "./freeze.ts";
import { ia3Method } from "./ia3.ts";
import { lnTuningMethod } from "./ln-tuning.ts";
import { loraFaMethod } from "./lora-fa.ts";
import { loraMethod } from "./lora-methods.ts";
import type { Method, PeftFormat } from "./method.ts";
import { trainableTokensMethod } from "./trained-tokens.ts";
import { veraMethod } from "./vera.ts";

const methods = {
  lora: loraMethod(),
  qlora: loraMethod({ storage: "nf4" }),
  "lora+": loraMethod({ learning_rate: 1e-4, loraplus_lr_ratio: 16 }),
  rslora: loraMethod({ fixed: { use_rslora: true } }),
  dora: loraMethod({ fixed: { use_dora: true } }),
  pissa: loraMethod({ fixed: { init_lora_weights: "pissa" } }),
  "lora-fa": loraFaMethod,
  ia3: ia3Method,
  vera: veraMethod,
  "adaption-prompt": adaptionPromptMethod,
  dca: dcaMethod,
  ln_tuning: lnTuningMethod,
  trainable_tokens: trainableTokensMethod,
  freeze: freezeMethod,
  full: fullMethod,
};

export type MethodName = keyof typeof methods;
export const methodNames = Object.keys(methods) as [MethodName, ...MethodName[]];

type Intersection<T> = (T extends unknown ? (value: T) => void : never) extends (value: infer U) => void
  ? U
  : never;
type GivenOptions = Intersection<(typeof methods)[MethodName]["options"]>;

/** The options of all methods, by their names in a run's config.yaml. */
export const methodOptions = Object.assign(
  {},
  ...Object.values(methods).map(({ options }) => options),
) as GivenOptions;

/** A run's options that are its method's own. */
export type MethodOptions = z.output<z.ZodObject<GivenOptions>>;

export function methodOf(name: MethodName): Method<GivenOptions, MethodOptions> {
  return methods[name] as Method<GivenOptions, MethodOptions>;
}

/** The first method that has an option. */
export function ownerOf(option: string): MethodName | undefined {
  return methodNames.find((name) => Object.hasOwn(methods[name].options, option));
}

/** The formats of adapters in PEFT's layout, by their "peft_type". */
export const peftFormats: ReadonlyMap<string, PeftFormat> = new Map(
  Object.values<Method>(methods).flatMap(({ peft }) =>
    peft ? [peft, ...(peft.own ? [peft.own] : [])].map(({ type }) => [type, peft] as const) : [],
  ),
);

/** The option that holds an adapter's setting `name`: the method's own if it has one of that name, else another's. */
export function sectionOf(name: string, method: MethodName): string | undefined {
  const formats = [methods[method].peft, ...peftFormats.values()];
  return formats.find((format) => format && Object.hasOwn(format.schema.shape, name))?.section;
}

/** @throws InputError if the options do not fit the model. */
export function createAdaptation(
  options: MethodOptions & { readonly method: MethodName },
  model: ModelConfig,
): Adaptation {
  return methodOf(options.method).adapt(options, model);
}
