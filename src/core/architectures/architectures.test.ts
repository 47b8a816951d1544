import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { roleOf } from "../formats/known-keys.ts";
import { architectureOf, architectures, parseConfig } from "./architectures.ts";
import { listLinearModules } from "./modules.ts";
import { createRotaryTables } from "./rotary.ts";

// Made by reference/configuration_keys.py with Transformers.
const readGolden = (name: string) => JSON.parse(readFileSync(`fixtures/reference/${name}.json`, "utf8"));
const keys: { families: Record<string, Record<string, unknown>> } = readGolden("configuration-keys");

const modelTypes = architectures.map(({ modelType }) => modelType);

interface Reading {
  readonly sizes: number[];
  readonly heads: number[];
  readonly head_dim: number;
  readonly biases: boolean[];
  readonly tied: boolean;
  readonly eps: number;
  readonly silu: boolean;
  readonly windows: (number | null)[];
  /** Cosines at the position 100. */
  readonly cos: number[];
  readonly causal: boolean;
}
interface Case {
  readonly family: string;
  readonly change: Record<string, unknown>;
  readonly read: Reading | null;
}
const golden: { base: object; missing: string; cases: Case[] } = readGolden("configuration-readings");

const configOf = (family: string, change: object) =>
  Object.fromEntries(
    Object.entries({ model_type: family, ...golden.base, ...change }).filter(
      ([, value]) => value !== golden.missing,
    ),
  );

/** What {@link Reading} holds, as this project reads it. */
function readOurs(config: object): Reading {
  const model = parseConfig(config, "config.json");
  const { cos } = createRotaryTables(model.layers[0]!.rotary!, 101);
  const biases = listLinearModules(model).filter(({ bias }) => bias);
  const hasBias = (...names: string[]) => biases.some(({ name }) => names.includes(name));
  return {
    sizes: [model.vocabSize, model.hiddenSize, model.intermediateSize, model.numHiddenLayers],
    heads: [model.numAttentionHeads, model.numKeyValueHeads],
    head_dim: model.headDim,
    biases: [hasBias("self_attn.q_proj"), hasBias("self_attn.o_proj"), hasBias("mlp.up_proj")],
    tied: model.tieWordEmbeddings,
    eps: model.rmsNormEps,
    silu: true,
    windows: model.layers.map(({ slidingWindow }) => slidingWindow ?? null),
    cos: [...cos.subarray((100 * model.headDim) / 2)],
    causal: true,
  };
}

/** What Transformers computes and this project does not: a part of the change, the sentence, the families (default: all). */
const refusals: readonly (readonly [part: string, sentence: string, families?: readonly string[]])[] = [
  ['{"rope_scaling":{"factor"', "gives a factor of the rotary embedding (2) but no type of scaling"],
  [
    '"rope_parameters":{"full_attention"',
    'bad value at "rope_parameters": Unrecognized key: "full_attention"',
  ],
  ['{"original_max_position_embeddings"', 'sets "original_max_position_embeddings" to 32, which changes'],
  ['"gelu"', 'asks for the activation "gelu"'],
  [
    '"is_causal"',
    'sets "is_causal" to false, which changes what is computed and is not supported (only true is)',
  ],
  ['"attention_bias"', 'sets "attention_bias" to true', ["mistral"]],
  ['"mlp_bias"', 'sets "mlp_bias" to true', ["mistral", "qwen2", "qwen3"]],
  ['"sliding_window":8', "sliding_window", ["llama"]],
  ['"use_sliding_window"', 'sets "use_sliding_window" to true', ["llama"]],
];

