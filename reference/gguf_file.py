"""GGUF files with every type of metadata and several block formats, by gguf 0.19.0, for src/**/gguf*.test.ts.

    python reference/gguf_file.py fixtures/formats
"""

import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(0)

writer = GGUFWriter(out / "every-type.gguf", "llama")
writer.add_custom_alignment(64)
writer.add_uint8("test.uint8", 255)
writer.add_int8("test.int8", -128)
writer.add_uint16("test.uint16", 65_535)
writer.add_int16("test.int16", -32_768)
writer.add_uint32("test.uint32", 4_294_967_295)
writer.add_int32("test.int32", -2_147_483_648)
writer.add_float32("test.float32", 0.1)
writer.add_bool("test.bool", True)
writer.add_string("test.string", "grüße 🙂")
writer.add_uint64("test.uint64", 2**64 - 1)
writer.add_int64("test.int64", -(2**63))
writer.add_float64("test.float64", 0.1)
# The second text is the byte order mark alone.
writer.add_array("test.strings", ["a", "\ufeff", "", "Ġthe"])
writer.add_array("test.floats", [0.5, -1.5])
writer.add_array("test.bools", [True, False])
writer.add_key_value("test.nested", [[1, 2], [3]], GGUFValueType.ARRAY, sub_type=GGUFValueType.ARRAY)

values = {}
for name, shape, kind in [
    ("token_embd.weight", (5, 64), GGMLQuantizationType.Q4_1),
    ("blk.0.ffn_norm.weight", (7,), GGMLQuantizationType.F32),
    ("blk.0.ffn_up.weight", (3, 64), GGMLQuantizationType.Q8_0),
    ("blk.0.ffn_down.weight", (2, 3, 32), GGMLQuantizationType.Q5_0),
    ("output.weight", (3, 4), GGMLQuantizationType.F16),
    ("output_norm.weight", (4,), GGMLQuantizationType.BF16),
]:
    numbers = random.normal(size=shape).astype(np.float32)
    data = quantize(numbers, kind)
    if kind == GGMLQuantizationType.F16:
        writer.add_tensor(name, data)
    else:
        writer.add_tensor(name, data, raw_dtype=kind)
    values[name] = np.ascontiguousarray(dequantize(data, kind)).reshape(shape).astype(np.float32)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(values, out / "every-type.safetensors")

# A file with the kinds of metadata and tensors that this project writes; src/core/formats/gguf-writer.test.ts makes the same.
writer = GGUFWriter(out / "written.gguf", "llama")
writer.add_uint32("test.whole", 49_152)
writer.add_float32("test.float", 1e-5)
writer.add_bool("test.bool", True)
writer.add_string("test.string", "grüße 🙂")
writer.add_array("test.strings", ["a", "", "Ġthe"])
writer.add_array("test.whole_numbers", [1, -2, 3])
writer.add_array("test.floats", [0.5, -1.5])
for name, shape, kind in [
    ("token_embd.weight", (3, 64), GGMLQuantizationType.Q8_0),
    ("blk.0.attn_norm.weight", (7,), GGMLQuantizationType.F32),
    ("blk.0.ffn_up.weight", (5, 3), GGMLQuantizationType.F16),
]:
    numbers = ((np.arange(np.prod(shape)) * 37 % 101 - 50) / 64).astype(np.float32).reshape(shape)
    data = quantize(numbers, kind)
    writer.add_tensor(name, data, raw_dtype=kind if kind == GGMLQuantizationType.Q8_0 else None)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
