/** @file LoRA and its relatives as methods: each is LoRA with some of its settings given. */

import * as z from "zod";
import { embeddingName, headName, listTensors } from "../architectures/modules.ts";
import { InputError } from "../errors.ts";
import { withRole } from "../formats/known-keys.ts";
import type { Storage } from "../models/linear.ts";
import { adaptableTables, adaptedLayers, type LoraConfig, lora, loraConfigSchema } from "./lora.ts";
import { loraPlusFactor } from "./lora-plus.ts";
import type { Method, PeftFormat } from "./method.ts";
import {
  commonKeys,
  parsePeftFields,
  peftPrefix,
  readTargets,
  targetFields,
  targetKeys,
} from "./peft-config.ts";
import { toLora } from "./pissa-conversion.ts";
import { readSavedModules } from "./saved-modules.ts";
import { describeTargets } from "./target-modules.ts";
import { joinTokens, leastVocabulary, tokenIndices } from "./trained-tokens.ts";

interface Preset {
  /** 2e-4 is what Dettmers et al. 2023 took for models up to 13B; for LoRA+, PEFT advises half of it for A. */
  readonly learning_rate?: number;
  readonly storage?: Storage;
  /** The settings that make the method. */
  readonly fixed?: Partial<LoraConfig>;
  /** B's learning rate over A's; PEFT shows 16, as LLaMA-Factory does. */
  readonly loraplus_lr_ratio?: number;
}

type Options = { readonly lora: LoraConfig; readonly loraplus_lr_ratio?: number | undefined };

const plainOptions = { lora: loraConfigSchema.optional() };
const plusOptions = { ...plainOptions, loraplus_lr_ratio: z.number().min(1).optional() };

/** LoRA with the settings of a preset. */
export function loraMethod({
  learning_rate = 2e-4,
  storage = "float32",
  fixed = {},
  loraplus_lr_ratio,
}: Preset = {}): Method<typeof plusOptions, Options> {
  return {
    learning_rate,
    storage,
    yields: "adapter",
    // The type has the option in any case, since a union of both has no members of its own.
    options: (loraplus_lr_ratio === undefined ? plainOptions : plusOptions) as typeof plusOptions,
    complete: (given) => ({
      lora: loraConfigSchema.parse({ ...given.lora, ...fixed }),
      loraplus_lr_ratio: given.loraplus_lr_ratio ?? loraplus_lr_ratio,
    }),
    findContradiction({ lora }, run) {
      for (const [name, value] of Object.entries(fixed)) {
        const other = run.given.lora?.[name as keyof LoraConfig];
        if (other !== undefined && other !== value)
          return `method "${run.method}" sets lora.${name} to ${value}, so it cannot be ${other}; choose another method.`;
      }
      if (lora.use_dora && lora.init_lora_weights === "pissa")
        return "DoRA and PiSSA cannot be combined, since the result would be no adapter for the original model; choose one of them.";
      if (storage !== "float32" && run.storage !== storage)
        return `method "${run.method}" keeps the base in ${storage}, not in ${run.storage}; choose method "lora" for another storage.`;
      if (run.storage !== "float32" && lora.init_lora_weights === "pissa")
        return `PiSSA takes a part out of the base weights, which needs storage "float32", not "${run.storage}".`;
      return undefined;
    },
    describe: ({ lora }) => `r ${lora.r}, lora_alpha ${lora.lora_alpha}, ${describeTargets(lora)}`,
    withTokens: ({ lora, ...options }, ids, model) => ({
      ...options,
      lora: { ...lora, trainable_token_indices: joinTokens(lora.trainable_token_indices, ids, model) },
    }),
    adapt(options, model) {
      const { bias } = options.lora;
      const adaptation = lora(options.lora, model);
      if (
        bias !== "none" &&
        !listTensors(model).some(({ name }) => name.endsWith(".bias") && adaptation.trains(name))
      )
        throw new InputError(
          `"lora.bias" is "${bias}", but ${bias === "all" ? "this model has" : "the layers of target_modules have"} no biases; leave it out.`,
        );
      return adaptation;
    },
    peft: loraFormat,
    async begin({ lora }, { device, config, weights, parameters, seed, onStage }) {
      if (lora.init_lora_weights !== "pissa") return undefined;
      const onProgress = (share: number) =>
        onStage(`finding the principal parts of the weights: ${Math.round(100 * share)} %`);
      // Pages have no PiSSA, and need not load it.
      const { splitWeights } = await import("./pissa.ts");
      return splitWeights(device, config, weights, lora, parameters, { seed, onProgress });
    },
    finish: ({ lora }, initial, trained) => toLora(lora, initial, trained),
    learningRateFactor: (options) =>
      options.loraplus_lr_ratio === undefined ? () => 1 : loraPlusFactor(options.loraplus_lr_ratio),
  };
}

