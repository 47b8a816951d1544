/** @file Adapters on disk in PEFT's layout: adapter_config.json and adapter_model.safetensors. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Adaptation } from "../../core/adapters/adaptation.ts";
import { peftKeys } from "../../core/adapters/adapter-keys.ts";
import { type LoraConfig, lora, loraConfigSchema } from "../../core/adapters/lora.ts";
import { listParameters, type Parameter, type Parameters } from "../../core/adapters/parameters.ts";
import { narrowTargetModules } from "../../core/adapters/target-modules.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { InputError } from "../../core/errors.ts";
import { checkKeys } from "../../core/formats/known-keys.ts";
import { openSafetensors, writeSafetensors } from "../../core/formats/safetensors.ts";
import { quote } from "../../core/formats/weight-file.ts";
import { readText, readWhole } from "../files/read.ts";
import { parseJson } from "../files/structured.ts";
import { makeFolder, writeWhole } from "../files/write.ts";

/** What PEFT puts before a tensor's name. */
const prefix = "base_model.model.";
/** Our entry in the tensor file's metadata: which base model the adapter was trained on. */
const fingerprintKey = "slimtune.base_fingerprint";
/** The chat template with which an adapter was trained, where it is not the base model's. */
const templateFile = "chat_template.jinja";

/** The keys of PEFT's LoraConfig that are used, with its defaults. */
const peftConfigSchema = z.looseObject({
  peft_type: z.string(),
  r: loraConfigSchema.shape.r.unwrap().default(8),
  lora_alpha: loraConfigSchema.shape.lora_alpha.unwrap().default(8),
  lora_dropout: z.number().min(0).lt(1).default(0),
  target_modules: z.union([z.string(), z.array(z.string()).min(1)]),
  use_rslora: z.boolean().nullish(),
  rank_pattern: z.record(z.string(), z.int().min(1)).nullish(),
  alpha_pattern: z.record(z.string(), z.number().positive()).nullish(),
  use_dora: z.boolean().nullish(),
  layers_to_transform: z.union([z.int().transform((layer) => [layer]), z.array(z.int())]).nullish(),
  exclude_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  init_lora_weights: z.union([z.boolean(), z.string()]).default(true),
});

/** Initializations that leave the base model as it is; after the others the adapter alone is not enough. */
const plainInitializations: readonly unknown[] = [true, false, "gaussian", "orthogonal", "eva", "mica"];

export interface AdapterFiles {
  readonly settings: LoraConfig;
  readonly adaptation: Adaptation;
  readonly parameters: Map<string, Parameter>;
  /** In place of the base model's. */
  readonly chatTemplate?: string;
}

/**
 * Writes an adapter of LoRA or DoRA into `folder` so that PEFT loads it.
 *
 * @param base name or path of the base model, and its fingerprint (see `fingerprintModel`)
 * @param chatTemplate in place of the base model's
 */
export async function writeAdapter(
  folder: string,
  settings: LoraConfig,
  parameters: Parameters,
  base: { readonly name: string; readonly revision?: string; readonly fingerprint: string },
  chatTemplate?: string,
): Promise<void> {
  makeFolder(folder);
  if (chatTemplate !== undefined) writeWhole(join(folder, templateFile), chatTemplate);
  const tensors = [...parameters].map(([name, { dims, data }]) => ({
    name: prefix + name,
    dtype: "float32" as const,
    shape: dims,
    data,
  }));
  await writeSafetensors(join(folder, "adapter_model.safetensors"), tensors, {
    format: "pt",
    [fingerprintKey]: base.fingerprint,
  });
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base.name,
    revision: base.revision ?? null,
    inference_mode: true,
    ...settings,
    bias: "none",
    fan_in_fan_out: false,
    modules_to_save: null,
    layers_to_transform: null,
    layers_pattern: null,
  };
  writeWhole(join(folder, "adapter_config.json"), `${JSON.stringify(config, null, 2)}\n`);
}

/**
 * Reads an adapter of LoRA or DoRA that PEFT or slimtune wrote.
 *
 * @param fingerprint of the model to which the adapter shall be applied
 * @throws InputError if the adapter needs what is not supported, is damaged, or belongs to another base model.
 */
