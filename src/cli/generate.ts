/** @file `slimtune generate`: a model's answer to a prompt. */

import { stdout } from "node:process";
import { type Command, Option } from "commander";
import { loadAdapter } from "../adapters/adapted-model.ts";
import { generate } from "../generation/generate.ts";
import { storages } from "../models/linear.ts";
import { openModel } from "../models/open-model.ts";
import { parseNumber, parseWhole } from "./arguments.ts";

export function addGenerateCommand(program: Command): void {
  program
    .command("generate")
    .description("Continue a prompt with a model, with or without an adapter.")
    .argument("<prompt>", "the prompt; a model with a chat template gets it as a user's message")
    .requiredOption("--model <path or id>", "folder, .gguf file or Hub id of the model")
    .option("--adapter <folder>", "adapter in PEFT's layout")
    .option("--max-new-tokens <n>", "longest answer in tokens", parseWhole(1), 128)
    .option("--temperature <t>", "0 takes the likeliest token; higher is more varied", parseNumber, 0)
    .option("--top-p <p>", "draw from the likeliest tokens of this total probability", parseNumber, 1)
    .option("--seed <n>", "seed of the draws", parseWhole(0), 0)
    .option("--no-chat", "give the prompt as plain text, without the chat template")
    .addOption(new Option("--storage <kind>", "how weights are kept").choices(storages).default("float32"))
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      '\nExample:\n  slimtune generate --model model.gguf --adapter runs/math/adapter "Tom has 3 pens and buys 4. How many has he?"',
    )
    .action(async (prompt: string, options) => {
      const base = await openModel(options.model, { storage: options.storage });
      const model = options.adapter === undefined ? base : loadAdapter(base, options.adapter);
      const text = await generate(model, prompt, {
        maxNewTokens: options.maxNewTokens,
        temperature: options.temperature,
        topP: options.topP,
        seed: options.seed,
        chat: options.chat ? model.tokenizer.chatTemplate !== undefined : false,
        ...(!options.json && { onText: (piece: string) => void stdout.write(piece) }),
      });
      stdout.write(options.json ? `${JSON.stringify({ prompt, text })}\n` : "\n");
    });
}
