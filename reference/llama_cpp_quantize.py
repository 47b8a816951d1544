"""Golden blocks and types of llama.cpp's quantizer, for src/core/quantization/ggml-encoding.test.ts and
src/core/models/gguf-tensor-types.test.ts.

    npm install --no-save node-llama-cpp@3.22.1
    python reference/llama_cpp_quantize.py node_modules/@node-llama-cpp/linux-x64/bins/linux-x64 fixtures/quantization

The package brings the libraries of llama.cpp 0.5.0, compiled for any x86-64 processor: without fused multiply-adds, with which
some codes would be others. What is called is the function behind `llama-quantize`; gguf 0.19.0 writes the files for it.
"""

import ctypes
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader, GGUFWriter
from safetensors.numpy import save_file

libraries, out = Path(sys.argv[1]), Path(sys.argv[2])
for name in ["ggml-base", "ggml", "llama"]:
    [path] = [p for p in libraries.glob(f"lib{name}.*so") if p.name in (f"lib{name}.so", f"lib{name}.v0.5.0.so")]
    library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    if name == "ggml-base":
        ggml = library
llama = library
ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]


class QuantizeParams(ctypes.Structure):
    """The beginning of llama_model_quantize_params, and room for the rest."""

    _fields_ = [("threads", ctypes.c_int32), ("file_type", ctypes.c_int32), ("rest", ctypes.c_uint8 * 248)]


llama.llama_model_quantize_default_params.restype = QuantizeParams
llama.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(QuantizeParams)]


def quantize_blocks():
    """Rows of 256 of many kinds, and their blocks in each type."""
    random = np.random.default_rng(0)
    rows = [random.normal(size=256) * scale for scale in [0.02] * 6 + [1, 1e-3, 300]]
    rows += [random.standard_t(2, size=256) * 0.02 for _ in range(4)]
    rows += [random.uniform(0.5, 1, 256), -random.uniform(0.5, 1, 256), random.integers(-8, 8, 256) / 8]
    rows += [np.zeros(256), np.full(256, 0.3), np.full(256, -0.3), random.normal(size=256) * 1e-6, random.normal(size=256) * 1e-18]
    # Groups of very different sizes, groups of zeros, a single number that is not zero, and two that stand out.
    rows.append(random.normal(size=256) * np.repeat(10.0 ** random.integers(-6, 3, 16), 16))
    rows.append(random.normal(size=256) * np.repeat(random.integers(0, 2, 16), 16))
    rows.append(np.eye(256)[77] * -0.1)
    rows.append(random.normal(size=256) * 0.02 + np.eye(256)[3] - np.eye(256)[200])
    values = np.stack(rows).astype(np.float32)
    tensors = {"values": values.reshape(-1)}
    for name in ["Q4_0", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]:
        kind = GGMLQuantizationType[name]
        elements, size = GGML_QUANT_SIZES[kind]
        blocks = np.zeros(values.size // elements * size, np.uint8)
        ggml.ggml_quantize_chunk(kind, values.ctypes.data, blocks.ctypes.data, 0, *values.shape, None)
        tensors[name] = blocks
    save_file(tensors, out / "ggml-encoded.safetensors")


def write_model(path, architecture, layers, hidden, intermediate, heads, kv_heads, tied):
    """A model of zeros in float32, as far as quantizing looks at one."""
    writer = GGUFWriter(path, architecture)
    writer.add_context_length(64)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(intermediate)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(32)
    kv = hidden // heads * kv_heads
    shapes = {"token_embd": (32, hidden), "output_norm": (hidden,)} | ({} if tied else {"output": (32, hidden)})
    for i in range(layers):
        shapes |= {f"blk.{i}.{name}": shape for name, shape in {
            "attn_norm": (hidden,), "attn_q": (hidden, hidden), "attn_k": (kv, hidden), "attn_v": (kv, hidden),
            "attn_output": (hidden, hidden), "ffn_norm": (hidden,), "ffn_gate": (intermediate, hidden),
            "ffn_up": (intermediate, hidden), "ffn_down": (hidden, intermediate)}.items()}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# Architecture, layers, hidden and intermediate size, heads, heads of keys and values, whether the output layer is the embedding.
MODELS = [
    ("llama", 1, 256, 256, 4, 2, True),
    ("llama", 7, 256, 512, 4, 4, False),
    ("llama", 16, 256, 288, 4, 2, False),
    ("llama", 30, 64, 256, 4, 2, True),
    ("llama", 32, 256, 256, 4, 4, False),
    ("llama", 80, 256, 256, 4, 2, False),
    ("llama", 80, 256, 256, 4, 4, False),
    ("qwen2", 80, 256, 256, 4, 4, False),
    ("qwen2", 24, 96, 256, 4, 2, True),
    ("qwen3", 28, 256, 256, 4, 2, True),
    ("llama", 2, 48, 80, 4, 2, False),
]
# LLAMA_FTYPE_MOSTLY_…
FILE_TYPES = {"q4_0": 2, "q8_0": 7, "q4_k_m": 15, "q5_k_m": 17}


def list_types():
    """The type of each tensor: of those of blocks, one layer after the other."""
    cases = []
    with tempfile.TemporaryDirectory() as scratch:
        whole, quantized = Path(scratch) / "whole.gguf", Path(scratch) / "quantized.gguf"
        for model in MODELS:
            write_model(whole, *model)
            types = {}
            for file_type, number in FILE_TYPES.items():
                params = llama.llama_model_quantize_default_params()
                params.threads, params.file_type = 1, number
                if llama.llama_model_quantize(str(whole).encode(), str(quantized).encode(), params):
                    raise RuntimeError(f"{model} was not quantized as {file_type}")
                kinds = {t.name: t.tensor_type.name for t in GGUFReader(quantized).tensors if len(t.shape) == 2}
                grouped = {name: kind for name, kind in kinds.items() if not name.startswith("blk.")}
                for i in range(model[1]):
                    for name, kind in kinds.items():
                        if name.startswith(f"blk.{i}."):
                            grouped.setdefault(name.removeprefix(f"blk.{i}."), []).append(kind)
                types[file_type] = {name: kind if isinstance(kind, str) else " ".join(kind) for name, kind in sorted(grouped.items())}
            names = ["architecture", "layers", "hidden", "intermediate", "heads", "kv_heads", "tied"]
            cases.append(dict(zip(names, model)) | {"types": types})
    return cases


quantize_blocks()
(out / "ggml-types.json").write_text(json.dumps(list_types(), indent=1) + "\n")
