"""Do Transformers 5.24.0 and PEFT 0.21.2 (torch 2.15.0) read what this project wrote, and compute its logits?

    python reference/transformers_reads_ours.py --model PATH [--adapter DIR] --input-ids FILE.json --logits FILE.safetensors

The model is a folder or a GGUF file, the adapter a folder in PEFT's layout. The JSON file holds the token ids, one row per
sequence of the same length (or a single row); the safetensors file our `logits` [batch, sequence, vocab], as
benchmarks/write-logits.ts writes them. Prints the largest difference; exits with 1 beyond 1e-4 of the largest logit (or
of 1) or where tensors of the adapter are missing.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

TOLERANCE = 1e-4


def load(path):
    source = dict(pretrained_model_name_or_path=path)
    if path.suffix == ".gguf":
        source = dict(pretrained_model_name_or_path=path.parent, gguf_file=path.name)
    return AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32, attn_implementation="eager").eval()


def add_adapter(model, folder):
    from peft import PeftModel

    # PEFT only warns of adapter keys that are missing and says nothing of those it does not know.
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Found missing adapter keys")
        model = PeftModel.from_pretrained(model, folder).eval()
    stored = load_file(folder / "adapter_model.safetensors")
    loaded = {name.replace(".default", "") for name, _ in model.named_parameters()}
    unknown = sorted(set(stored) - loaded)
    if unknown:
        sys.exit(f"PEFT does not know {len(unknown)} tensors of the adapter, the first being {unknown[0]}.")
    return model


def main():
    parser = argparse.ArgumentParser()
    for option in ["--model", "--input-ids", "--logits"]:
        parser.add_argument(option, type=Path, required=True)
    parser.add_argument("--adapter", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    rows = json.loads(arguments.input_ids.read_text())
    input_ids = torch.tensor(rows if isinstance(rows[0], list) else [rows])
    model = load(arguments.model)
    if arguments.adapter:
        model = add_adapter(model, arguments.adapter)
    with torch.no_grad():
        expected = model(input_ids).logits
    actual = load_file(arguments.logits)["logits"].reshape(expected.shape)
    difference = (actual - expected).abs().max().item()
    tolerance = TOLERANCE * max(1, expected.abs().max().item())
    print(f"largest difference {difference:.2e} over {tuple(expected.shape)}, tolerance {tolerance:.0e}")
    # Written this way round so that NaN fails.
    sys.exit(0 if difference <= tolerance else 1)


if __name__ == "__main__":
    main()
