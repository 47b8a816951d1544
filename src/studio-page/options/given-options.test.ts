import { expect, test } from "vitest";
import { methodNames } from "../../core/adapters/methods.ts";
import { objectiveNames } from "../../core/objectives/objectives.ts";
import { parseRunConfig } from "../../node/training/run-config.ts";
import { listRunOptions } from "../../studio/content/options.ts";
import {
  defaultOf,
  findOptions,
  formatOption,
  isOffered,
  parseOption,
  toGivenOptions,
} from "./given-options.ts";

const options = listRunOptions();
const find = (name: string) => options.find((option) => option.name === name)!;

test("what is typed is sent as config.yaml has it, in its section and of its kind", () => {
  const given = toGivenOptions(options, {
    model: "m",
    data: "d",
    "lora.r": "8",
    "lora.target_modules": "q_proj\nv_proj",
    "lora.rank_pattern": "q_proj=4\n",
    fields: "prompt=question\ncompletion=answer",
    packing: "false",
    learning_rate: "1e-3",
    segment_size: "auto",
  });
  expect(given).toEqual({
    model: "m",
    data: "d",
    lora: { r: 8, target_modules: ["q_proj", "v_proj"], rank_pattern: { q_proj: 4 } },
    fields: { prompt: "question", completion: "answer" },
    packing: false,
    learning_rate: 1e-3,
    segment_size: "auto",
  });
  expect(() => parseRunConfig({ ...given, out: "runs/r" }, "The form")).not.toThrow();
});

test("options that the method or the objective does not have are not sent, nor those that are unknown", () => {
  const texts = {
    method: "full",
    objective: "sft",
    "lora.r": "8",
    num_generations: "4",
    nothing: "1",
    seed: " ",
  };
  expect(toGivenOptions(options, texts)).toEqual({ method: "full", objective: "sft" });
  expect(toGivenOptions(options, { ...texts, method: "dora", objective: "grpo" })).toMatchObject({
    lora: { r: 8 },
    num_generations: 4,
  });
});

test("every default is shown so that it is read back as it is", () => {
  for (const method of methodNames)
    for (const objective of objectiveNames)
      for (const option of options.filter((each) => isOffered(each, method, objective))) {
        const value = defaultOf(option, method, objective);
        if (value !== undefined && value !== null)
          expect(parseOption(option, formatOption(value)), option.name).toEqual(value);
      }
});

test("what is no number stays as it was typed, for the server to say so", () => {
  expect(parseOption(find("seed"), "seven")).toBe("seven");
});

test("an option is found by its name, its flag or its help; its name comes first", () => {
  expect(findOptions(options, "lora dropout").map(({ name }) => name)).toContain("lora.lora_dropout");
  expect(findOptions(options, "batch size")[0]!.name).toBe("batch_size");
  expect(findOptions(options, "--no-packing").map(({ name }) => name)).toEqual(["packing"]);
  expect(findOptions(options, "no such words")).toEqual([]);
});
