/** @file `slimtune generate`: a model's answer to a prompt. */

import type { Command } from "commander";
import { openAdaptedModel } from "../node/adapters/open-adapted.ts";
import { generate } from "../node/decoding/generate.ts";
import { parseWhole } from "./arguments.ts";
import { addChatOptions, readChatOptions } from "./chat-options.ts";
import { print, printAnswer } from "./output.ts";
import {
  addArithmeticOption,
  addDeviceOption,
  addSamplingOptions,
  addSpeculateOption,
  addWeightOptions,
  readArithmetic,
  readBits,
  readDevice,
} from "./writing-options.ts";

export function addGenerateCommand(program: Command): void {
  const command = program
    .command("generate")
    .description("Continue a prompt with a model, with or without an adapter.")
    .argument("<prompt>", "the prompt; a model with a chat template gets it as a user's message")
    .requiredOption("--model <path or id>", "folder, .gguf file or Hub id of the model")
    .option("--adapter <folder>", "adapter in PEFT's layout")
    .option("--max-new-tokens <n>", "longest answer in tokens", parseWhole(1), 128)
    .option("--seed <n>", "seed of the draws", parseWhole(0), 0)
    .option("--no-chat", "give the prompt as plain text, without the chat template")
    .option("--stop <text...>", "end the answer before the first of these strings")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      '\nExample:\n  slimtune generate --model model.gguf --adapter runs/math/adapter "Tom has 3 pens and buys 4. How many has he?"',
    );
  addChatOptions(command);
  addSamplingOptions(command, { temperature: 0, topP: 1 });
  addWeightOptions(command);
  addArithmeticOption(command);
  addSpeculateOption(command);
  addDeviceOption(command);
  command.action(async (prompt: string, options) => {
    const { adapter } = options;
    const device = await readDevice(options);
    const { storage, ...arithmetic } = await readArithmetic(device, options);
    const model = await openAdaptedModel(options.model, { adapter, storage, ...readChatOptions(options) });
    const text = await generate(model, prompt, {
      maxNewTokens: options.maxNewTokens,
      temperature: options.temperature,
      topP: options.topP,
      topK: options.topK,
      minP: options.minP,
      repetitionPenalty: options.repetitionPenalty,
      seed: options.seed,
      stop: options.stop ?? [],
      ...readBits(options),
      speculate: options.speculate,
      ...device,
      ...arithmetic,
      chat: options.chat ? model.tokenizer.chatTemplate !== undefined : false,
      ...(!options.json && { onText: printAnswer }),
    });
    print(options.json ? `${JSON.stringify({ prompt, text })}\n` : "\n");
  });
}
