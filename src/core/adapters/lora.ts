/** @file LoRA (Hu et al. 2021): W x + s B A x, with A and B trained and W frozen. Its settings also choose its relatives. */

import * as z from "zod";
import type { ModelConfig } from "../architectures/architecture.ts";
import { InputError } from "../errors.ts";
import { add } from "../graph/operators/elementwise.ts";
import { matmul } from "../graph/operators/matmul.ts";
import { gather, transpose } from "../graph/operators/movement.ts";
import type { Random } from "../random.ts";
import {
  type Adaptation,
  type EmbeddingAdapter,
  embeddingModule,
  type LinearAdapter,
  outputModule,
} from "./adaptation.ts";
import { dora } from "./dora.ts";
import type { Parameters } from "./parameters.ts";
import { savedModules, withSavedModules } from "./saved-modules.ts";
import { selectTargetModules, targetModules, valuesByPattern } from "./target-modules.ts";
import { tokenIndices, withTrainedTokens } from "./trained-tokens.ts";

/** LoRA's settings, named and meant as in PEFT's LoraConfig. */
export const loraConfigSchema = z.strictObject({
  /** Rank of the update. */
  r: z.int().min(1).default(16),
  /** The update is scaled by lora_alpha / r. */
  lora_alpha: z.number().positive().default(32),
  /** Share of the adapter's inputs dropped while training. */
  lora_dropout: z.number().min(0).lt(1).default(0),
  /** Names of linear layers, one regular expression, or "all-linear". */
  target_modules: targetModules.default("all-linear"),
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
  /** Biases that are trained as well: all of the model's, or those of the adapted layers. */
  bias: z.enum(["none", "all", "lora_only"]).default("none"),
  /** Of embedding and output layer, those that are trained as a whole. */
  modules_to_save: savedModules,
  /** Tokens whose rows of the embedding, or of the output layer, are trained. */
  trainable_token_indices: tokenIndices.default([]),
});

export type LoraConfig = z.infer<typeof loraConfigSchema>;

/** The modules beside the blocks' that LoRA can adapt: those that are not tied. */
export function adaptableTables({ tieWordEmbeddings }: ModelConfig): string[] {
  return tieWordEmbeddings ? [] : [embeddingModule, outputModule];
}

/** Full names of the layers that the settings adapt. @throws InputError if `target_modules` names none of the model's. */
export function adaptedLayers({ target_modules }: LoraConfig, model: ModelConfig): Set<string> {
  return selectTargetModules(target_modules, model, adaptableTables(model));
}

/**
 * LoRA, or DoRA if `use_dora` is set, on a model's linear layers, with what is trained beside.
 *
 * @throws InputError if the settings do not fit the model.
 *
 * @example
 * const { openModel } = await import("slimtune");
 * const { config } = await openModel("fixtures/embedded-model");
 * const adaptation = lora(loraConfigSchema.parse({ r: 8, target_modules: ["q_proj", "v_proj"] }), config);
 */
export function lora(settings: LoraConfig, model: ModelConfig): Adaptation {
  const targets = ranksAndScales(settings, adaptedLayers(settings, model));
  const outside = adaptableTables(model).find((name) => targets.has(name));
  if (outside && settings.init_lora_weights === "pissa")
    throw new InputError(
      `PiSSA is for the linear layers of the blocks, so leave ${outside} out of target_modules.`,
    );
  const ofEmbedding = targets.get(embeddingModule);
  if (ofEmbedding && settings.use_dora)
    throw new InputError("DoRA is for linear layers, so leave embed_tokens out of target_modules.");
  const adaptation: Adaptation = {
    embedding: ofEmbedding && embeddingAdapter(model, ofEmbedding.r, ofEmbedding.scale),
    trains: (name) =>
      name.endsWith(".bias") &&
      (settings.bias === "all" ||
        (settings.bias === "lora_only" && targets.has(name.slice(0, -".bias".length)))),
    adapterOf(name, outFeatures, inFeatures) {
      const target = targets.get(name);
      if (!target) return undefined;
      const adapter = loraAdapter(outFeatures, inFeatures, target.r, target.scale, settings.lora_dropout);
      return settings.use_dora ? dora(adapter, outFeatures) : adapter;
    },
  };
  const { modules_to_save: saved, trainable_token_indices: tokens } = settings;
  return withTrainedTokens(withSavedModules(adaptation, saved, model, true), tokens, model);
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
      {
        name: "lora_B.weight",
        shape: [outFeatures, r],
        isByOutput: true,
        initialize: () => new Float32Array(outFeatures * r),
      },
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

/** A token's row of the embedding is E + s (B A)^T; A begins as zero and B is drawn, as in PEFT. */
function embeddingAdapter(
  { vocabSize, hiddenSize }: ModelConfig,
  r: number,
  scale: number,
): EmbeddingAdapter {
  const [nameA, nameB] = ["lora_embedding_A", "lora_embedding_B"] as const;
  return {
    parameters: [
      { name: nameA, shape: [r, vocabSize], initialize: () => new Float32Array(r * vocabSize) },
      {
        name: nameB,
        shape: [hiddenSize, r],
        initialize: (random) => Float32Array.from({ length: hiddenSize * r }, () => random.normal()),
      },
    ],
    forward(rows, tokens, tensors) {
      const inner = gather(transpose(tensors[nameA]!, [1, 0]), tokens);
      return add(rows, matmul(inner, tensors[nameB]!, { transB: true, alpha: scale }));
    },
    merge: (weight, tensors) =>
      add(weight, matmul(tensors[nameA]!, tensors[nameB]!, { transA: true, transB: true, alpha: scale })),
  };
}

/** PEFT's default: Kaiming-uniform with a = sqrt(5), which is uniform within ± 1 / sqrt(in). */
function initializeA(r: number, inFeatures: number, random: Random): Float32Array {
  const bound = 1 / Math.sqrt(inFeatures);
  return Float32Array.from({ length: r * inFeatures }, () => (2 * random.uniform() - 1) * bound);
}
