"""Golden values of NF4 quantization by bitsandbytes 0.50.2 on the CPU (torch 2.15.0), for src/core/quantization/nf4.test.ts.

    python reference/nf4.py fixtures/quantization
"""

import json
import sys
from pathlib import Path

import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)
torch.set_num_threads(1)

inputs = {
    "normal": torch.randn(64 * 300) * 0.02,
    "uniform": torch.rand(64 * 4) * 2 - 1,
    "outliers": torch.randn(64 * 8).pow(5),
    "zeros": torch.cat([torch.zeros(64), torch.randn(64), torch.full((64,), -3.0)]),
    "tiny": torch.randn(64 * 2) * 1e-30,
}
# Values next to every boundary between two codes, in blocks whose largest magnitude is 1.
code = F.get_4bit_type("nf4", device="cpu")
mid = (code[:-1] + code[1:]) / 2
near = torch.cat([mid, torch.nextafter(mid, mid + 1), torch.nextafter(mid, mid - 1)])
inputs["boundaries"] = torch.cat([near, torch.ones(64 - len(near))])

tensors = {"dynamic_map": F.create_dynamic_map()}
offsets = {}
for name, values in inputs.items():
    tensors[f"{name}.values"] = values
    codes, state = F.quantize_4bit(values, blocksize=64, quant_type="nf4")
    tensors[f"{name}.codes"] = codes.flatten()
    tensors[f"{name}.absmax"] = state.absmax
    _, nested = F.quantize_4bit(values, blocksize=64, quant_type="nf4", compress_statistics=True)
    tensors[f"{name}.nested_codes"] = nested.absmax
    tensors[f"{name}.nested_absmax"] = nested.state2.absmax
    tensors[f"{name}.dequantized"] = F.dequantize_4bit(codes, state).flatten()
    offsets[name] = nested.offset.item()
# Scales of many sizes, of which bitsandbytes takes a few for codes that are not the nearest.
scales = torch.randn(8192).exp()
weights = torch.zeros(len(scales), 64)
weights[:, 0] = scales
_, nested = F.quantize_4bit(weights, blocksize=64, quant_type="nf4", compress_statistics=True)
tensors["scales"] = scales
tensors["scales.codes"] = nested.absmax
tensors["scales.absmax"] = nested.state2.absmax
offset_of_scales = nested.offset.item()
save_file(tensors, out / "nf4.safetensors", metadata={"offsets": json.dumps(offsets), "scales_offset": json.dumps(offset_of_scales)})
