"""Does PEFT 0.21.2 (transformers 5.24.0, torch 2.15.0) load the adapters that this project wrote, and compute their logits?

    SLIMTUNE_WRITTEN_ADAPTERS=DIR npx vitest run --project default src/node/adapters/peft-methods.test.ts
    python reference/peft_reads_ours.py fixtures/reference DIR

DIR holds an adapter of every case of peft_methods.py, read and written again, as `<case>-<seed>`. Prints the largest
difference of the logits from PEFT's own; exits with 1 beyond 1e-4, or where PEFT warns of missing tensors or knows none of
such a name.
"""

import os
import sys
import warnings
from pathlib import Path

import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file

from peft_methods import CASES, SEEDS
from tiny_models import load

TOLERANCE = 1e-4
# The output layer's rows of its new tokens are as PEFT's user drew them, and not part of what is trained.
LEFT_OUT = ["lora-tokens-new"]


def check(folder, golden, base, resized=None, **_saving):
    model = load(base)
    if resized is not None:
        model.resize_token_embeddings(resized, mean_resizing=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message="Found missing adapter keys")
        model = PeftModel.from_pretrained(model, folder).eval()
    stored = load_file(folder / "adapter_model.safetensors")
    known = {name.replace(".default", "").replace(".modules_to_save", "") for name in model.state_dict()}
    known |= {name.removesuffix(".weight") for name in known}
    unknown = sorted(stored.keys() - known)
    with torch.no_grad():
        logits = model(golden["input_ids"]).logits
    return (logits - golden["logits"]).abs().max().item(), unknown


def main():
    folder, written = (Path(path).resolve() for path in sys.argv[1:3])
    os.chdir(folder / "models")
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    failed = False
    for case, (base, _config, *options) in CASES.items():
        for seed in SEEDS:
            path = written / f"{case}-{seed}"
            if case in LEFT_OUT or not path.exists():
                print(f"{case} {seed}: left out")
                continue
            golden = load_file(folder / "peft-methods" / case / str(seed) / "golden.safetensors")
            difference, unknown = check(path, golden, base, **dict(*options))
            failed |= difference > TOLERANCE or bool(unknown)
            print(f"{case} {seed}: differs by {difference:.1e}" + (f", unknown: {unknown}" if unknown else ""))
    sys.exit(failed)


if __name__ == "__main__":
    main()
