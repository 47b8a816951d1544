"""Weights in the layout of bitsandbytes 4-bit checkpoints, by bitsandbytes 0.50.2 on the CPU (torch 2.15.0), for
src/core/quantization/bnb-checkpoint.test.ts.

    python reference/bnb_checkpoint.py fixtures/quantization
"""

import sys
from pathlib import Path

import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file

torch.manual_seed(0)
torch.set_num_threads(1)

tensors = {}
for name, shape, kind, nested, blocksize in [
    ("plain", (6, 64), "nf4", False, 64),
    # More than 256 blocks, so that the scales have two scales of their own.
    ("nested", (48, 384), "nf4", True, 64),
    ("fp4", (2, 64), "fp4", False, 64),
    ("wide", (2, 128), "nf4", False, 128),
]:
    weight = (torch.randn(shape) * 0.02).to(torch.bfloat16).float()
    codes, state = F.quantize_4bit(weight, blocksize=blocksize, compress_statistics=nested, quant_type=kind)
    tensors[f"{name}.weight"] = codes
    for key, value in state.as_dict(packed=True).items():
        tensors[f"{name}.weight.{key}"] = value.contiguous()
    tensors[f"{name}.dequantized"] = F.dequantize_4bit(codes, state)
tensors["norm.weight"] = torch.ones(4)
save_file(tensors, Path(sys.argv[1]) / "bnb-checkpoint.safetensors")
