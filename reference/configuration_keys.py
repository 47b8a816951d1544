"""Every key of a configuration, and what Transformers 5.24.0 makes of unusual ones (peft 0.21.2, gguf 0.19.0).

    python reference/configuration_keys.py fixtures/reference

Writes `configuration-keys.json`: the keys with their defaults of each family's configuration class, of PEFT's LoraConfig,
and of GGUF; and `configuration-readings.json`: configurations with a key changed or left out, and the sizes, windows and
rotations of the model that Transformers builds from each (null where it refuses).
"""

import dataclasses
import inspect
import json
import re
import sys
import tempfile
from pathlib import Path

import gguf
import torch
import transformers
from peft import LoraConfig
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
from transformers import cache_utils, configuration_utils, masking_utils, modeling_rope_utils, modeling_utils

FAMILIES = ["llama", "mistral", "qwen2", "qwen3"]
OTHER_FAMILIES = ["gemma2", "gemma3", "gemma3_text", "granite", "granitemoehybrid", "olmo2", "olmo3", "phi3", "smollm3"]
# Modules that read a configuration whatever its family is, also keys that are no field of its class.
GENERIC = [configuration_utils, modeling_rope_utils, masking_utils, cache_utils, modeling_utils]


def default_of(field):
    if field.default is not dataclasses.MISSING:
        return field.default
    return None if field.default_factory is dataclasses.MISSING else field.default_factory()


def fields_of(cls):
    fields = {field.name: default_of(field) for field in dataclasses.fields(cls)}
    # JSON has no infinity, up to which the steps of Mamba's layers go.
    return {name: None if name == "time_step_limit" else value for name, value in fields.items()}


def generic_keys():
    """Keys that are taken out of what a file says beside the fields, or asked for by name."""
    source = "\n".join(inspect.getsource(module) for module in GENERIC)
    taken = re.findall(r'kwargs\.(?:pop|get)\("(\w+)"', inspect.getsource(configuration_utils.PreTrainedConfig.__post_init__))
    taken += re.findall(r'kwargs\.pop\("(\w+)"', inspect.getsource(modeling_rope_utils.RotaryEmbeddingConfigMixin))
    asked = re.findall(r'getattr\((?:self\.)?(?:\w+_)?config, "([a-z]\w*)"', source)
    return set(taken + asked)


def keys_of_class(cls):
    """Keys that a family's own class takes beside its fields, by another name, or writes."""
    source = inspect.getsource(cls)
    return set(re.findall(r'kwargs\.(?:pop|get)\("(\w+)"', source) + re.findall(r"self\.(_\w+) = ", source)) | set(cls.attribute_map)


def gguf_keys(keys=gguf.Keys):
    for name, value in vars(keys).items():
        if inspect.isclass(value):
            yield from gguf_keys(value)
        elif isinstance(value, str) and not name.startswith("_"):
            yield value


def keys():
    # Written by save_pretrained beside the fields, and by versions before 5.
    written = {"model_type", "quantization_config", "auto_map", "_name_or_path", "torch_dtype", "rope_scaling", "rope_theta"}
    common = generic_keys() | written | set(GenerationConfig._get_default_generation_params())
    families = {}
    for family in FAMILIES + OTHER_FAMILIES:
        cls = type(AutoConfig.for_model(family))
        fields = fields_of(cls)
        families[family] = dict.fromkeys(sorted((common | keys_of_class(cls)) - fields.keys())) | dict(sorted(fields.items()))
    lora = {key: value for key, value in fields_of(LoraConfig).items() if key != "runtime_config"}
    return dict(families=families, lora=lora | dict(runtime_config=None), gguf=sorted(set(gguf_keys())))