describe.each(modelTypes)("a configuration of %s", (family) => {
  const { keys: table, defaults } = architectureOf({ modelType: family });

  test("has a role for every key of Transformers' class", () => {
    expect(Object.keys(keys.families[family]!).filter((key) => roleOf(table, key) === undefined)).toEqual([]);
  });

  test("has the defaults of Transformers' class, of all keys that are read and have one", () => {
    const expected = Object.entries(keys.families[family]!).filter(
      ([key, value]) => table[key] === "used" && value !== null,
    );
    expect(defaults).toEqual(Object.fromEntries(expected));
  });

  const cases = golden.cases.filter((one) => one.family === family && one.read !== null);

  test.each(cases)("is read as Transformers reads it, or refused: $change", ({ change, read }) => {
    const config = configOf(family, change);
    const text = JSON.stringify(change);
    const refusal = refusals.find(
      ([part, , refusing = modelTypes]) => text.includes(part) && refusing.includes(family),
    );
    if (refusal) return expect(() => readOurs(config)).toThrow(refusal[1]);
    const { cos, ...rest } = readOurs(config);
    const { cos: expectedCos, ...expected } = read!;
    expect(rest).toEqual(expected);
    for (const [i, value] of cos.entries()) expect(value).toBeCloseTo(expectedCos[i]!, 4);
  });
});

const model = (change: object, family: string = "llama") => ({ ...configOf(family, {}), ...change });
const parse = (change: object, family?: string) => parseConfig(model(change, family), "config.json");

test.each([
  "gptq",
  "awq",
  "fp8",
  "compressed-tensors",
  "bitnet",
  "hqq",
  "aqlm",
  "torchao",
  "mxfp4",
  "quanto",
])("weights quantized by %s are refused by that name", (method) => {
  expect(() => parse({ quantization_config: { quant_method: method, bits: 4 } })).toThrow(
    `config.json says that the weights are quantized by ${method}, which is not read; choose`,
  );
});

test("of bitsandbytes, 4 bits are read and 8 refused, also where the method is not named", () => {
  expect(() => parse({ quantization_config: { load_in_8bit: true } })).toThrow("bitsandbytes (8 bits)");
  expect(() => parse({ quantization_config: { group_size: 64, bits: 4 } })).toThrow("an unnamed method");
  parse({ quantization_config: { load_in_4bit: true, load_in_8bit: false } });
});

test.each([
  [
    { architectures: ["LlamaForSequenceClassification"] },
    '"LlamaForSequenceClassification", which is no language',
  ],
  [
    { per_layer_config: { 0: { head_dim: 4 } } },
    'sets "per_layer_config" to {"0":{"head_dim":4}}, which changes',
  ],
  [{ attention_dropout: 0.1 }, 'sets "attention_dropout" to 0.1, which changes what is computed'],
  [{ layer_types: ["full_attention"] }, 'gives 1 "layer_types" for 2 layers'],
  [{ layer_types: ["full_attention", "linear_attention"] }, 'has layers of the type "linear_attention"'],
  [{ layer_types: ["sliding_attention", "sliding_attention"] }, 'no size of it ("sliding_window")'],
  [{ rope_interleaved: true }, 'sets "rope_interleaved" to true'],
  [{ rope_scaling: "yarn" }, 'a bad value at "rope_scaling"'],
  [{ rope_theta: null }, 'a bad value at "rope_theta"'],
  [{ rope_parameters: { rope_type: "default", long_mscale: 32 } }, 'Unrecognized key: "long_mscale"'],
  [{ rope_scaling: { partial_rotary_factor: 0.5 } }, "rotates only a part of each head"],
  [{ rope_scaling: { rope_type: "ntk" } }, 'scales the rotary embedding by "ntk", which is not'],
  [
    { model_type: "lama" },
    'a "lama" model, which is not supported; did you mean "llama"? Supported are llama,',
  ],
  [
    { architectures: ["Qwen2ForProcessRewardModel"] },
    'describes a "Qwen2ForProcessRewardModel", which is no language model',
  ],
  [
    { architectures: ["Qwen3ForCausalLM"] },
    'mixes two families: its "model_type" is "llama", but "Qwen3ForCausalLM"',
  ],
])("refused: %j", (change, sentence) => {
  expect(() => parse(change)).toThrow(InputError);
  expect(() => parse(change)).toThrow(sentence);
});

test("a key that no version of Transformers has is named in a warning, once", async () => {
  const warned: string[] = [];
  const listen = ({ message }: Error) => void warned.push(message);
  process.on("warning", listen);
  parse({ embedding_multiplier: 12, "strange key": 1 });
  parse({ embedding_multiplier: 12, "strange key": 1 });
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  expect(warned).toEqual([
    'config.json sets "embedding_multiplier", "strange key", which slimtune does not know and ignores; if that changes what the model computes, its results are wrong.',
  ]);
});
