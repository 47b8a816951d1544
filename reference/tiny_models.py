"""Random tiny models of every supported architecture, with their logits by Transformers 5.24.0 (torch 2.15.0, CPU).

    python reference/tiny_models.py fixtures/reference/models

One complete Hub folder per model and in it `golden.safetensors`: the logits of a batch, and of two sequences
packed into one row (each run alone, so that the golden values hold no leak from one to the other). Beside them
`variants.json`, configurations of the same weights with some keys changed, and `variants.safetensors`, their logits.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

# Small enough for the repository, and with hidden size, key/value size, intermediate size and vocabulary all different.
SIZES = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    intermediate_size=48,
    vocab_size=64,
    max_position_embeddings=256,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=None,
)
BATCH, LENGTH = 2, 24
PACKED_LENGTHS = [10, 14]

# Wavelengths are 6, 20, 63 and 199 positions and the bounds 8 and 32, so one frequency is kept, one interpolated
# and two are divided by the factor.
LLAMA3_ROPE = dict(
    rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32
)

MODELS = {
    "llama": dict(model_type="llama", tie_word_embeddings=False, rope_theta=10000.0),
    "llama-tied": dict(model_type="llama", tie_word_embeddings=True, rope_theta=10000.0),
    "llama-tied-f32": dict(model_type="llama", tie_word_embeddings=True, rope_theta=10000.0),
    "llama-rope3": dict(
        model_type="llama", tie_word_embeddings=False, rope_theta=100.0, rope_scaling=LLAMA3_ROPE
    ),
    "llama-bias": dict(
        model_type="llama", tie_word_embeddings=False, rope_theta=10000.0, attention_bias=True, mlp_bias=True
    ),
    "llama-head-dim": dict(model_type="llama", tie_word_embeddings=False, rope_theta=10000.0, head_dim=16),
    "mistral": dict(model_type="mistral", tie_word_embeddings=False, rope_theta=10000.0, sliding_window=8),
    "qwen2": dict(model_type="qwen2", tie_word_embeddings=True, rope_theta=50000.0),
    "qwen3": dict(model_type="qwen3", tie_word_embeddings=False, rope_theta=10000.0, head_dim=16),
    # For NF4: bitsandbytes' CPU kernel dequantizes wrongly where a row is not a whole number of blocks of 64.
    "llama-wide": dict(
        model_type="llama",
        tie_word_embeddings=False,
        rope_theta=10000.0,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
    ),
    # Other layouts of heads, for what PEFT repeats by itself.
    "llama-multi-head": dict(
        model_type="llama", tie_word_embeddings=False, rope_theta=10000.0, num_key_value_heads=4
    ),
    "mistral-multi-query": dict(
        model_type="mistral", tie_word_embeddings=False, rope_theta=10000.0, sliding_window=8, num_key_value_heads=1
    ),
}
STORED_AS = {"llama-tied": torch.bfloat16, "qwen3": torch.float16}
SHARDED = {"llama-bias": "40KB"}
# Hub folders from before Transformers 5 say `rope_theta`, `rope_scaling` and `torch_dtype`.
CLASSIC_CONFIG = ["llama", "llama-rope3", "qwen2"]

WINDOW = dict(use_sliding_window=True, sliding_window=8)
# A key at None is taken out of the file.
VARIANTS = {
    "sliding layers": ("qwen2", dict(WINDOW, layer_types=["sliding_attention"] * 2)),
    "sliding layers of qwen3": ("qwen3", dict(WINDOW, layer_types=["sliding_attention"] * 2)),
    "layers from 0 on": ("qwen3", dict(WINDOW, layer_types=None, max_window_layers=0)),
    "full layers beside a window": ("qwen3", dict(WINDOW, layer_types=["full_attention"] * 2, max_window_layers=0)),
    "full layers of mistral": ("mistral", dict(layer_types=["full_attention"] * 2)),
    "no window given": ("mistral", dict(sliding_window=None)),
    "scaling beside parameters": ("llama-tied-f32", dict(rope_scaling=dict(type="linear", factor=4.0))),
    "no original length": (
        "llama-rope3",
        dict(max_position_embeddings=32, rope_scaling=dict(LLAMA3_ROPE, original_max_position_embeddings=None)),
    ),
    "swish": ("llama", dict(hidden_act="swish")),
    "tied beside another head": ("llama", dict(tie_word_embeddings=True)),
    "defaults": ("llama", dict(rms_norm_eps=None, rope_theta=None, hidden_act=None, tie_word_embeddings=None)),
}


def without_none(values):
    """The dictionary, and those in it, without keys at None."""
    kept = {key: value for key, value in values.items() if value is not None}
    return {key: without_none(value) if isinstance(value, dict) else value for key, value in kept.items()}


def randomize(model, generator):
    """Normal weights everywhere; norms around 1, so that no norm or bias is left at a value that hides a mistake."""
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator) * 0.2
        parameter.data.copy_(values + 1 if "norm" in name else values)


def write_classic_config(folder):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope if rope["rope_type"] != "default" else None
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load(folder):
    """The model as stored, computed in float32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


@torch.no_grad()
def golden(model, generator):
    vocabulary = SIZES["vocab_size"]
    input_ids = torch.randint(0, vocabulary, (BATCH, LENGTH), generator=generator)
    packed = [torch.randint(0, vocabulary, (1, length), generator=generator) for length in PACKED_LENGTHS]
    return {
        "input_ids": input_ids,
        "logits": model(input_ids).logits,
        "packed_input_ids": torch.cat(packed, dim=1),
        "packed_position_ids": torch.cat([torch.arange(length) for length in PACKED_LENGTHS])[None],
        "packed_logits": torch.cat([model(ids).logits for ids in packed], dim=1),
    }


@torch.no_grad()
def variants(models):
    generator = torch.Generator().manual_seed(900)
    tensors = dict(input_ids=torch.randint(0, SIZES["vocab_size"], (1, LENGTH), generator=generator))
    for name, (base, changes) in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(models / base, folder, dirs_exist_ok=True)
            path = Path(folder) / "config.json"
            path.write_text(json.dumps(without_none(json.loads(path.read_text()) | changes)))
            tensors[name] = load(folder)(tensors["input_ids"]).logits
            before = load(models / base)(tensors["input_ids"]).logits
            print(f"{name}: differs from {base} by {(tensors[name] - before).abs().max():.1e}")
    save_file(tensors, models / "variants.safetensors")
    listed = {name: dict(model=base, changes=changes) for name, (base, changes) in VARIANTS.items()}
    (models / "variants.json").write_text(json.dumps(listed, indent=2) + "\n")


def main():
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    for seed, (name, settings) in enumerate(MODELS.items()):
        generator = torch.Generator().manual_seed(1000 + seed)
        folder = out / name
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**(SIZES | settings)))
        randomize(model, generator)
        model.to(STORED_AS.get(name, torch.float32))
        model.save_pretrained(folder, max_shard_size=SHARDED.get(name, "1GB"))
        (folder / "generation_config.json").unlink(missing_ok=True)
        if name in CLASSIC_CONFIG:
            write_classic_config(folder)
        stored = load(folder)
        rope = stored.config.rope_parameters
        assert rope["rope_theta"] == settings["rope_theta"] and stored.config.vocab_size == SIZES["vocab_size"]
        for (key, expected), actual in zip(model.state_dict().items(), stored.state_dict().values()):
            assert torch.equal(expected.float(), actual), key
        values = golden(stored, generator)
        save_file(values, folder / "golden.safetensors")
        print(name, rope, f"logits deviate by {values['logits'].std():.2f}")
    variants(out)


if __name__ == "__main__":
    main()
