/**
 * @file How each key of a GGUF model's metadata is read. "{arch}" stands for the architecture, "{id}" for a number; the names are
 * those of ggml's `docs/gguf.md` and of its Python package.
 */

import { type KeyTable, withRole } from "../formats/known-keys.ts";

/** Keys that tell of the file, in models and adapters. */
export const generalKeys: KeyTable = {
  "general.architecture": "used",
  "general.*": "harmless",
};

/** Parts that models of the architectures that are read do not have. Zero, and a factor of 1, say that they are not there. */
const foreignParts: KeyTable = {
  ...withRole(
    [0, false],
    "{arch}.activation_sparsity_scale",
    "{arch}.attn_logit_softcapping",
    "{arch}.embedding_length_per_layer_input",
    "{arch}.expert_chunk_feed_forward_length",
    "{arch}.expert_count",
    "{arch}.expert_feed_forward_length",
    "{arch}.expert_gating_func",
    "{arch}.expert_group_count",
    "{arch}.expert_group_scale",
    "{arch}.expert_group_used_count",
    "{arch}.expert_shared_count",
    "{arch}.expert_shared_feed_forward_length",
    "{arch}.expert_used_count",
    "{arch}.expert_weights_norm",
    "{arch}.experts_per_group",
    "{arch}.features_length",
    "{arch}.final_logit_softcapping",
    "{arch}.full_attention_interval",
    "{arch}.interleave_moe_layer_step",
    "{arch}.leading_dense_block_count",
    "{arch}.moe_every_n_layers",
    "{arch}.moe_latent_size",
    "{arch}.n_deepstack_layers",
    "{arch}.nextn_predict_layers",
    "{arch}.rescale_every_n_layers",
    "{arch}.router_logit_softcapping",
    "{arch}.swiglu_clamp_exp",
    "{arch}.swiglu_clamp_shexp",
    "{arch}.swin_norm",
    "{arch}.time_decay_extra_dim",
    "{arch}.time_mix_extra_dim",
    "{arch}.token_shift_count",
    "{arch}.use_parallel_residual",
    // An embedding model's pooling.
    "{arch}.pooling_type",
  ),
  ...withRole(
    [0, 1],
    "{arch}.embedding_scale",
    "{arch}.expert_weights_scale",
    "{arch}.logit_scale",
    "{arch}.residual_scale",
  ),
  ...withRole(
    [],
    "{arch}.{dense}_feat_in",
    "{arch}.{dense}_feat_out",
    "{arch}.altup.*",
    "{arch}.classifier.*",
    "{arch}.convnext.*",
    "{arch}.decoder_block_count",
    "{arch}.embedding_length_out",
    "{arch}.kda.*",
    "{arch}.posnet.*",
    "{arch}.shortconv.*",
    "{arch}.ssm.*",
    "{arch}.wkv.*",
    "clip.*",
    "diffusion.*",
    "xielu.*",
  ),
};

const attentionKeys: KeyTable = {
  ...withRole(
    "used",
    "{arch}.attention.head_count",
    "{arch}.attention.head_count_kv",
    "{arch}.attention.key_length",
    "{arch}.attention.layer_norm_rms_epsilon",
    "{arch}.attention.sliding_window",
    "{arch}.attention.value_length",
  ),
  ...withRole(
    "harmless",
    "{arch}.attention.group_norm_epsilon",
    "{arch}.attention.group_norm_groups",
    "{arch}.attention.layer_norm_epsilon",
  ),
  "{arch}.attention.causal": [true],
  "{arch}.attention.output_scale": [0, 1],
  "{arch}.attention.temperature_scale": [0, 1],
  "{arch}.attention.*": [0],
};

const ropeKeys: KeyTable = {
  ...withRole(
    "used",
    "{arch}.rope.dimension_count",
    "{arch}.rope.freq_base",
    "{arch}.rope.scale_linear",
    "{arch}.rope.scaling.factor",
    "{arch}.rope.scaling.type",
    // YaRN's, which have no part in other types.
    "{arch}.rope.scaling.original_context_length",
    "{arch}.rope.scaling.yarn_beta_fast",
    "{arch}.rope.scaling.yarn_beta_slow",
  ),
  "{arch}.rope.scaling.finetuned": "harmless",
  "{arch}.rope.scaling.alpha": [0, 1],
  "{arch}.rope.scaling.attn_factor": [1],
  "{arch}.rope.scaling.yarn_attn_factor": [1],
  "{arch}.rope.scaling.yarn_ext_factor": [0, -1],
  "{arch}.rope.*": [0],
};

const tokenizerKeys: KeyTable = {
  ...withRole(
    "used",
    "tokenizer.chat_template",
    "tokenizer.ggml.add_bos_token",
    "tokenizer.ggml.add_eos_token",
    "tokenizer.ggml.add_space_prefix",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.merges",
    "tokenizer.ggml.model",
    "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.pre",
    "tokenizer.ggml.scores",
    "tokenizer.ggml.token_type",
    "tokenizer.ggml.tokens",
    "tokenizer.ggml.unknown_token_id",
  ),
  ...withRole(
    "harmless",
    "tokenizer.chat_template.*",
    "tokenizer.chat_templates",
    "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.fim_mid_token_id",
    "tokenizer.ggml.fim_pad_token_id",
    "tokenizer.ggml.fim_pre_token_id",
    "tokenizer.ggml.fim_rep_token_id",
    "tokenizer.ggml.fim_sep_token_id",
    "tokenizer.ggml.fim_suf_token_id",
    "tokenizer.ggml.mask_token_id",
    "tokenizer.ggml.middle_token_id",
    "tokenizer.ggml.precompiled_charsmap",
    "tokenizer.ggml.prefix_token_id",
    "tokenizer.ggml.remove_extra_whitespaces",
    "tokenizer.ggml.seperator_token_id",
    "tokenizer.ggml.suffix_token_id",
    "tokenizer.ggml.token_type_count",
    "tokenizer.huggingface.json",
    "tokenizer.rwkv.world",
  ),
  "tokenizer.ggml.add_sep_token": [false],
};

export const ggufKeys: KeyTable = {
  ...generalKeys,
  "general.type": ["model"],
  // One of several files, which have to be put together first.
  "split.count": [0, 1],
  ...withRole("harmless", "adapter.*", "imatrix.*", "quantize.*", "split.*"),
  ...withRole(
    "used",
    "{arch}.block_count",
    "{arch}.context_length",
    "{arch}.embedding_length",
    "{arch}.feed_forward_length",
  ),
  ...withRole(
    "harmless",
    "{arch}.decoder_start_token_id",
    "{arch}.tensor_data_layout",
    // The embedding's tensor tells it.
    "{arch}.vocab_size",
  ),
  ...attentionKeys,
  ...ropeKeys,
  ...foreignParts,
  ...tokenizerKeys,
};
