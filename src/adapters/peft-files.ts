/** @file Adapters on disk in PEFT's layout: adapter_config.json and adapter_model.safetensors. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../errors.ts";
import { readText } from "../files/read.ts";
import { parseJson } from "../files/structured.ts";
import { makeFolder, writeWhole } from "../files/write.ts";
import { openSafetensors, writeSafetensors } from "../formats/safetensors.ts";
import type { ModelConfig } from "../models/config.ts";
import type { Adaptation } from "./adaptation.ts";
import { type LoraConfig, lora, loraConfigSchema } from "./lora.ts";
import { listParameters, type Parameter, type Parameters } from "./parameters.ts";

/** What PEFT puts before a tensor's name. */
const prefix = "base_model.model.";
/** Our entry in the tensor file's metadata: which base model the adapter was trained on. */
const fingerprintKey = "slimtune.base_fingerprint";

/** What of PEFT's LoraConfig decides how an adapter computes. Unknown entries are left alone, as PEFT adds some with every version. */
const peftConfigSchema = z.looseObject({
  peft_type: z.string(),
  base_model_name_or_path: z.string().nullish(),
  r: loraConfigSchema.shape.r.unwrap(),
  lora_alpha: loraConfigSchema.shape.lora_alpha.unwrap(),
  lora_dropout: z.number().min(0).lt(1).default(0),
  target_modules: z.union([z.string(), z.array(z.string()).min(1)]),
  use_rslora: z.boolean().nullish(),
  rank_pattern: z.record(z.string(), z.int().min(1)).nullish(),
  alpha_pattern: z.record(z.string(), z.number().positive()).nullish(),
  bias: z.string().default("none"),
  use_dora: z.boolean().nullish(),
  fan_in_fan_out: z.boolean().default(false),
  modules_to_save: z.array(z.string()).nullish(),
  layers_to_transform: z.union([z.int(), z.array(z.int())]).nullish(),
  exclude_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  init_lora_weights: z.union([z.boolean(), z.string()]).default(true),
});

export interface AdapterFiles {
  readonly settings: LoraConfig;
  readonly adaptation: Adaptation;
  readonly parameters: Map<string, Parameter>;
}

/**
 * Writes an adapter of LoRA or DoRA into `folder` so that PEFT loads it.
 *
 * @param base name or path of the base model, and its fingerprint (see `fingerprintModel`)
 */
export async function writeAdapter(
  folder: string,
  settings: LoraConfig,
  parameters: Parameters,
  base: { readonly name: string; readonly revision?: string; readonly fingerprint: string },
): Promise<void> {
  makeFolder(folder);
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
  const settings = readSettings(join(folder, "adapter_config.json"));
  const adaptation = lora(settings, model);
  const path = join(folder, "adapter_model.safetensors");
  if (!existsSync(path))
    throw new InputError(`${folder} holds no adapter_model.safetensors, so it is not an adapter.`);
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
    return { settings, adaptation, parameters };
  } finally {
    file.close();
  }
}

/** Reads an adapter_config.json. @throws InputError as {@link readAdapter} */
export function readSettings(path: string): LoraConfig {
  if (!existsSync(path)) throw new InputError(`There is no ${path}, so this folder is not an adapter.`);
  const json = parseJson(readText(path), path);
  const parsed = peftConfigSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new InputError(`${path} has a bad value at "${issue.path.join(".")}": ${issue.message}.`);
  }
  const config = parsed.data;
  const refused: Record<string, boolean> = {
    [`the method "${config.peft_type}"`]: config.peft_type !== "LORA",
    fan_in_fan_out: config.fan_in_fan_out,
    [`bias "${config.bias}"`]: config.bias !== "none",
    modules_to_save: (config.modules_to_save ?? []).length > 0,
    layers_to_transform: config.layers_to_transform != null,
    exclude_modules: config.exclude_modules != null,
    // These initializations change the base model's weights, so the adapter alone is not enough.
    [`init_lora_weights "${config.init_lora_weights}"`]: ![
      "true",
      "false",
      "gaussian",
      "orthogonal",
      "eva",
    ].includes(String(config.init_lora_weights)),
  };
  const feature = Object.keys(refused).find((name) => refused[name]);
  if (feature !== undefined) throw new InputError(`${path} asks for ${feature}, which is not supported.`);
  return {
    r: config.r,
    lora_alpha: config.lora_alpha,
    lora_dropout: config.lora_dropout,
    target_modules: config.target_modules,
    use_rslora: config.use_rslora ?? false,
    use_dora: config.use_dora ?? false,
    init_lora_weights: true,
    rank_pattern: config.rank_pattern ?? {},
    alpha_pattern: config.alpha_pattern ?? {},
  };
}
