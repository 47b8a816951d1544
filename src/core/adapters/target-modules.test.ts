import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../architectures/architectures.ts";
import { InputError } from "../errors.ts";
import { selectTargetModules, valuesByPattern } from "./target-modules.ts";

/** Made by PEFT, see reference/target_modules.py. What fails is null. */
const golden: {
  readonly names: readonly string[];
  readonly targets: readonly (readonly [pattern: string, matched: readonly string[] | null])[];
  readonly patterns: readonly (readonly [
    keys: readonly string[],
    found: readonly (string | null)[] | null,
  ])[];
} = JSON.parse(readFileSync("fixtures/reference/target-modules.json", "utf8"));

const path = "fixtures/reference/models/llama/config.json";
const model = { ...parseConfig(JSON.parse(readFileSync(path, "utf8")), path), numHiddenLayers: 2 };
const parts = "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj";
const possible = `Possible are "all-linear" and the linear layers of the decoder blocks: ${parts}.`;

describe("expressions mean what they mean in PEFT", () => {
  /** Python reads it, and what is no JavaScript is refused. */
  const refused = ["(?x) .* q_proj", "(?i:.*Q_proj)"];

  test.each(golden.targets)("target_modules %j", (target, matched) => {
    const select = () => [...selectTargetModules(target, model)];
    if (matched === null || matched.length === 0 || refused.includes(target))
      expect(select).toThrow(InputError);
    else expect(select()).toEqual(matched);
  });

  test.each(golden.patterns)("rank_pattern %j", (keys, found) => {
    const values = () => valuesByPattern(Object.fromEntries(keys.map((key, i) => [key, i])), golden.names);
    if (found === null) expect(values).toThrow(InputError);
    else expect(golden.names.map((name) => keys[values().get(name)!] ?? null)).toEqual(found);
  });
});

test.each<[string | string[], string]>([
  [["q_porj"], `names "q_porj", which is no linear layer of this model; did you mean "q_proj"?`],
  [
    ["lm_head"],
    'names "lm_head", which is the output layer; adapters are added to linear layers of the decoder blocks only.',
  ],
  [["q_proj", "model.embed_tokens"], 'names "model.embed_tokens", which is the embedding; '],
  [["post_attention_layernorm"], 'names "post_attention_layernorm", which is a norm; '],
  [["q_norm"], 'names "q_norm", which is a norm; '],
  [["model.norm.weight"], 'names "model.norm.weight", which is a norm; '],
  [["classifier"], `names "classifier", which is no linear layer of this model; `],
  [["all-linear"], 'names "all-linear", which stands alone, in place of a list.'],
  [[], "target_modules is an empty list."],
  ["all_linear", 'target_modules "all_linear" matches no linear layer; did you mean "all-linear"?'],
  ["q_proj", `target_modules "q_proj" matches no linear layer; as a list it is ["q_proj"].`],
  ["lm_head", 'target_modules "lm_head" matches no linear layer; '],
])("target_modules %j is refused with what is possible", (target, message) => {
  expect(() => selectTargetModules(target, model)).toThrow(InputError);
  expect(() => selectTargetModules(target, model)).toThrow(message);
  expect(() => selectTargetModules(target, model)).toThrow(possible);
});

test("expressions that would not end are ended, one by one or all together", () => {
  const endless = "([a-z0-9_.]+)+!";
  expect(() => selectTargetModules(endless, model)).toThrow(/takes more than 2 seconds/);
  expect(() => valuesByPattern({ [endless]: 1 }, golden.names)).toThrow(/takes more than 2 seconds/);
  const slow = Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`absent${i}`, i]));
  expect(() => valuesByPattern(slow, golden.names)).toThrow(/takes more than 2 seconds/);
});
