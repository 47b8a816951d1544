import { expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { readFolderConfig } from "./checkpoint.ts";
import { encodeGgufConfig, interleaveHalves, separateHalves } from "./gguf-model.ts";

test("rows of two heads of four elements, by hand", () => {
  // Of each head, elements 0 and 2 are turned together, and 1 and 3.
  const separate = Float32Array.of(0, 1, 2, 3, 10, 11, 12, 13);
  const interleaved = Float32Array.of(0, 2, 1, 3, 10, 12, 11, 13);
  expect(interleaveHalves(separate, 2, 4)).toEqual(interleaved);
  expect(separateHalves(interleaved, 2, 4)).toEqual(separate);
});

test("rows are moved as a whole, and back", () => {
  const rows = Float32Array.from({ length: 3 * 10 * 7 }, (_, i) => i);
  const moved = interleaveHalves(rows, 3, 10);
  expect([...moved.subarray(7, 14)]).toEqual([...rows.subarray(5 * 7, 6 * 7)]);
  expect(separateHalves(moved, 3, 10)).toEqual(rows);
});

const config = (name: string) => readFolderConfig(`fixtures/reference/models/${name}`);

test("a configuration has the keys that llama.cpp reads", () => {
  expect(Object.fromEntries(encodeGgufConfig(config("llama-head-dim")))).toEqual({
    "general.architecture": "llama",
    "llama.vocab_size": 64,
    "llama.context_length": 256,
    "llama.embedding_length": 32,
    "llama.block_count": 2,
    "llama.feed_forward_length": 48,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.attention.key_length": 16,
    "llama.attention.value_length": 16,
    "llama.attention.layer_norm_rms_epsilon": { float32: 1e-6 },
    "llama.rope.dimension_count": 16,
    "llama.rope.freq_base": { float32: 10_000 },
  });
  const linear = { ...config("qwen2"), ropeScaling: { type: "linear", factor: 4 } } as const;
  expect(Object.fromEntries(encodeGgufConfig(linear))).toMatchObject({
    "general.architecture": "qwen2",
    "qwen2.rope.freq_base": { float32: 50_000 },
    "qwen2.rope.scaling.type": "linear",
    "qwen2.rope.scaling.factor": { float32: 4 },
  });
});

test("a window of attention is the longest context, since llama.cpp knows none", () => {
  const written = Object.fromEntries(encodeGgufConfig(config("mistral")));
  expect(written).toMatchObject({ "general.architecture": "llama", "llama.context_length": 8 });
});

test("what the architecture lacks is refused", () => {
  const { ropeScaling } = config("llama-rope3");
  expect(() => encodeGgufConfig({ ...config("qwen2"), ropeScaling })).toThrow(
    'GGUF\'s architecture "qwen2" has no factors of the rotary frequencies, which this model has',
  );
  expect(() => encodeGgufConfig({ ...config("qwen3"), queryKeyValueBias: true })).toThrow(InputError);
});
