import { Command } from "commander";
import { expect, test } from "vitest";
import { addRunOptions, readRunOptions } from "../cli/run-options.ts";
import { renderCommand } from "../node/command-line.ts";
import type { GivenOptions } from "./api.ts";
import { runWords } from "./run-words.ts";

test("the command line reads the words as the options that they were made of", () => {
  const options: GivenOptions = {
    model: "my models/one.gguf",
    data: "faq.csv",
    fields: { prompt: "question", completion: "answer" },
    method: "dora",
    lora: { r: 8, target_modules: ["q_proj", "v_proj"], use_rslora: true },
    packing: false,
    learning_rate: 0.001,
    max_steps: 10,
    segment_size: "auto",
    sample_prompts: ["2 + 3?", "Name a, b, c"],
    sample_tokens: 8,
  };
  const { words, others } = runWords(options);
  const command = addRunOptions(new Command("tune")).exitOverride();
  command.parse(words, { from: "user" });
  expect(readRunOptions(command.opts(), command).options).toEqual(options);
  expect(others).toEqual({});
  expect(renderCommand(["tune", ...words])).toContain(
    "slimtune tune --model 'my models/one.gguf' --data faq.csv",
  );
});

test("what has no flag, or is so anyway, is no word", () => {
  const options = { packing: true, weights_on_disk: false, adam_beta1: 0.5, chat_template: "{{ x }}" };
  expect(runWords(options)).toEqual({ words: [], others: { adam_beta1: 0.5, chat_template: "{{ x }}" } });
});
