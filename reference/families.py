"""Random tiny models of the families beside Llama's, two of each, by Transformers 5.24.0, PEFT 0.21.2 and gguf 0.19.0
(torch 2.15.0, CPU).

    python reference/tiny_models.py fixtures/reference/models
    python reference/families.py fixtures/reference/families

One Hub folder per model (bfloat16, computed in float32), and in it `golden.safetensors` as tiny_models.py writes it, `adapter/`
as lora.py writes a case of LoRA on all linear layers, and, where GGUF can say the configuration, `model.gguf`. The first of a
family is written as Hub files from before Transformers 5 are, the second as Transformers 5 writes it. Beside them
`rotations.json` and `rotations.safetensors`: scalings of the rotary embedding and the logits that the Llama model of
tiny_models.py gives with them.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from families_gguf import read_by_transformers, write_gguf
from lora import write_case
from tiny_models import LENGTH, golden, load, without_none

SIZES = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    intermediate_size=40,
    vocab_size=64,
    max_position_embeddings=256,
    bos_token_id=2,
    eos_token_id=1,
    pad_token_id=0,
)
GEMMA = SIZES | dict(num_attention_heads=2, num_key_value_heads=1, head_dim=16, intermediate_size=24, sliding_window=8)
FULL, SLIDING = "full_attention", "sliding_attention"
LINEAR = dict(rope_type="linear", factor=8.0)

# As of 4B, 12B and 27B: positions of the global layers are divided, the windows' are not.
GEMMA3 = GEMMA | dict(
    model_type="gemma3_text",
    num_hidden_layers=7,
    query_pre_attn_scalar=16,
    rope_parameters={FULL: LINEAR | dict(rope_theta=1e6), SLIDING: dict(rope_type="default", rope_theta=1e4)},
)
# What GGUF has no key for: another scale than the heads' size, layers in another order.
GEMMA3_FREE = GEMMA3 | dict(
    layer_types=[SLIDING, FULL, SLIDING, SLIDING, FULL, FULL, SLIDING],
    query_pre_attn_scalar=24,
    final_logit_softcapping=3.0,
    rope_parameters={FULL: dict(rope_type="default", rope_theta=1e5), SLIDING: dict(rope_type="default", rope_theta=500.0)},
)
GEMMA3_VISION = dict(
    model_type="gemma3",
    vision_config=dict(
        model_type="siglip_vision_model",
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=8,
        patch_size=4,
    ),
    mm_tokens_per_image=4,
    boi_token_index=60,
    eoi_token_index=61,
    image_token_index=62,
)
GEMMA2 = GEMMA | dict(
    model_type="gemma2",
    num_hidden_layers=3,
    query_pre_attn_scalar=16,
    attn_logit_softcapping=2.0,
    final_logit_softcapping=3.0,
    rope_parameters=dict(rope_type="default", rope_theta=1e4),
)
PHI3 = SIZES | dict(model_type="phi3", rope_parameters=dict(rope_type="default", rope_theta=1e4))
# Heads of 16 of which 12 are rotated. The batch is longer than the original length, the packed sequences are not.
PHI4_MINI = PHI3 | dict(
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=128,
    original_max_position_embeddings=16,
    tie_word_embeddings=True,
    rope_parameters=dict(
        rope_type="longrope",
        rope_theta=1e4,
        partial_rotary_factor=0.75,
        short_factor=[1.0, 1.1, 1.25, 1.5, 1.75, 2.0],
        long_factor=[1.0, 1.5, 2.5, 4.0, 8.0, 12.0],
    ),
)
SMOLLM3 = SIZES | dict(
    model_type="smollm3",
    num_hidden_layers=4,
    tie_word_embeddings=True,
    rope_parameters=dict(rope_type="default", rope_theta=5000.0),
)
OLMO3 = SIZES | dict(
    model_type="olmo3",
    num_hidden_layers=4,
    sliding_window=8,
    rope_parameters={
        FULL: dict(
            rope_type="yarn", factor=4.0, original_max_position_embeddings=32, rope_theta=5e5, beta_fast=4, beta_slow=1
        ),
        SLIDING: dict(rope_type="default", rope_theta=5e5),
    },
)
OLMO2 = SIZES | dict(model_type="olmo2", rope_parameters=dict(rope_type="default", rope_theta=5e5))
GRANITE = SIZES | dict(
    model_type="granite",
    tie_word_embeddings=True,
    attention_multiplier=0.2,
    embedding_multiplier=3.0,
    logits_scaling=1.5,
    residual_multiplier=0.4,
    rope_parameters=dict(rope_type="default", rope_theta=1e4),
)
GRANITE4 = GRANITE | dict(
    model_type="granitemoehybrid",
    layer_types=[FULL] * 2,
    num_local_experts=0,
    num_experts_per_tok=0,
    shared_intermediate_size=40,
    position_embedding_type="rope",
    mamba_n_heads=4,
    mamba_d_head=16,
    mamba_d_state=8,
)
QWEN2 = SIZES | dict(
    model_type="qwen2",
    num_hidden_layers=3,
    use_sliding_window=True,
    sliding_window=8,
    max_window_layers=1,
    rope_parameters=dict(rope_type="default", rope_theta=5e4),
)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32, rope_theta=100.0, beta_fast=4, beta_slow=1)
LLAMA = SIZES | dict(model_type="llama")

# Without a third element, GGUF has no way to say what the configuration says.
MODELS = {
    "gemma3_text-1": (GEMMA3, "classic", "gguf"),
    "gemma3_text-2": (GEMMA3_FREE, "new"),
    "gemma3-1": (GEMMA3_VISION | dict(text_config=GEMMA3 | dict(num_hidden_layers=2, sliding_window_pattern=2)), "classic"),
    "gemma3-2": (GEMMA3_VISION | dict(text_config=GEMMA3_FREE | dict(num_hidden_layers=2, layer_types=[SLIDING, FULL])), "new"),
    "gemma2-1": (GEMMA2, "classic", "gguf"),
    "gemma2-2": (GEMMA2 | dict(query_pre_attn_scalar=24, layer_types=[FULL, SLIDING, SLIDING]), "new"),
    "phi3-1": (PHI3 | dict(num_key_value_heads=4, sliding_window=8), "classic", "gguf"),
    "phi3-2": (PHI4_MINI, "new", "gguf"),
    "smollm3-1": (SMOLLM3, "classic", "gguf"),
    "smollm3-2": (
        SMOLLM3 | dict(no_rope_layers=[0, 1, 1, 0], use_sliding_window=True, sliding_window=8, attention_bias=True, mlp_bias=True),
        "new",
    ),
    "olmo2-1": (OLMO2, "classic", "gguf"),
    "olmo2-2": (OLMO2 | dict(num_key_value_heads=4, attention_bias=True), "new"),
    "granite-1": (GRANITE, "classic", "gguf"),
    "granite-2": (GRANITE | dict(tie_word_embeddings=False, attention_bias=True, mlp_bias=True), "new", "gguf"),
    "granitemoehybrid-1": (GRANITE4, "classic", "gguf"),
    "granitemoehybrid-2": (GRANITE4 | dict(position_embedding_type=None, shared_intermediate_size=24), "new", "gguf"),
    "qwen2-windows-1": (QWEN2, "classic"),
    "qwen2-windows-2": (QWEN2 | dict(layer_types=[SLIDING, FULL, SLIDING], tie_word_embeddings=True), "new"),
    "llama-yarn-1": (LLAMA | dict(rope_parameters=YARN), "classic", "gguf"),
    "llama-yarn-2": (LLAMA | dict(rope_parameters=YARN | dict(mscale=0.7, mscale_all_dim=1.3, truncate=False)), "new"),
    "olmo3-1": (OLMO3, "classic"),
    "olmo3-2": (OLMO3 | dict(layer_types=[FULL, SLIDING, FULL, SLIDING], tie_word_embeddings=True), "new"),
}

LONGROPE = dict(
    rope_type="longrope", rope_theta=100.0, short_factor=[1.0, 1.1, 1.25, 1.5], long_factor=[1.0, 2.0, 4.0, 8.0]
)
DYNAMIC = dict(rope_type="dynamic", factor=2.0, rope_theta=100.0)
# A row has 24 positions, so it is longer than 16 and within 32 and more.
ROTATIONS = {
    "yarn": dict(rope_parameters=YARN),
    "yarn with its defaults": dict(
        rope_parameters=dict(rope_type="yarn", factor=4.0, rope_theta=1e4, original_max_position_embeddings=64)
    ),
    "yarn with an attention factor": dict(rope_parameters=YARN | dict(attention_factor=0.8)),
    "yarn with mscale": dict(rope_parameters=YARN | dict(mscale=0.7, mscale_all_dim=1.3)),
    "yarn with mscale only": dict(rope_parameters=YARN | dict(mscale=0.7)),
    "yarn not truncated": dict(rope_parameters=YARN | dict(truncate=False)),
    "yarn at a point": dict(rope_parameters=YARN | dict(beta_fast=1, beta_slow=1)),
    "yarn by the ratio of lengths": dict(rope_parameters=YARN | dict(factor=None)),
    "yarn by the length alone": dict(
        max_position_embeddings=32, rope_parameters=dict(rope_type="yarn", factor=4.0, rope_theta=100.0, beta_fast=4)
    ),
    "dynamic within its length": dict(rope_parameters=DYNAMIC),
    "dynamic beyond its length": dict(rope_parameters=DYNAMIC, max_position_embeddings=16),
    "longrope of short rows": dict(rope_parameters=LONGROPE | dict(factor=8.0, original_max_position_embeddings=32)),
    "longrope of long rows": dict(rope_parameters=LONGROPE | dict(factor=8.0, original_max_position_embeddings=16)),
    "longrope by the ratio of lengths": dict(
        max_position_embeddings=128, rope_parameters=LONGROPE | dict(original_max_position_embeddings=32)
    ),
    "longrope with an attention factor": dict(
        rope_parameters=LONGROPE | dict(attention_factor=1.2, original_max_position_embeddings=32)
    ),
}


def randomize(model, generator):
    """Normal weights everywhere; scales of norms around 1, which Gemma's add themselves."""
    around = 0 if model.config.model_type.startswith("gemma") else 1
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator) * 0.2
        parameter.data.copy_(values + around if "norm" in name else values)


