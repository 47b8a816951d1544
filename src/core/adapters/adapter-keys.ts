/** @file How each key of an adapter's configuration is read: PEFT's LoraConfig, and a GGUF adapter's metadata. */

import { type KeyTable, withRole } from "../formats/known-keys.ts";
import { generalKeys } from "../models/gguf-keys.ts";

export const peftKeys: KeyTable = {
  ...withRole(
    "used",
    "alpha_pattern",
    "exclude_modules",
    "init_lora_weights",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "peft_type",
    "r",
    "rank_pattern",
    "target_modules",
    "use_dora",
    "use_rslora",
  ),
  ...withRole(
    "harmless",
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "megatron_core",
    "merge_weights",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    // Of initializations, which `init_lora_weights` chooses.
    "corda_config",
    "eva_config",
    "loftq_config",
    "lora_ga_config",
  ),
  ...withRole([false], "ensure_weight_tying", "fan_in_fan_out", "lora_bias", "use_bdlora", "use_qalora"),
  ...withRole(
    [],
    "alora_invocation_tokens",
    "arrow_config",
    "enable_lora",
    "kasa_config",
    "layer_replication",
    "megatron_config",
    "monteclora_config",
    "trainable_token_indices",
    "velora_config",
  ),
  ...withRole([[]], "modules_to_save", "target_parameters"),
  bias: ["none"],
  layers_pattern: ["", [], "layers", ["layers"]],
  task_type: ["CAUSAL_LM"],
};

export const ggufAdapterKeys: KeyTable = {
  ...generalKeys,
  "general.type": ["adapter"],
  "adapter.type": ["lora"],
  "adapter.lora.alpha": "used",
  ...withRole("harmless", "adapter.lora.prompt_prefix", "adapter.lora.task_name"),
  "adapter.alora.invocation_tokens": [[]],
};
