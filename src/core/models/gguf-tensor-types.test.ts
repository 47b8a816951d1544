import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseConfig } from "../architectures/architectures.ts";
import { listTensors } from "../architectures/modules.ts";
import { ggufTensorName } from "./gguf-model.ts";
import { chooseTensorType, type GgufFileType } from "./gguf-tensor-types.ts";

/** Types of tensors by their names, those of blocks one layer after the other. */
type Types = Record<string, string>;

// Made by reference/llama_cpp_quantize.py with llama.cpp's own quantizer.
const cases: {
  architecture: string;
  layers: number;
  hidden: number;
  intermediate: number;
  heads: number;
  kv_heads: number;
  tied: boolean;
  types: Record<GgufFileType, Types>;
}[] = JSON.parse(readFileSync("fixtures/quantization/ggml-types.json", "utf8"));

const modelsAndTypes = cases.flatMap(({ types, ...model }) =>
  Object.entries(types).map(
    ([fileType, expected]) =>
      [
        `${model.layers} layers of ${model.hidden} and ${model.intermediate}, ${model.heads} and ${model.kv_heads} heads`,
        model,
        fileType as GgufFileType,
        expected,
      ] as const,
  ),
);

test.each(modelsAndTypes)("%s: types are llama.cpp's", (_name, model, fileType, expected) => {
  const config = parseConfig(
    {
      model_type: model.architecture,
      vocab_size: 32,
      hidden_size: model.hidden,
      intermediate_size: model.intermediate,
      num_hidden_layers: model.layers,
      num_attention_heads: model.heads,
      num_key_value_heads: model.kv_heads,
      rms_norm_eps: 1e-5,
      max_position_embeddings: 64,
      tie_word_embeddings: model.tied,
    },
    "config.json",
  );
  const types: Record<string, string[]> = {};
  for (const tensor of listTensors(config).filter(({ shape }) => shape.length === 2)) {
    const name = ggufTensorName(config, tensor.name).replace(/^blk\.\d+\./, "");
    types[name] = [...(types[name] ?? []), chooseTensorType(fileType, tensor, config)];
  }
  expect(Object.fromEntries(Object.entries(types).map(([name, of]) => [name, of.join(" ")]))).toEqual(
    expected,
  );
});
