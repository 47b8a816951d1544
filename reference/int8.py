"""Golden values of vector-wise int8 quantization by bitsandbytes 0.50.2 on the CPU (torch 2.15.0), for src/core/quantization/int8.test.ts.

    python reference/int8.py fixtures/quantization

Rows of matrices: codes, the largest magnitude of each row, and the values that the codes stand for.
"""

import sys
from pathlib import Path

import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file

out = Path(sys.argv[1])
torch.manual_seed(0)
torch.set_num_threads(1)

# Halves between two codes, which are rounded to the even one.
halves = torch.arange(-127, 127)[None, :] + 0.5
inputs = {
    "normal": torch.randn(40, 96) * 0.02,
    "outliers": torch.randn(8, 96).pow(5),
    "halves": torch.cat([halves, torch.full((1, 1), 127.0)], dim=1) * torch.tensor([[1.0], [2.0**-7], [0.03]]),
    "zeros": torch.cat([torch.zeros(1, 32), torch.randn(1, 32), torch.full((1, 32), -3.0)]),
    "tiny": torch.randn(2, 32) * 1e-30,
}
tensors = {}
for name, values in inputs.items():
    codes, absmax, _ = F.int8_vectorwise_quant(values)
    tensors[f"{name}.values"] = values
    tensors[f"{name}.codes"] = codes
    tensors[f"{name}.absmax"] = absmax
    tensors[f"{name}.dequantized"] = F.int8_vectorwise_dequant(codes, absmax)
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, out / "int8.safetensors")
