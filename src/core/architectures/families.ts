/** @file What sets the families of models apart, and how each reads every key of a `config.json`. */

import { type KeyTable, withRole } from "../formats/known-keys.ts";

export type ModelType = "llama" | "mistral" | "qwen2" | "qwen3";

/** A family whose blocks are built from the parts of {@link ModelConfig}. */
export interface Family {
  /** Which of the attention's projections have biases. */
  readonly attentionBias: "as configured" | "none" | "query, key, value";
  readonly queryKeyNorm: boolean;
  /** Which layers have a window of attention, where `layer_types` does not say: all, or those from `max_window_layers` on. */
  readonly slidingWindow: "none" | "all layers" | "as configured";
  /** Values of the keys that a file leaves out, as in Transformers' configuration class. */
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly keys: KeyTable;
}

/** Settings of generation that old files hold; generation_config.json is where they are read. */
const generationSettings = `
  assistant_confidence_threshold assistant_lookbehind bad_words_ids begin_suppress_tokens compile_config diversity_penalty
  do_sample early_stopping encoder_no_repeat_ngram_size encoder_repetition_penalty epsilon_cutoff eta_cutoff
  exponential_decay_length_penalty forced_bos_token_id forced_eos_token_id length_penalty max_length min_length
  no_repeat_ngram_size num_assistant_tokens num_assistant_tokens_schedule num_beam_groups num_beams num_return_sequences
  output_scores remove_invalid_values repetition_penalty return_dict_in_generate suppress_tokens target_lookbehind
  temperature top_k top_p typical_p
`
  .trim()
  .split(/\s+/);

/** Keys of every family: those of Transformers' PreTrainedConfig, and what older versions and other programs add to files. */
const everyFamily: KeyTable = {
  ...withRole("harmless", ...generationSettings),
  ...withRole(
    "used",
    "architectures",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "quantization_config",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "tie_word_embeddings",
    "vocab_size",
  ),
  ...withRole(
    "harmless",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_name_or_path",
    "attn_implementation",
    "auto_map",
    "bos_token_id",
    "chunk_size_feed_forward",
    "distributed_config",
    "dtype",
    "eos_token_id",
    "experts_implementation",
    "fusion_config",
    "gradient_checkpointing",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_llama_config",
    "label2id",
    "max_sequence_length",
    "name_or_path",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "pretraining_tp",
    "problem_type",
    "return_dict",
    "sep_token_id",
    "tie_last_hidden_states",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
  ),
  ...withRole(
    [false],
    "add_cross_attention",
    "is_encoder_decoder",
    "mlp_bias",
    "rope_interleaved",
    "use_mrope",
  ),
  ...withRole([0], "attention_dropout", "num_mtp_layers"),
  ...withRole([true], "is_causal"),
  ...withRole([1], "partial_rotary_factor"),
  ...withRole(
    [],
    "attention_chunk_size",
    "compression_config",
    "kv_sharing_modes",
    "mlp_layer_types",
    "mtp_layer_types",
    "mtp_mlp_layer_types",
    "mtp_per_layer_config",
    "number_of_conv_states",
    "original_max_position_embeddings",
    "per_layer_config",
    "quantization",
    "transformers_weights",
  ),
};

const qwenDefaults = {
  vocab_size: 151_936,
  hidden_size: 4096,
  intermediate_size: 22_016,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  hidden_act: "silu",
  max_position_embeddings: 32_768,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
  use_sliding_window: false,
  sliding_window: 4096,
  max_window_layers: 28,
};

const qwenKeys: KeyTable = {
  ...everyFamily,
  ...withRole("used", "max_window_layers", "sliding_window", "use_sliding_window"),
};

export const families: Readonly<Record<ModelType, Family>> = {
  llama: {
    attentionBias: "as configured",
    queryKeyNorm: false,
    slidingWindow: "none",
    defaults: {
      vocab_size: 32_000,
      hidden_size: 4096,
      intermediate_size: 11_008,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      hidden_act: "silu",
      max_position_embeddings: 2048,
      rms_norm_eps: 1e-6,
      tie_word_embeddings: false,
      attention_bias: false,
      mlp_bias: false,
    },
    keys: {
      ...everyFamily,
      ...withRole("used", "attention_bias", "mlp_bias"),
      ...withRole([], "sliding_window"),
      ...withRole([false], "use_sliding_window"),
      ...withRole("harmless", "max_window_layers"),
    },
  },
  mistral: {
    attentionBias: "none",
    queryKeyNorm: false,
    slidingWindow: "all layers",
    defaults: {
      vocab_size: 32_000,
      hidden_size: 4096,
      intermediate_size: 14_336,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      hidden_act: "silu",
      max_position_embeddings: 131_072,
      rms_norm_eps: 1e-6,
      tie_word_embeddings: false,
      sliding_window: 4096,
    },
    keys: {
      ...everyFamily,
      ...withRole("used", "sliding_window"),
      ...withRole([false], "attention_bias"),
      ...withRole("harmless", "max_window_layers", "use_sliding_window"),
    },
  },
  qwen2: {
    attentionBias: "query, key, value",
    queryKeyNorm: false,
    slidingWindow: "as configured",
    defaults: qwenDefaults,
    // Its projections have biases whatever the file says.
    keys: { ...qwenKeys, ...withRole("harmless", "attention_bias") },
  },
  qwen3: {
    attentionBias: "as configured",
    queryKeyNorm: true,
    slidingWindow: "as configured",
    defaults: { ...qwenDefaults, head_dim: 128, attention_bias: false },
    keys: { ...qwenKeys, ...withRole("used", "attention_bias") },
  },
};

export const modelTypes = Object.keys(families) as ModelType[];
