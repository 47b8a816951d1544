import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openSourceFolder } from "../../node/files/byte-source.ts";
import { writeGguf } from "../../node/formats/gguf.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import { interleaveHalves, separateHalves } from "../architectures/gguf-rows.ts";
import type { LlamaConfig } from "../architectures/llama.ts";
import { listTensors } from "../architectures/modules.ts";
import type { Rotary } from "../architectures/rotary.ts";
import { InputError } from "../errors.ts";
import type { GgufTensorToWrite, GgufValueToWrite } from "../formats/gguf-encoding.ts";
import { roleOf } from "../formats/known-keys.ts";
import { readFolderConfig } from "./checkpoint.ts";
import { ggufKeys } from "./gguf-keys.ts";
import { encodeGgufConfig, ggufTensorName } from "./gguf-model.ts";

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

const config = (name: string) => readFolderConfig(openSourceFolder(`fixtures/reference/models/${name}`));
const scaled = (model: ModelConfig, scaling: Rotary["scaling"]): ModelConfig => {
  const rotary = { ...model.layers[0]!.rotary!, scaling };
  return { ...model, layers: model.layers.map((layer) => ({ ...layer, rotary })) };
};

test("a configuration has the keys that llama.cpp reads", async () => {
  expect(Object.fromEntries(encodeGgufConfig(await config("llama-head-dim")))).toEqual({
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
  const linear = scaled(await config("qwen2"), { type: "linear", factor: 4 });
  expect(Object.fromEntries(encodeGgufConfig(linear))).toMatchObject({
    "general.architecture": "qwen2",
    "qwen2.rope.freq_base": { float32: 50_000 },
    "qwen2.rope.scaling.type": "linear",
    "qwen2.rope.scaling.factor": { float32: 4 },
  });
});

test("a window of attention is the longest context, since llama.cpp knows none", async () => {
  const written = Object.fromEntries(encodeGgufConfig(await config("mistral")));
  expect(written).toMatchObject({ "general.architecture": "llama", "llama.context_length": 8 });
});

test("what the architecture lacks is refused", async () => {
  const { scaling } = (await config("llama-rope3")).layers[0]!.rotary!;
  const [qwen2, qwen3] = [await config("qwen2"), await config("qwen3")];
  expect(() => encodeGgufConfig(scaled(qwen2, scaling))).toThrow(
    'GGUF\'s architecture "qwen2" has no factors of the rotary frequencies, which this model has',
  );
  const biased: LlamaConfig = { ...(qwen3 as LlamaConfig), attentionBias: true };
  expect(() => encodeGgufConfig(biased)).toThrow(InputError);
});

test("every key of ggml's Python package has a role", () => {
  // Made by reference/configuration_keys.py.
  const { gguf }: { gguf: string[] } = JSON.parse(
    readFileSync("fixtures/reference/configuration-keys.json", "utf8"),
  );
  expect(gguf.filter((key) => roleOf(ggufKeys, key) === undefined)).toEqual([]);
});

describe("metadata and tensors that change what is computed", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "slimtune-gguf-keys-"));
  afterAll(() => rmSync(scratch, { recursive: true }));
  let files = 0;

  /** Opens a file of a tiny Llama of zeros with some metadata changed (undefined takes a key out) and tensors added. */
  async function open(
    changes: Readonly<Record<string, GgufValueToWrite | undefined>>,
    added: Readonly<Record<string, number>> = {},
    name = "llama",
  ): Promise<ModelConfig> {
    const described = await config(name);
    const metadata = new Map([...encodeGgufConfig(described), ...Object.entries(changes)]);
    const given = [...metadata].filter(
      (entry): entry is [string, GgufValueToWrite] => entry[1] !== undefined,
    );
    const zeros = (tensor: string, shape: readonly number[]): GgufTensorToWrite => ({
      name: tensor,
      type: "F32",
      shape,
      data: () => new Float32Array(shape.reduce((product, size) => product * size, 1)),
    });
    const path = join(scratch, `${files++}.gguf`);
    await writeGguf(path, new Map(given), [
      ...listTensors(described).map((tensor) => zeros(ggufTensorName(described, tensor.name), tensor.shape)),
      ...Object.entries(added).map(([tensor, size]) => zeros(tensor, [size])),
    ]);
    const checkpoint = await openCheckpoint(path);
    checkpoint.close();
    return checkpoint.config;
  }

  const linear = (factor: number) => ({ type: "linear", factor });
  test.each([
    ["rope.scale_linear", { "llama.rope.scale_linear": { float32: 4 } }, linear(4)],
    ["a factor without a type", { "llama.rope.scaling.factor": { float32: 4 } }, linear(4)],
    [
      "both factors, of which the newer counts",
      { "llama.rope.scaling.factor": { float32: 2 }, "llama.rope.scale_linear": { float32: 4 } },
      linear(2),
    ],
    ["a factor of 0, which is none", { "llama.rope.scaling.factor": { float32: 0 } }, undefined],
    [
      "no scaling by name",
      { "llama.rope.scaling.type": "none", "llama.rope.scaling.factor": { float32: 4 } },
      undefined,
    ],
  ])("scaling is read as llama.cpp reads it: %s", async (_name, changes, expected) => {
    expect((await open(changes)).layers[0]!.rotary!.scaling).toEqual(expected);
  });

  test("an architecture whose tensors are others is refused", async () => {
    const path = join(scratch, "disagreeing.gguf");
    const qwen2 = await config("qwen2");
    const metadata = [...encodeGgufConfig(qwen2)].map(([key, value]): [string, GgufValueToWrite] => [
      key.replace("qwen2.", "qwen3."),
      value,
    ]);
    const tensors = listTensors(qwen2).map(
      ({ name, shape }): GgufTensorToWrite => ({
        name: ggufTensorName(qwen2, name),
        type: "F32",
        shape,
        data: () => new Float32Array(shape.reduce((product, size) => product * size, 1)),
      }),
    );
    await writeGguf(path, new Map([...metadata, ["general.architecture", "qwen3"]]), tensors);
    await expect(openCheckpoint(path)).rejects.toThrow(
      `${path} holds a model of the architecture "qwen3" by its metadata, but lacks the tensor "blk.0.attn_q_norm.weight" of such a model; convert the model again.`,
    );
  });

  test("a file says the same with less", async () => {
    const changes = {
      "llama.attention.key_length": undefined,
      "llama.attention.value_length": undefined,
      "llama.rope.dimension_count": undefined,
      "llama.rope.freq_base": undefined,
      "llama.vocab_size": undefined,
      "llama.logit_scale": { float32: 0 },
      "llama.expert_count": 0,
      "llama.attention.sliding_window": 4096,
      "general.name": "tiny",
    };
    expect(await open(changes)).toEqual(await open({}));
  });

  test.each([
    ["another scaling", { "llama.rope.scaling.type": "ntk" }, '"ntk"'],
    ["a factor of attention", { "llama.rope.scaling.attn_factor": { float32: 0.5 } }, "attn_factor"],
    ["YaRN's extrapolation", { "llama.rope.scaling.yarn_ext_factor": { float32: 1 } }, "yarn_ext_factor"],
    ["a part of each head", { "llama.rope.dimension_count": 4 }, '4 as "llama.rope.dimension_count"'],
    ["sections", { "llama.rope.dimension_sections": 3 }, "dimension_sections"],
    [
      "values of another length",
      { "llama.attention.value_length": 4 },
      '4 as "llama.attention.value_length"',
    ],
    [
      "values of the length by default, beside longer keys",
      { "llama.attention.key_length": 16, "llama.attention.value_length": undefined },
      'heads of 16 elements, but 8 as "llama.attention.value_length"',
    ],
    ["a window", { "llama.attention.sliding_window": 8 }, "a sliding window of 8 tokens in a context of 256"],
    ["experts", { "llama.expert_count": 8 }, 'sets "llama.expert_count" to 8'],
    ["a view to both sides", { "llama.attention.causal": false }, 'sets "llama.attention.causal" to false'],
    ["a scale of logits", { "llama.logit_scale": { float32: 0.5 } }, 'sets "llama.logit_scale" to 0.5'],
    ["a clamp", { "llama.attention.clamp_kqv": { float32: 8 } }, "clamp_kqv"],
    ["another file", { "general.type": "adapter" }, 'sets "general.type" to "adapter"'],
    ["a part of a file", { "split.count": 3 }, 'sets "split.count" to 3'],
    ["a text for a number", { "llama.block_count": "2" }, '"llama.block_count" is not a number'],
  ] as const)("refused: %s", async (_name, changes, sentence) => {
    await expect(open(changes)).rejects.toThrow(InputError);
    await expect(open(changes)).rejects.toThrow(sentence);
  });

  test.each([
    ["llama", "blk.0.attn_q.scale", 1],
    ["llama", "blk.0.attn_sinks", 4],
    ["llama", "rope_factors_long.weight", 4],
    ["llama", "blk.1.ffn_up.bias", 48],
    ["llama", "blk.2.attn_norm.weight", 32],
    ["llama", "blk.0.attn_q_norm.weight", 8],
    ["qwen2", "rope_freqs.weight", 4],
    ["qwen2", "blk.0.attn_output.bias", 32],
    ["qwen2", "blk.0.ffn_up.bias", 48],
  ])("a tensor that %s has no use for is refused: %s", async (model, tensor, size) => {
    await expect(open({}, { [tensor]: size }, model)).rejects.toThrow(`holds the tensor "${tensor}"`);
  });

  test("factors of the frequencies stand alone, one for each", async () => {
    const factors = "rope_freqs.weight";
    await expect(open({ "llama.rope.scale_linear": { float32: 4 } }, { [factors]: 4 })).rejects.toThrow(
      factors,
    );
    await expect(open({}, { [factors]: 3 })).rejects.toThrow(`${factors}" has the shape [3]`);
  });
});
