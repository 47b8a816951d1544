/** @file The options of a study of DCA's causal term. */

import { z } from "zod";
import { type MethodName, methodNames } from "../../core/adapters/methods.ts";
import { InputError } from "../../core/errors.ts";
import { neutralText } from "../grid/divergence.ts";
import { checkGrid, checkGridInputs, type GridConfig, gridOptions } from "../grid/options.ts";
import { checkNamedOnce, checkUndecided } from "../option-checks.ts";

// Prompts are the sets' own, as in the paper, and methods and variants are the study's.
const { methods: _, variants: __, apply_chat_template: ___, chat_template: ____, ...shared } = gridOptions;

export const causalOptions = z.strictObject({
  kind: z.literal("causal"),
  ...shared,
  seeds: gridOptions.seeds.default([1, 2, 3]),
  baselines: z
    .array(z.enum(methodNames))
    .default(["lora", "adaption-prompt"])
    .describe("methods beside DCA; LoRA gets the rank of about as many parameters, unless it has options"),
  causal_weights: z
    .array(z.number().min(0))
    .default([0, 0.01, 0.1, 1])
    .describe("weights of the causal term; 0 is what DCA's release has, and the others are compared with it"),
  shared_prompts: z
    .array(z.int().min(1))
    .min(1)
    .default([1, 5])
    .describe("how many of the prompts the term is on; each with each weight"),
  prompt_items: z
    .int()
    .min(2)
    .default(64)
    .describe("items of each set's first aligned task on which the prompts are measured"),
  neutral_text: neutralText,
});

export type CausalConfig = z.output<typeof causalOptions>;

/** What it is compared with. */
export const releaseVariant = "causal-0";

/** The grid of the methods beside DCA, and that of DCA with each weight on each number of prompts. */
export function gridsOf(config: CausalConfig): readonly [baselines: GridConfig, dca: GridConfig] {
  const { causal_weights, shared_prompts } = config;
  // Without a weight it makes no difference on which prompts the term is.
  const weighted = causal_weights
    .filter((weight) => weight > 0)
    .flatMap((causal_weight) =>
      shared_prompts.map((shared): [string, Record<string, unknown>] => [
        `causal-${causal_weight}-shared-${shared}`,
        { causal_weight, shared_prompts: shared },
      ]),
    );
  const variants = { [releaseVariant]: { causal_weight: 0 }, ...Object.fromEntries(weighted) };
  const common = { ...config, apply_chat_template: false };
  return [
    { ...common, methods: config.baselines },
    { ...common, methods: ["dca"] satisfies MethodName[], variants },
  ];
}

/**
 * @param origin where they come from, for messages
 * @throws InputError if they contradict each other, or a run cannot have them.
 */
export function checkCausal(config: CausalConfig, origin: string): void {
  const { baselines, causal_weights, shared_prompts, aligned, data, tasks } = config;
  checkNamedOnce({ baselines, causal_weights, shared_prompts }, origin);
  if (!causal_weights.includes(0)) {
    throw new InputError(`${origin}: "causal_weights" lacks 0, with which the others are compared; add it.`);
  }
  if (baselines.includes("dca"))
    throw new InputError(`${origin}: "baselines" names dca, which the study computes anyway; leave it out.`);
  for (const name of Object.keys(data)) {
    if ((aligned[name] ?? []).length === 0) {
      throw new InputError(
        `${origin}: no task is aligned with ${name}; name those of its problems (--aligned ${name}=…), that of its own distribution first.`,
      );
    }
  }
  const unknown = Object.values(aligned)
    .flat()
    .find((task) => !tasks.includes(task));
  if (unknown !== undefined)
    throw new InputError(`${origin}: "aligned" names ${unknown}, which is not among "tasks"; add it.`);
  const settings = [["run", config.run], ...Object.entries({ ...config.method_options })] as const;
  checkUndecided(settings, ["causal_weight", "shared_prompts"], origin);
  for (const grid of gridsOf(config)) checkGrid(grid, origin);
}

/** @throws InputError naming what is not there. */
export async function checkCausalInputs(config: CausalConfig): Promise<void> {
  await checkGridInputs(gridsOf(config)[0]);
}
