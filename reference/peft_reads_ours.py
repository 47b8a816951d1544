"""Does PEFT 0.21.2 (transformers 5.24.0, torch 2.15.0) read an adapter written by this project and compute its logits?

    python reference/peft_reads_ours.py --model DIR --adapter DIR --input-ids FILE.json --logits FILE.safetensors

The JSON file holds the token ids, one row per sequence of the same length (or a single row); the safetensors file our
`logits` [batch, sequence, vocab]. Prints the largest difference; exits with 1 beyond 1e-4 or where tensors are missing.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file

from lora import saved_name
from tiny_models import load

TOLERANCE = 1e-4


def main():
    parser = argparse.ArgumentParser()
    for option in ["--model", "--adapter", "--input-ids", "--logits"]:
        parser.add_argument(option, type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    rows = json.loads(arguments.input_ids.read_text())
    input_ids = torch.tensor(rows if isinstance(rows[0], list) else [rows])
    # PEFT only warns of adapter keys that are missing and says nothing of those it does not know.
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Found missing adapter keys")
        model = PeftModel.from_pretrained(load(arguments.model), arguments.adapter).eval()
    stored = load_file(arguments.adapter / "adapter_model.safetensors")
    loaded = {saved_name(name) for name, _ in model.named_parameters()}
    unknown = sorted(set(stored) - loaded)
    if unknown:
        sys.exit(f"PEFT does not know {len(unknown)} tensors of the adapter, the first being {unknown[0]}.")

    with torch.no_grad():
        expected = model(input_ids).logits
    actual = load_file(arguments.logits)["logits"].reshape(expected.shape)
    difference = (actual - expected).abs().max().item()
    print(f"largest difference {difference:.2e} over {tuple(expected.shape)}, tolerance {TOLERANCE:.0e}")
    # Written this way round so that NaN fails.
    sys.exit(0 if difference <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
