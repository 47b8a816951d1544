"""Golden values of ggml's block formats, by gguf 0.19.0 (numpy), for src/core/quantization/ggml-blocks.test.ts.

    python reference/ggml_blocks.py fixtures/quantization
"""

import sys
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

# Where the blocks' binary16 scales stand, so that they can be made finite.
SCALES = {"F32": [], "F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "BF16": []}

random = np.random.default_rng(0)
tensors = {}
for name, places in SCALES.items():
    kind = GGMLQuantizationType[name]
    elements, size = GGML_QUANT_SIZES[kind]
    count = 12 if elements > 1 else 64
    blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
    if name == "F32":
        blocks = random.normal(size=count).astype(np.float32).view(np.uint8).reshape(count, 4)
    if name == "BF16":
        blocks[:, 1] = blocks[:, 1] & 0xBF
    for place in places:
        scales = (random.normal(size=count) * 10.0 ** random.integers(-7, 4, count)).astype(np.float16)
        scales[:5] = [65504, -65504, 2**-24, -(2**-24), -0.0]
        random.shuffle(scales)
        blocks[:, place : place + 2] = scales.view(np.uint8).reshape(count, 2)
    tensors[f"{name}.blocks"] = blocks.reshape(-1)
    tensors[f"{name}.values"] = dequantize(blocks, kind).reshape(-1).astype(np.float32)
# Values to be encoded: of very different sizes, with zeros, and with products that lie halfway between two codes.
values = (random.normal(size=(40, 32)) * 10.0 ** random.integers(-6, 5, (40, 1))).astype(np.float32)
values[0] = 0
values[1] = np.linspace(-127, 127, 32)
values[2] = np.arange(32) - 15.5
values[2, 0] = 127
tensors["rounded.values"] = values.reshape(-1)
for name in ["F32", "F16", "Q8_0"]:
    tensors[f"rounded.{name}"] = quantize(values, GGMLQuantizationType[name]).view(np.uint8).reshape(-1)
save_file(tensors, Path(sys.argv[1]) / "ggml-blocks.safetensors")
