import { describe, expect, test } from "vitest";
import { parseRunConfig } from "./run-config.ts";

const parse = (options: object) => parseRunConfig({ model: "m", data: "d", out: "o", ...options }, "Options");

test("a method sets the options that make it", () => {
  expect(parse({})).toMatchObject({ method: "lora", storage: "float32", learning_rate: 2e-4 });
  expect(parse({ arithmetic: "int8" })).toMatchObject({ method: "lora", storage: "int8" });
  expect(parse({ method: "qlora" })).toMatchObject({ storage: "nf4", learning_rate: 2e-4 });
  expect(parse({ method: "lora+" })).toMatchObject({ loraplus_lr_ratio: 16, learning_rate: 1e-4 });
  expect(parse({ method: "rslora", lora: { r: 4 } }).lora).toMatchObject({ r: 4, use_rslora: true });
  expect(parse({ method: "dora", storage: "int8" })).toMatchObject({
    storage: "int8",
    lora: { use_dora: true },
  });
  expect(parse({ method: "pissa" }).lora).toMatchObject({ init_lora_weights: "pissa" });
  expect(parse({ method: "freeze" })).toMatchObject({ freeze_trainable_layers: 2, learning_rate: 2e-5 });
  expect(parse({ method: "full" }).lora).toBeUndefined();
  const adaption_prompt = { adapter_len: 4 };
  for (const [method, gate] of [
    ["adaption-prompt", "scalar"],
    ["dca", "head"],
  ])
    expect(parse({ method, adaption_prompt })).toMatchObject({ adaption_prompt: { adapter_len: 4, gate } });
});

test("what it gives can be given to it", () => {
  for (const method of [
    "lora",
    "qlora",
    "lora+",
    "rslora",
    "dora",
    "pissa",
    "lora-fa",
    "ia3",
    "vera",
    "trainable_tokens",
    "freeze",
    "full",
  ]) {
    const config = parse({ method });
    expect(parseRunConfig(JSON.parse(JSON.stringify(config)), "Options")).toEqual(config);
  }
});

describe("contradictions are refused", () => {
  test.each([
    [{ method: "full", storage: "nf4" }, 'needs storage "float32", not "nf4"'],
    [{ method: "freeze", storage: "int8" }, 'needs storage "float32", not "int8"'],
    [{ method: "pissa", storage: "nf4" }, 'needs storage "float32", not "nf4"'],
    [{ lora: { init_lora_weights: "pissa" }, storage: "float16" }, 'needs storage "float32", not "float16"'],
    [{ weights_on_disk: true }, '"weights_on_disk" needs a quantized base'],
    [{ method: "qlora", weights_on_disk: true, segment_size: 2 }, '"segment_size" cannot be 2'],
    [{ arithmetic: "int8", storage: "float16" }, "that is kept in int8 or nf4, not in float16"],
    [{ arithmetic: "int8", device: "webgpu" }, 'the device "webgpu" has no products of integers'],
    [{ method: "full", arithmetic: "int8" }, 'needs storage "float32", not "int8"'],
    [{ method: "qlora", storage: "float16" }, 'method "qlora" keeps the base in nf4, not in float16'],
    [
      { method: "full", lora: { r: 8 } },
      'method "full" trains the model\'s own weights and has no adapter; leave out',
    ],
    [{ method: "dora", lora: { use_dora: false } }, "sets lora.use_dora to true, so it cannot be false"],
    [{ method: "pissa", lora: { use_dora: true } }, "DoRA and PiSSA cannot be combined"],
    [{ loraplus_lr_ratio: 4 }, '"loraplus_lr_ratio" is an option of method "lora+", not of "lora"'],
    [
      { method: "full", freeze_trainable_layers: 1 },
      '"freeze_trainable_layers" is an option of method "freeze"',
    ],
    [
      { method: "lora+", loraplus_lr_ratio: 0.5 },
      'the option "loraplus_lr_ratio" is 0.5; it must be at least 1',
    ],
    [{ proximal_mu: -1 }, 'the option "proximal_mu" is -1; it must be at least 0'],
    [
      { learning_rate: "2e-4" },
      'the option "learning_rate" is the text "2e-4"; give a number: 2e-4 without quotes.',
    ],
    [
      { method: "dca", shared_prompts: 11 },
      '"shared_prompts" is 11, but there are 10 prompts (adapter_len); lower it.',
    ],
    [
      { method: "dca", batch_size: 1 },
      '"causal_weight" compares the examples of a step, so "batch_size" has to be',
    ],
    [
      { method: "dca", objective: "dpo" },
      '"causal_weight" compares single texts, which objective "dpo" does not learn from',
    ],
    [{ causal_weight: 0.1 }, '"causal_weight" is an option of method "dca", not of "lora"'],
    [{ method: "ia3", lora: { r: 8 } }, '"lora" is an option of method "lora", not of "ia3"'],
    [{ vera: { r: 8 } }, '"vera" is an option of method "vera", not of "lora"'],
    [
      { method: "ia3", ia3: { target_modules: ["k_proj"], feedforward_modules: ["up_proj"] } },
      '"ia3.feedforward_modules" names "up_proj", which is none of ia3.target_modules',
    ],
    [{ method: "lora-fa", lora: { use_dora: true } }, "sets lora.use_dora to false, so it cannot be true"],
    [{ lora: { modules_to_save: ["norm"] } }, 'the option "lora.modules_to_save.0" is the text "norm"'],
    [{ lora: { bias: "some" } }, 'the option "lora.bias" is the text "some"'],
    [{ method: "ia3", train_tokens: ["<tool>"] }, "cannot train single tokens"],
    [{ lora: { rank: 8 } }, 'there is no option "lora.rank"; the options of lora are r, lora_alpha,'],
  ])("%j", (options, sentence) => {
    expect(() => parse(options)).toThrow(sentence);
  });
});
