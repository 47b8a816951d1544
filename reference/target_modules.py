"""Which linear layers PEFT's expressions mean: target_modules, and the keys of rank_pattern and alpha_pattern.

    python reference/target_modules.py fixtures/reference/target-modules.json

peft 0.21.2. What fails is null.
"""

import json
import re
import sys
from pathlib import Path

from peft.utils.other import get_pattern_key, match_target_against_key

PARTS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
NAMES = [f"model.layers.{layer}.{part}" for layer in range(2) for part in PARTS]

TARGETS = [
    r".*q_proj", r".*\.(q|v)_proj", r"(?i).*Q_PROJ", r".*(?P<side>up|down)_proj", r".*q_proj\Z", r"\A.*v_proj", r"model\.layers\.0\..*", r".*\.\d\.mlp\..*",
    r".*[qk]_proj$", r"q_proj", r".*layers\.(?!0)\d.*", r".*(?<=self_attn\.)\w+", r"(?s).*", r"(?P<a>.)o(?P=a)*.*", r".*\bmlp\b.*", r"(?x) .* q_proj", r".*(?i)q_proj", r"(", r".*\pL",
    r".*(?<n>q)_proj", r"(?i:.*Q_proj)", r".*_proj|nothing", r"all.linear", r"\S+gate\S+", r"(.*)\.(0)\.(?:mlp).*", r".{27,}", r".{,25}", r".*_pro[j]", r"(?#all).*", r"(?u).*k_proj", r"[^\W]+\..*up_proj", r".*(q_proj",
    r"*q_proj", r"model.layers.[0-1].self_attn.(?:q|k)_proj", r".*\x71_proj", r".*\u0071_proj", r"(?P<n>q)(?P<n>q)", r"", r"(?m)^.*q_proj$",
]  # fmt: skip

PATTERNS = [
    ["q_proj"], ["self_attn.q_proj", "q_proj"], [r"layers\.0\..*", "q_proj"], ["proj"], [".*_proj"], ["up_proj|q_proj"], ["attn.q_proj"], ["model.layers.1.mlp.up_proj"], [r"(?P<n>gate|up)_proj"],
    [r"(?i)q_proj"], ["("], [r"\d.mlp.up_proj"], [r".*\.1\..*\Z"], ["q_proj$"], ["^q_proj"], ["Q_PROJ"], ["[qk]_proj", "[vk]_proj"], ["layers.0"],
]  # fmt: skip


def found(run):
    try:
        return run()
    except re.error:
        return None


targets = [[target, found(lambda: [name for name in NAMES if match_target_against_key(target, name)])] for target in TARGETS]
patterns = [[keys, found(lambda: [key if (key := get_pattern_key(keys, name)) in keys else None for name in NAMES])] for keys in PATTERNS]
golden = {"names": NAMES, "targets": targets, "patterns": patterns}
Path(sys.argv[1]).write_text(json.dumps(golden, separators=(",", ":")) + "\n")
