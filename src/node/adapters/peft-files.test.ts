import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loraFormat } from "../../core/adapters/lora-methods.ts";
import { peftFormats } from "../../core/adapters/methods.ts";
import { InputError } from "../../core/errors.ts";
import { roleOf } from "../../core/formats/known-keys.ts";
import { openCheckpoint } from "../models/checkpoint.ts";
import { readAdapter, readSettings } from "./peft-files.ts";

// Made by reference/configuration_keys.py and reference/lora.py with PEFT.
const golden: { lora: Record<string, unknown> } = JSON.parse(
  readFileSync("fixtures/reference/configuration-keys.json", "utf8"),
);
const { config } = await openCheckpoint("fixtures/reference/models/llama");
const scratch = mkdtempSync(join(tmpdir(), "slimtune-peft-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Reads PEFT's adapter `name` with some keys of its configuration changed; undefined takes one out. */
function read(name: string, changes: Record<string, unknown> = {}) {
  const folder = join(scratch, name);
  cpSync(`fixtures/reference/lora/${name}`, folder, { recursive: true });
  const path = join(folder, "adapter_config.json");
  const described = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...described, ...changes }));
  return readAdapter(folder, config, "any");
}

test("every field of PEFT's LoraConfig has a role, and its default is taken", async () => {
  expect(Object.keys(golden.lora).filter((key) => roleOf(loraFormat.keys, key) === undefined)).toEqual([]);
  const { peft_type: _, r: __, lora_alpha: ___, target_modules: ____, ...defaults } = golden.lora;
  expect((await read("llama-subset", defaults)).settings).toEqual((await read("llama-subset")).settings);
});

test.each([
  ["IA3", "IA3Config"],
  ["VERA", "VeraConfig"],
  ["TRAINABLE_TOKENS", "TrainableTokensConfig"],
  ["ADAPTION_PROMPT", "AdaptionPromptConfig"],
])("every field of PEFT's configuration of %s has a role", (type, name) => {
  const path = "fixtures/reference/peft-methods/configuration-keys.json";
  const fields: Record<string, object> = JSON.parse(readFileSync(path, "utf8"));
  const { keys } = peftFormats.get(type)!;
  expect(Object.keys(fields[name]!).filter((key) => roleOf(keys, key) === undefined)).toEqual([]);
});

test("without them, rank and alpha are PEFT's defaults", async () => {
  const file = { rank_pattern: { "q_proj|v_proj": 4 }, r: undefined, lora_alpha: undefined };
  expect((await read("llama-subset", file)).settings).toMatchObject({
    r: golden.lora.r,
    lora_alpha: golden.lora.lora_alpha,
  });
});

test.each([
  [
    { alora_invocation_tokens: [5, 17] },
    'sets "alora_invocation_tokens" to [5,17], which changes what is computed',
  ],
  [{ use_bdlora: { nblocks: 2 } }, 'sets "use_bdlora" to {"nblocks":2}'],
  [{ use_qalora: true }, 'sets "use_qalora" to true'],
  [{ lora_bias: true }, 'sets "lora_bias" to true'],
  [{ fan_in_fan_out: true }, 'sets "fan_in_fan_out" to true'],
  [{ bias: "vera_only" }, 'has a bad value at "bias"'],
  [{ modules_to_save: ["score"] }, 'asks for "score" in "modules_to_save", which is not supported'],
  [{ modules_to_save: ["lm_head"] }, 'lacks the tensor "base_model.model.lm_head.weight"'],
  [{ trainable_token_indices: [1] }, "lacks the tensor"],
  [{ trainable_token_indices: [5, 17, 5] }, "Token 5 is named twice"],
  [{ trainable_token_indices: [-1] }, 'has a bad value at "trainable_token_indices'],
  [
    { trainable_token_indices: [1], modules_to_save: ["embed_tokens"] },
    "Single tokens cannot be trained beside model.embed_tokens as a whole",
  ],
  [
    { target_modules: ["lm_head"], modules_to_save: ["lm_head"] },
    '"lm_head" is in target_modules and in modules_to_save',
  ],
  [{ target_modules: ["embed_tokens"], use_dora: true }, "DoRA is for linear layers"],
  [{ target_parameters: ["mlp.up_proj.weight"] }, 'sets "target_parameters" to ["mlp.up_proj.weight"]'],
  [{ layer_replication: [[0, 2]] }, 'sets "layer_replication" to [[0,2]]'],
  [{ layers_pattern: "blocks" }, 'sets "layers_pattern" to "blocks"'],
  [{ arrow_config: { top_k: 2 } }, 'sets "arrow_config" to {"top_k":2}'],
  [{ kasa_config: {} }, 'sets "kasa_config" to {}'],
  [{ monteclora_config: {} }, 'sets "monteclora_config" to {}'],
  [{ velora_config: {} }, 'sets "velora_config" to {}'],
  [{ megatron_config: {} }, 'sets "megatron_config" to {}'],
  [{ task_type: "SEQ_CLS" }, 'sets "task_type" to "SEQ_CLS"'],
  [{ peft_type: "LOHA" }, 'asks for the method "LOHA"'],
  [
    { init_lora_weights: "pissa_niter_4" },
    'asks for init_lora_weights "pissa_niter_4", which changes the base',
  ],
  [{ init_lora_weights: "loftq" }, 'asks for init_lora_weights "loftq"'],
  [{ layers_to_transform: [7] }, "leave none of the target_modules"],
  [
    { layers_to_transform: [0], target_modules: ".*q_proj" },
    "layers_to_transform needs a list of target_modules",
  ],
  [{ exclude_modules: "model\\..*" }, "leave none of the target_modules"],
  [{ exclude_modules: ["v_proj"] }, "which its configuration does not account for"],
])("refused: %j", async (changes, sentence) => {
  await expect(read("llama-subset", changes)).rejects.toThrow(InputError);
  await expect(read("llama-subset", changes)).rejects.toThrow(sentence);
});

test("other names of the layers, and initializations that leave the base alone, are taken", async () => {
  const plain = (await read("llama-layers")).parameters;
  for (const changes of [
    { layers_pattern: ["layers"] },
    { layers_pattern: "" },
    { layers_to_transform: [1] },
  ])
    expect((await read("llama-layers", changes)).parameters).toEqual(plain);
  for (const init_lora_weights of ["gaussian", "eva", "mica", false])
    await read("llama-subset", { init_lora_weights });
});

test("PEFT's older file of tensors is refused by its name", async () => {
  await read("llama-regex");
  const file = join(scratch, "llama-regex", "adapter_model");
  renameSync(`${file}.safetensors`, `${file}.bin`);
  await expect(readAdapter(join(scratch, "llama-regex"), config, "any")).rejects.toThrow(
    "but adapter_model.bin, which is not read; load it with PEFT",
  );
});

test("without the model, layers that are chosen from it are refused", () => {
  const path = "fixtures/reference/lora/llama-layers/adapter_config.json";
  expect(() => readSettings(path)).toThrow("which tuning cannot go on with; merge the adapter");
});