BASE = dict(
    vocab_size=8,
    hidden_size=128,
    intermediate_size=16,
    num_hidden_layers=2,
    num_attention_heads=32,
    num_key_value_heads=4,
    head_dim=4,
    max_position_embeddings=256,
    tie_word_embeddings=False,
)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)
LINEAR = dict(rope_type="linear", factor=2.0)
FULL, SLIDING = "full_attention", "sliding_attention"
# A key at None is null in the file; MISSING leaves it out.
MISSING = "left out"
CHANGES = [
    *({key: MISSING} for key in BASE),
    *({key: None} for key in BASE),
    dict(head_dim=8),
    dict(rope_theta=500.0),
    dict(rope_theta=500.0, rope_scaling=dict(type="linear", factor=2.0)),
    dict(rope_theta=500.0, rope_scaling={}, rope_parameters=LINEAR),
    dict(rope_theta=500.0, rope_scaling=None, rope_parameters=dict(rope_theta=700.0)),
    dict(rope_scaling=LINEAR, rope_parameters=dict(rope_type="default", rope_theta=700.0)),
    dict(rope_scaling=dict(LINEAR, rope_theta=900.0), rope_parameters=dict(rope_type="default", rope_theta=700.0)),
    dict(rope_scaling=YARN, rope_parameters=dict(rope_type="default", rope_theta=700.0)),
    dict(rope_parameters=YARN),
    dict(rope_scaling=dict(rope_type="default"), rope_parameters=YARN),
    dict(rope_scaling=dict(rope_type="dynamic", factor=2.0)),
    dict(rope_scaling=dict(factor=2.0)),
    dict(rope_scaling=dict(rope_type="linear")),
    dict(rope_parameters=LLAMA3),
    dict(rope_parameters=dict(LLAMA3, original_max_position_embeddings=32)),
    dict(original_max_position_embeddings=32, rope_parameters=LLAMA3),
    dict(rope_parameters={FULL: LINEAR}, layer_types=[FULL] * 2),
    dict(partial_rotary_factor=0.5, rope_scaling=LINEAR),
    dict(hidden_act="swish"),
    dict(hidden_act="gelu"),
    dict(rms_norm_eps=1e-3),
    dict(attention_bias=True),
    dict(mlp_bias=True),
    dict(sliding_window=8),
    dict(sliding_window=None),
    dict(use_sliding_window=True),
    dict(use_sliding_window=True, max_window_layers=0),
    dict(use_sliding_window=True, max_window_layers=1),
    dict(use_sliding_window=True, max_window_layers=0, sliding_window=8),
    dict(use_sliding_window=True, max_window_layers=0, sliding_window=None),
    dict(use_sliding_window=True, max_window_layers=0, sliding_window=8, layer_types=[FULL] * 2),
    dict(layer_types=[FULL] * 2),
    dict(layer_types=["attention"] * 2),
    dict(layer_types=[FULL]),
    dict(layer_types=[FULL] * 2, sliding_window=8),
    dict(layer_types=[SLIDING] * 2, sliding_window=8),
    dict(layer_types=[SLIDING] * 2, sliding_window=8, use_sliding_window=True),
    dict(layer_types=[FULL, SLIDING], sliding_window=8, use_sliding_window=True),
    dict(layer_types=None, sliding_window=8, use_sliding_window=True, max_window_layers=0),
    dict(is_causal=False),
]
POSITION = 100


def read(config):
    """What the model computes with; None if it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        try:
            model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), attn_implementation="eager")
            with torch.no_grad():
                causal = model(torch.tensor([[1, 2, 3]])).logits[0, 0]
                causal = bool(torch.allclose(causal, model(torch.tensor([[1, 2, 4]])).logits[0, 0]))
        except Exception:  # Transformers refuses in many ways.
            return None
    attention, mlp = model.model.layers[0].self_attn, model.model.layers[0].mlp
    config = model.config
    whole = config.sliding_window if config.model_type == "mistral" else None
    frequencies = model.model.rotary_emb.inv_freq.double() * POSITION
    return dict(
        sizes=[*model.lm_head.weight.shape, mlp.up_proj.out_features, len(model.model.layers)],
        heads=[p.out_features // attention.head_dim for p in (attention.q_proj, attention.k_proj)],
        head_dim=attention.head_dim,
        biases=[m.bias is not None for m in (attention.q_proj, attention.o_proj, mlp.up_proj)],
        tied=model.lm_head.weight is model.model.embed_tokens.weight,
        eps=model.model.norm.variance_epsilon,
        silu=type(mlp.act_fn).__name__ in ("SiLUActivation", "SiLU"),
        windows=[getattr(layer.self_attn, "sliding_window", whole) for layer in model.model.layers],
        cos=[round(value, 6) for value in (frequencies.cos() * model.model.rotary_emb.attention_scaling).tolist()],
        causal=causal,
    )


def readings():
    for family in FAMILIES:
        for change in CHANGES:
            config = {key: value for key, value in (dict(model_type=family) | BASE | change).items() if value != MISSING}
            yield dict(family=family, change=change, read=read(config))


def write(path, value):
    path.write_text(json.dumps(value, indent=None, separators=(",", ":"), default=str) + "\n")


def main():
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    out = Path(sys.argv[1])
    write(out / "configuration-keys.json", keys())
    write(out / "configuration-readings.json", dict(base=BASE, missing=MISSING, cases=list(readings())))


if __name__ == "__main__":
    main()