export function readAdapter(folder: string, model: ModelConfig, fingerprint: string): AdapterFiles {
  const settings = readSettings(join(folder, "adapter_config.json"), model);
  const adaptation = lora(settings, model);
  const path = join(folder, "adapter_model.safetensors");
  if (!existsSync(path)) throw new InputError(explainMissingTensors(folder));
  const file = openSafetensors(path);
  try {
    const trainedOn = file.metadata.get(fingerprintKey);
    if (trainedOn !== undefined && trainedOn !== fingerprint) {
      throw new InputError(
        `The adapter ${folder} was trained on another base model than the one given; its adapter_config.json names the right one.`,
      );
    }
    const parameters = new Map<string, Parameter>();
    for (const { name, dims } of listParameters(model, adaptation)) {
      const info = file.tensors.get(prefix + name);
      if (!info)
        throw new InputError(`${path} lacks the tensor "${prefix + name}" that its configuration asks for.`);
      if (info.shape.join() !== dims.join()) {
        throw new InputError(
          `${path}: the tensor "${info.name}" has the shape [${info.shape.join(", ")}], but this model needs [${dims.join(", ")}]; the adapter is for another base model.`,
        );
      }
      parameters.set(name, { dims, data: file.readFloat32(info.name) });
    }
    const surplus = [...file.tensors.keys()].find((name) => !parameters.has(name.slice(prefix.length)));
    if (surplus !== undefined) {
      throw new InputError(
        `${path} holds the tensor "${surplus}", which its configuration does not account for.`,
      );
    }
    const chatTemplate = readAdapterTemplate(folder);
    return { settings, adaptation, parameters, ...(chatTemplate !== undefined && { chatTemplate }) };
  } finally {
    file.close();
  }
}

function explainMissingTensors(folder: string): string {
  const missing = `${folder} holds no adapter_model.safetensors`;
  return existsSync(join(folder, "adapter_model.bin"))
    ? `${missing}, but adapter_model.bin, which is not read; load it with PEFT and save it again.`
    : `${missing}, so it is not an adapter.`;
}

/** The chat template that belongs to an adapter, where it has one of its own. */
export function readAdapterTemplate(folder: string): string | undefined {
  return readWhole(join(folder, templateFile), { isOptional: true })?.toString();
}

/**
 * Reads an adapter_config.json.
 *
 * @param model whose layers `exclude_modules` and `layers_to_transform` choose from; without it an adapter that has them is refused
 * @throws InputError as {@link readAdapter}
 */
export function readSettings(path: string, model?: ModelConfig): LoraConfig {
  if (!existsSync(path)) throw new InputError(`There is no ${path}, so this folder is not an adapter.`);
  const json = parseJson(readText(path), path);
  const parsed = peftConfigSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new InputError(`${path} has a bad value at "${issue.path.join(".")}": ${issue.message}.`);
  }
  const config = parsed.data;
  if (config.peft_type !== "LORA")
    throw new InputError(`${path} asks for the method ${quote(config.peft_type)}, which is not supported.`);
  checkKeys(Object.entries(json as object), peftKeys, path);
  const initialization = config.init_lora_weights;
  if (!plainInitializations.includes(initialization)) {
    throw new InputError(
      `${path} asks for init_lora_weights "${initialization}", which changes the base model's weights and is not supported; convert the adapter with PEFT (save_pretrained with path_initial_model_for_weight_conversion).`,
    );
  }
  const { target_modules, exclude_modules, layers_to_transform } = config;
  const choice = { excluded: exclude_modules ?? [], layers: layers_to_transform ?? [] };
  const isNarrowed = choice.excluded.length > 0 || choice.layers.length > 0;
  if (isNarrowed && !model) {
    throw new InputError(
      `${path} chooses its layers by exclude_modules or layers_to_transform, which tuning cannot go on with; merge the adapter and tune the merged model.`,
    );
  }
  return {
    r: config.r,
    lora_alpha: config.lora_alpha,
    lora_dropout: config.lora_dropout,
    target_modules: isNarrowed ? narrowTargetModules(target_modules, choice, model!) : target_modules,
    use_rslora: config.use_rslora ?? false,
    use_dora: config.use_dora ?? false,
    init_lora_weights: true,
    rank_pattern: config.rank_pattern ?? {},
    alpha_pattern: config.alpha_pattern ?? {},
  };
}
