/** @file LoRA (Hu et al. 2021): W x + s B A x, with A and B trained and W frozen. Its settings also choose its relatives. */

import { z } from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { add } from "../graph/operators/elementwise.ts";
import { matmul } from "../graph/operators/matmul.ts";
import type { Random } from "../random.ts";
import type { Adaptation, LinearAdapter } from "./adaptation.ts";
import { dora } from "./dora.ts";
import type { Parameters } from "./parameters.ts";
import { selectTargetModules, valuesByPattern } from "./target-modules.ts";

/** LoRA's settings, named and meant as in PEFT's LoraConfig. */
export const loraConfigSchema = z.strictObject({
  /** Rank of the update. */
  r: z.int().min(1).default(16),
  /** The update is scaled by lora_alpha / r. */
  lora_alpha: z.number().positive().default(32),
  /** Share of the adapter's inputs dropped while training. */
  lora_dropout: z.number().min(0).lt(1).default(0),
  /** Names of linear layers, one regular expression, or "all-linear". */
  target_modules: z.union([z.string(), z.array(z.string()).min(1)]).default("all-linear"),
  /** Scale by lora_alpha / sqrt(r) instead (rsLoRA, Kalajdzievski 2023). */
  use_rslora: z.boolean().default(false),
  /** Train the lengths of the weight's rows as well (DoRA). */
  use_dora: z.boolean().default(false),
  /** How A and B begin: drawn and zero (true), or as the weight's principal part (PiSSA). */
  init_lora_weights: z.union([z.literal(true), z.literal("pissa")]).default(true),
  /** Ranks that differ from r, by module name or regular expression. */
  rank_pattern: z.record(z.string(), z.int().min(1)).default({}),
  /** Values that differ from lora_alpha, likewise. */
  alpha_pattern: z.record(z.string(), z.number().positive()).default({}),
});

export type LoraConfig = z.infer<typeof loraConfigSchema>;

/**
 * LoRA, or DoRA if `use_dora` is set, on a model's linear layers.
 *
 * @throws InputError if `target_modules` names no linear layer of the model.
 */
export function lora(settings: LoraConfig, model: ModelConfig): Adaptation {
  const targets = ranksAndScales(settings, selectTargetModules(settings.target_modules, model));
  return {
    trains: () => false,
    adapterOf(name, outFeatures, inFeatures) {
      const target = targets.get(name);
      if (!target) return undefined;
      const adapter = loraAdapter(outFeatures, inFeatures, target.r, target.scale, settings.lora_dropout);
      return settings.use_dora ? dora(adapter, outFeatures) : adapter;
    },
  };
}

/** The linear layers that parameters are for. */
export function adaptedModules(parameters: Parameters): string[] {
  const ending = ".lora_A.weight";
  return [...parameters.keys()]
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length));
}

/** The rank r of the update of each of some linear layers, and the factor s of the product B A. */
export function ranksAndScales(
  settings: LoraConfig,
  names: Iterable<string>,
): ReadonlyMap<string, { readonly r: number; readonly scale: number }> {
  const list = [...names];
  const ranks = valuesByPattern(settings.rank_pattern, list);
  const alphas = valuesByPattern(settings.alpha_pattern, list);
  return new Map(
    list.map((name) => {
      const r = ranks.get(name) ?? settings.r;
      const alpha = alphas.get(name) ?? settings.lora_alpha;
      return [name, { r, scale: alpha / (settings.use_rslora ? Math.sqrt(r) : r) }];
    }),
  );
}

function loraAdapter(
  outFeatures: number,
  inFeatures: number,
  r: number,
  scale: number,
  dropout: number,
): LinearAdapter {
  return {
    signature: `lora r=${r} scale=${scale} dropout=${dropout}`,
    dropout,
    lowRank: { r, scale },
    parameters: [
      {
        name: "lora_A.weight",
        shape: [r, inFeatures],
        initialize: (random) => initializeA(r, inFeatures, random),
      },
      { name: "lora_B.weight", shape: [outFeatures, r], initialize: () => new Float32Array(outFeatures * r) },
    ],
    forward(x, dropped, weight, tensors) {
      const inner = matmul(dropped, tensors["lora_A.weight"]!, { transB: true });
      const update = matmul(inner, tensors["lora_B.weight"]!, { transB: true, alpha: scale });
      return add(weight.multiply(x), update);
    },
    merge: (weight, parameters) =>
      add(weight, matmul(parameters["lora_B.weight"]!, parameters["lora_A.weight"]!, { alpha: scale })),
  };
}

/** PEFT's default: Kaiming-uniform with a = sqrt(5), which is uniform within ± 1 / sqrt(in). */
function initializeA(r: number, inFeatures: number, random: Random): Float32Array {
  const bound = 1 / Math.sqrt(inFeatures);
  return Float32Array.from({ length: r * inFeatures }, () => (2 * random.uniform() - 1) * bound);
}