/** The keys of PEFT's LoraConfig that are used, with its defaults. */
const configSchema = z.looseObject({
  ...targetFields,
  r: loraConfigSchema.shape.r.unwrap().default(8),
  lora_alpha: loraConfigSchema.shape.lora_alpha.unwrap().default(8),
  lora_dropout: z.number().min(0).lt(1).default(0),
  use_rslora: z.boolean().nullish(),
  rank_pattern: z.record(z.string(), z.int().min(1)).nullish(),
  alpha_pattern: z.record(z.string(), z.number().positive()).nullish(),
  use_dora: z.boolean().nullish(),
  init_lora_weights: z.union([z.boolean(), z.string()]).default(true),
  bias: loraConfigSchema.shape.bias,
  modules_to_save: z.array(z.string()).nullish(),
  ensure_weight_tying: z.boolean().nullish(),
  trainable_token_indices: tokenIndices.nullish(),
});

/** Initializations that leave the base model as it is; after the others the adapter alone is not enough. */
const plainInitializations: readonly unknown[] = [true, false, "gaussian", "orthogonal", "eva", "mica"];

/** LoRA, rsLoRA and DoRA as PEFT's LoraConfig and files have them. */
export const loraFormat: PeftFormat<LoraConfig> = {
  type: "LORA",
  section: "lora",
  schema: loraConfigSchema,
  changeable: ["lora_dropout"],
  keys: {
    ...commonKeys,
    ...targetKeys,
    ...withRole(
      "used",
      "alpha_pattern",
      "bias",
      "ensure_weight_tying",
      "init_lora_weights",
      "lora_alpha",
      "lora_dropout",
      "modules_to_save",
      "r",
      "rank_pattern",
      "trainable_token_indices",
      "use_dora",
      "use_rslora",
    ),
    ...withRole(
      "harmless",
      "megatron_core",
      "merge_weights",
      "qalora_group_size",
      "runtime_config",
      // Of initializations, which `init_lora_weights` chooses.
      "corda_config",
      "eva_config",
      "loftq_config",
      "lora_ga_config",
    ),
    ...withRole([false], "lora_bias", "use_bdlora", "use_qalora"),
    ...withRole(
      [],
      "alora_invocation_tokens",
      "arrow_config",
      "enable_lora",
      "kasa_config",
      "layer_replication",
      "megatron_config",
      "monteclora_config",
      "velora_config",
    ),
    target_parameters: [[]],
  },
  readSettings(json, origin, model) {
    const config = parsePeftFields(configSchema, json, origin);
    const initialization = config.init_lora_weights;
    const { modules_to_save: saved, ensure_weight_tying: isTied } = config;
    if (saved?.length && model?.tieWordEmbeddings && !isTied) {
      throw new InputError(
        `${origin} trains ${saved.join(" and ")} apart from what the model ties to it, which is not supported; merge the adapter with PEFT, and take the merged model.`,
      );
    }
    if (!plainInitializations.includes(initialization)) {
      throw new InputError(
        `${origin} asks for init_lora_weights "${initialization}", which changes the base model's weights and is not supported; convert the adapter with PEFT (save_pretrained with path_initial_model_for_weight_conversion).`,
      );
    }
    return {
      r: config.r,
      lora_alpha: config.lora_alpha,
      lora_dropout: config.lora_dropout,
      target_modules: readTargets(config, origin, model, model && adaptableTables(model)),
      use_rslora: config.use_rslora ?? false,
      use_dora: config.use_dora ?? false,
      init_lora_weights: true,
      rank_pattern: config.rank_pattern ?? {},
      alpha_pattern: config.alpha_pattern ?? {},
      bias: config.bias,
      modules_to_save: readSavedModules(config.modules_to_save, origin),
      trainable_token_indices: config.trainable_token_indices ?? [],
    };
  },
  leastVocabulary: (settings) => leastVocabulary(settings.trainable_token_indices),
  writeSettings: ({ modules_to_save: saved, ...settings }, { tieWordEmbeddings }) => ({
    ...settings,
    fan_in_fan_out: false,
    modules_to_save: saved.length === 0 ? null : tieWordEmbeddings ? ["embed_tokens"] : saved,
    ...(saved.length > 0 && tieWordEmbeddings && { ensure_weight_tying: true }),
    trainable_token_indices:
      leastVocabulary(settings.trainable_token_indices) > 0 ? settings.trainable_token_indices : null,
    layers_to_transform: null,
    layers_pattern: null,
  }),
  fileNames(settings, model) {
    const adapted = adaptedLayers(settings, model);
    return (name) => {
      const [, module] = /^(.+)\.bias$/.exec(name) ?? [];
      if (module !== undefined && adapted.has(module)) return [`${peftPrefix}${module}.base_layer.bias`];
      // Both names of what is tied.
      const isBoth = name === embeddingName && model.tieWordEmbeddings;
      return [name, ...(isBoth ? [headName] : [])].map((each) => peftPrefix + each);
    };
  },
  // PEFT writes the base model's beside an adapter of them, and of a larger vocabulary; those of tied tokens twice.
  isCopy: (name) =>
    /\.(?:embed_tokens|lm_head)(?:\.token_adapter)?\.base_layer\.weight$/.test(name) ||
    name === `${peftPrefix}lm_head.token_adapter.trainable_tokens_delta`,
  adapt: lora,
};
