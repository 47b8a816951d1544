/** @file How the keys of a `config.json` are read that families share. */

import { type KeyTable, withRole } from "../formats/known-keys.ts";

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
export const everyFamily: KeyTable = {
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