def to_classic(config):
    """The configuration as files on the Hub say it."""
    text = config.get("text_config")
    if text is not None:
        config["text_config"] = to_classic(text)
    rope = config.pop("rope_parameters", None)
    if rope is not None and FULL in rope:
        if config["model_type"] == "gemma3_text":
            config["rope_local_base_freq"] = rope[SLIDING]["rope_theta"]
            config["sliding_window_pattern"] = config.pop("_sliding_window_pattern")
        rope = rope[FULL]
    if rope is not None:
        config["rope_theta"] = rope.pop("rope_theta")
        config.pop("partial_rotary_factor", None)
        config["rope_scaling"] = rope if rope["rope_type"] != "default" else None
    if config["model_type"] == "granitemoehybrid":
        config["layer_types"] = ["attention"] * len(config["layer_types"])
    if config["model_type"] in ("gemma2", "gemma3_text", "olmo3", "qwen2"):
        config.pop("layer_types")
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")
    return config


def rename_language_model(path):
    """Names of the multimodal checkpoint as Google's files have them, or as Transformers 5 holds them in memory."""
    tensors = load_file(path)
    held = {name.replace("language_model.model.", "model.language_model."): tensor for name, tensor in tensors.items()}
    held = {name if name.startswith("model.") else f"model.{name}": tensor for name, tensor in held.items()}
    save_file(held, path, metadata=dict(format="pt"))


