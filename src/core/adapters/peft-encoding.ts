/** @file What PEFT's files hold of an adapter: adapter_config.json, and the tensors of adapter_model.safetensors. */

import type { ModelConfig } from "../architectures/architecture.ts";
import type { TensorToWrite } from "../formats/safetensors.ts";
import type { PeftAdapter } from "./method.ts";
import type { Parameters } from "./parameters.ts";
import { peftPrefix } from "./peft-config.ts";

/** Our entry in the tensor file's metadata: which base model the adapter was trained on. */
export const fingerprintKey = "slimtune.base_fingerprint";

/** The base model of an adapter. */
export interface AdapterBase {
  /** Its name or path. */
  readonly name: string;
  readonly revision?: string;
  /** See `fingerprintModel`. */
  readonly fingerprint: string;
  readonly config: ModelConfig;
}

/** The files' contents. */
export interface PeftContents {
  /** adapter_config.json, as a text. */
  readonly config: string;
  /** Those of adapter_model.safetensors, with its metadata. */
  readonly tensors: readonly TensorToWrite[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Describes an adapter so that PEFT loads it. */
export function describeAdapter(
  { format, settings }: PeftAdapter,
  parameters: Parameters,
  { name, revision, fingerprint, config: model }: AdapterBase,
): PeftContents {
  const namesOf = fileNamesOf({ format, settings }, model);
  const config = {
    peft_type: (format.own?.isNeeded(settings, model) ? format.own : format).type,
    task_type: "CAUSAL_LM",
    base_model_name_or_path: name,
    revision: revision ?? null,
    inference_mode: true,
    ...format.writeSettings(settings, model),
  };
  return {
    config: `${JSON.stringify(config, null, 2)}\n`,
    tensors: [...parameters].flatMap(([parameter, { dims, data }]) =>
      namesOf(parameter).map(
        (fileName) => ({ name: fileName, dtype: "float32", shape: dims, data }) as const,
      ),
    ),
    metadata: { format: "pt", [fingerprintKey]: fingerprint },
  };
}

/** The names under which an adapter's tensors stand in its file, as {@link PeftFormat.fileNames} gives them. */
export function fileNamesOf(
  { format, settings }: PeftAdapter,
  model: ModelConfig,
): (name: string) => readonly string[] {
  return format.fileNames?.(settings, model) ?? ((name) => [peftPrefix + name]);
}
