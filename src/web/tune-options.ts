/** @file The options of tuning in a browser: those of a run in Node that are of use there, with the same names and defaults. */

import * as z from "zod";
import {
  type MethodName,
  type MethodOptions,
  methodNames,
  methodOf,
  type methodOptions,
} from "../core/adapters/methods.ts";
import { InputError } from "../core/errors.ts";
import type { Storage } from "../core/models/linear.ts";
import { parseOptions } from "../core/parse-fields.ts";
import { dataOptions, trainingOptions } from "../core/training/training-options.ts";

const common = {
  /** The model's id on the Hub, for those to whom the adapter is handed on. Default: the model's name. */
  base_model_name: z.string().min(1).optional(),
  ...dataOptions,
  ...trainingOptions,
  /** Decoder blocks computed per program, or "auto": all if 1 GiB is enough, since then nothing is computed twice. */
  segment_size: z.union([z.literal("auto"), z.int().min(1)]).default("auto"),
};

/** The methods whose result is an adapter for the model as it is. PiSSA's is for weights that it changes. */
const webMethods = methodNames.filter((name) => methodOf(name).yields === "adapter" && name !== "pissa");

const methodSchema = z.looseObject({ method: z.enum(webMethods as [MethodName]).default("lora") });

/** Those that all methods have, and those of the method (docs/methods.md). */
export type TuneOptions = z.input<z.ZodObject<typeof common>> &
  z.input<z.ZodObject<typeof methodOptions>> & {
    /** Default "lora". */
    readonly method?: Exclude<MethodName, "full" | "freeze" | "pissa">;
  };

/** The same with every default filled in. */
export type TuneConfig = z.output<z.ZodObject<typeof common>> &
  MethodOptions & { readonly method: MethodName; readonly learning_rate: number };

const origin = "The options";

/**
 * Fills in the defaults and checks every option.
 *
 * @param storage how the model's weights are kept
 * @throws InputError naming the first option that is unknown, has a bad value, or contradicts another.
 */
export function completeOptions(options: unknown, storage: Storage): TuneConfig {
  const { method } = parseOptions(methodSchema, options, origin);
  const { options: own, complete, findContradiction, learning_rate } = methodOf(method);
  const schema = z.strictObject({ method: methodSchema.shape.method, ...common, ...own });
  const given = parseOptions(schema, options, origin);
  const config = {
    ...given,
    ...complete(given),
    method,
    learning_rate: given.learning_rate ?? learning_rate,
  } as TuneConfig;
  const { batch_size } = config;
  const run = { method, storage, batch_size, objective: "sft", learnsFromTexts: true };
  const problem = findContradiction?.(config, { ...run, given: options as object });
  if (problem !== undefined) throw new InputError(`${origin}: ${problem}`);
  if (config.lora?.init_lora_weights === "pissa")
    throw new InputError(
      `${origin}: PiSSA changes the base weights, which a browser's tuning does not; leave init_lora_weights out.`,
    );
  // What is left open stays so when a state's options are completed again.
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined)) as TuneConfig;
}