def write_model(folder, name, settings, style, generator):
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**without_none(settings)))
    randomize(model, generator)
    model.to(torch.bfloat16)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if name == "gemma3-2":
        rename_language_model(folder / "model.safetensors")
    if style == "classic":
        path = folder / "config.json"
        path.write_text(json.dumps(to_classic(json.loads(path.read_text())), indent=2, sort_keys=True) + "\n")
    stored = load(folder)
    for (key, expected), actual in zip(model.state_dict().items(), stored.state_dict().values(), strict=True):
        assert torch.equal(expected.float(), actual), key
    rope = getattr(stored.config.get_text_config(), "rope_parameters", None)
    given = settings.get("text_config", settings)["rope_parameters"]
    assert all(rope[key] == value for key, value in given.items()), (rope, given)
    return stored


@torch.no_grad()
def rotations(base, out):
    generator = torch.Generator().manual_seed(4900)
    tensors = dict(input_ids=torch.randint(0, SIZES["vocab_size"], (1, LENGTH), generator=generator))
    for name, changes in ROTATIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(base, folder, dirs_exist_ok=True)
            path = Path(folder) / "config.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | changes))
            tensors[name] = load(folder)(tensors["input_ids"]).logits
    save_file(tensors, out / "rotations.safetensors")
    (out / "rotations.json").write_text(json.dumps(dict(model=base.name, changes=ROTATIONS), indent=2) + "\n")


# The vision tower's linear layers are left alone.
LANGUAGE_LINEAR = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def main():
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for seed, (name, (settings, style, *gguf)) in enumerate(MODELS.items(), 4000):
        generator = torch.Generator().manual_seed(seed)
        folder = out / name
        stored = write_model(folder, name, settings, style, generator)
        values = golden(stored, generator)
        save_file(values, folder / "golden.safetensors")
        print(f"{name}: logits deviate by {values['logits'].std():.2f}")
        torch.manual_seed(seed)
        targets = LANGUAGE_LINEAR if settings["model_type"] == "gemma3" else "all-linear"
        write_case(out, folder / "adapter", name, dict(target_modules=targets), generator)
        if gguf:
            write_gguf(folder, folder / "model.gguf")
            read_by_transformers(folder, values)
    rotations(out.parent / "models" / "llama-tied-f32", out)


if __name__ == "__main__":
    main()
