"""The models of families.py as GGUF files by llama.cpp's conventions (gguf 0.19.0), and back by Transformers 5.24.0.

The conventions are those of llama.cpp's converter: metadata by architecture, gguf's map of tensor names, scales of Gemma's norms
with their 1 added, and query and key rows reordered where llama.cpp rotates neighbouring elements.
"""

import math

import gguf
import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

ARCHITECTURES = dict(gemma3_text="gemma3", gemma3="gemma3", granitemoehybrid="granite")
# llama.cpp rotates pairs of neighbours in these, and the first half of a head with the second in the others.
NEIGHBOURS = {"llama", "smollm3", "granite"}
READ_BY_TRANSFORMERS = {"gemma2", "gemma3", "phi3", "llama"}


def reorder(weights, heads):
    """Rows of a query or key projection, from halves of each head to pairs."""
    pairs = weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:])
    return pairs.swapaxes(1, 2).reshape(weights.shape)


def add_rotation(writer, config, head_dim):
    """The rotation's base and scaling, and for Phi the factors of its long rows and of the others as tensors."""
    rope = config.rope_parameters
    rope = rope.get("full_attention", rope)
    writer.add_rope_freq_base(rope["rope_theta"])
    partial = rope.get("partial_rotary_factor", 1.0)
    if config.model_type not in ("gemma2", "gemma3_text"):
        writer.add_rope_dimension_count(int(head_dim * partial))
    kind = rope["rope_type"]
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
        writer.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])
    elif kind == "longrope":
        original = rope["original_max_position_embeddings"]
        scale = config.max_position_embeddings / original
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(original)))
        writer.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], np.float32))
        writer.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], np.float32))


def add_of_family(writer, config):
    if config.model_type == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
    if config.model_type == "phi3":
        writer.add_sliding_window(config.sliding_window or 0)
    if config.model_type in ("gemma2", "gemma3_text"):
        if config.final_logit_softcapping:
            writer.add_final_logit_softcapping(config.final_logit_softcapping)
        writer.add_sliding_window(config.sliding_window)
    if config.model_type.startswith("granite"):
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    if config.model_type == "granitemoehybrid":
        # What the converter leaves of the family's other models, and whether positions are rotated.
        writer.add_expert_count(0)
        writer.add_expert_shared_feed_forward_length(config.shared_intermediate_size)
        writer.add_ssm_conv_kernel(config.mamba_d_conv)
        writer.add_ssm_state_size(config.mamba_d_state)
        writer.add_ssm_group_count(config.mamba_n_groups)
        writer.add_ssm_inner_size(config.mamba_expand * config.hidden_size)
        writer.add_ssm_time_step_rank(config.mamba_n_heads)
        writer.add_rope_scaling_finetuned(config.position_embedding_type == "rope")


def add_tokenizer(writer, config):
    """Letters and a pair of them, so that a reader finds as many tokens as the embedding has rows."""
    special = ["<pad>", "<eos>", "<bos>"]
    letters = [chr(ord("A") + i) for i in range(config.vocab_size - len(special) - 1)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*special, *letters, "AB"])
    writer.add_token_types([gguf.TokenType.CONTROL] * len(special) + [gguf.TokenType.NORMAL] * (len(letters) + 1))
    writer.add_token_merges(["A B"])
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_pad_token_id(config.pad_token_id)


def named_tensors(folder, config):
    """The language model's tensors in float32 under the names of models of text only, each of Granite 4's halves apart."""
    for name, tensor in load_file(folder / "model.safetensors").items():
        if "vision_tower" in name or "multi_modal_projector" in name:
            continue
        name = name.replace("language_model.model.", "model.").replace("model.language_model.", "model.")
        tensor = tensor.float().numpy()
        if name.endswith("shared_mlp.input_linear.weight"):
            gate, up = np.split(tensor, 2)
            yield name.replace("shared_mlp.input_linear", "mlp.gate_proj"), gate
            yield name.replace("shared_mlp.input_linear", "mlp.up_proj"), up
        else:
            yield name.replace("shared_mlp.output_linear", "mlp.down_proj"), tensor


def write_gguf(folder, path):
    config = AutoConfig.from_pretrained(folder).get_text_config()
    architecture = ARCHITECTURES.get(config.model_type, config.model_type)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("model")
    writer.add_name("tiny")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(getattr(config, "shared_intermediate_size", config.intermediate_size))
    writer.add_head_count(config.num_attention_heads)
    kv_heads = config.num_key_value_heads
    # Which layers have attention is said by this list in the hybrid family.
    writer.add_head_count_kv([kv_heads] * config.num_hidden_layers if config.model_type == "granitemoehybrid" else kv_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if hasattr(config, "head_dim"):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if architecture in NEIGHBOURS:
        writer.add_vocab_size(config.vocab_size)
    add_rotation(writer, config, head_dim)
    add_of_family(writer, config)
    add_tokenizer(writer, config)

    names = gguf.get_tensor_name_map(
        next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == architecture), config.num_hidden_layers
    )
    for name, tensor in named_tensors(folder, config):
        if config.tie_word_embeddings and name == "lm_head.weight":
            continue
        if architecture in NEIGHBOURS and ".q_proj." in name:
            tensor = reorder(tensor, config.num_attention_heads)
        if architecture in NEIGHBOURS and ".k_proj." in name:
            tensor = reorder(tensor, kv_heads)
        if architecture.startswith("gemma") and name.endswith("norm.weight"):
            tensor = tensor + 1
        translated = names.get_name(name, try_suffixes=(".weight", ".bias"))
        kind = gguf.GGMLQuantizationType.BF16 if tensor.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(translated, gguf.quantize(np.ascontiguousarray(tensor), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# What Transformers takes from its configuration classes, as its reader knows no key for it.
NOT_READ = {
    "gemma3": ["query_pre_attn_scalar", "rope_parameters"],
    "gemma2": ["query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping"],
    "phi3": ["rope_parameters", "original_max_position_embeddings", "sliding_window"],
    "llama": ["rope_parameters"],
}


def same(a, b):
    return a == b or (isinstance(a, float) and math.isclose(a, b, rel_tol=1e-6))


def without_kinds(values):
    return {key: value for key, value in values.items() if key not in {"architectures", "dtype", "transformers_version"}}


@torch.no_grad()
def read_by_transformers(folder, expected):
    """Says by how much the logits of the GGUF file differ from the folder's, where Transformers reads the architecture."""
    config = AutoConfig.from_pretrained(folder).get_text_config()
    architecture = ARCHITECTURES.get(config.model_type, config.model_type)
    if architecture not in READ_BY_TRANSFORMERS:
        print(f"{folder.name}: Transformers does not read GGUF files of {architecture}")
        return
    added = {key: getattr(config, key) for key in NOT_READ[architecture]}
    read = AutoConfig.from_pretrained(folder, gguf_file="model.gguf", **added)
    other = {key: value for key, value in config.to_dict().items() if not same(getattr(read, key, None), value)}
    print(f"{folder.name}: Transformers reads other values than {without_kinds(other)} from the GGUF file")
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file="model.gguf", config=read, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    difference = (model(expected["input_ids"]).logits - expected["logits"]).abs().max()
    assert difference < 1e-5, f"{folder.name}: the GGUF file's logits differ by {difference:.1e}"
    print(f"{folder.name}: the GGUF file's logits differ by {difference:.1e}")
