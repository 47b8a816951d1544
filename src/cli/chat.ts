/** @file `slimtune chat`: a conversation with a model in the terminal. */

import { randomInt } from "node:crypto";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Command } from "commander";
import { showControls } from "../core/control-characters.ts";
import { type Conversation, createConversation } from "../core/decoding/conversation.ts";
import type { Generation } from "../core/decoding/generator.ts";
import { DamagedModelError, InputError } from "../core/errors.ts";
import { openAdaptedModel } from "../node/adapters/open-adapted.ts";
import { createGenerator } from "../node/decoding/generate.ts";
import { parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { asWritten } from "./output.ts";
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

export function addChatCommand(program: Command): void {
  const command = program
    .command("chat")
    .description("Talk to a model, with or without an adapter.")
    .requiredOption("--model <path or id>", "folder, .gguf file or Hub id of the model")
    .option("--adapter <folder>", "adapter in PEFT's layout")
    .option("--system <text>", "message that comes before the conversation")
    .option("--max-new-tokens <n>", "longest answer in tokens", parseWhole(1), 512)
    .option("--seed <n>", "seed of the draws; by default another each time", parseWhole(0))
    .option("--stats", "tell after each answer how fast it was written")
    .addHelpText(
      "after",
      `
Commands within the conversation: ${commandHelp}.
Ctrl-C stops an answer, and leaves where none is being written. Lines that are piped in are answered one by one.
When the conversation no longer fits into the model's context, its oldest turns are dropped, and you are told.

Example:
  slimtune chat --model model.gguf --adapter runs/math/adapter --system "Answer in one sentence."`,
    );
  addChatOptions(command);
  addSamplingOptions(command, { temperature: 0.7, topP: 0.95 });
  addWeightOptions(command);
  addArithmeticOption(command);
  addSpeculateOption(command);
  addDeviceOption(command);
  command.action(
    async ({
      model: path,
      adapter,
      storage: kept,
      arithmetic,
      bits,
      exact,
      speculate,
      verbose: _,
      ...given
    }) => {
      const { chatTemplate, date, device, stats, seed = randomInt(2 ** 32), ...options } = given;
      const where = await readDevice({ device });
      const { storage, ...choice } = await readArithmetic(where, { storage: kept, arithmetic });
      const model = await openAdaptedModel(path, { adapter, storage, chatTemplate, date });
      const generator = createGenerator(model, {
        batchSize: 1,
        speculate,
        ...readBits({ bits, exact }),
        ...choice,
        ...where,
      });
      const { stdin, stdout, stderr } = process;
      try {
        await chat(createConversation(generator, model, { ...options, seed }), {
          stats,
          input: stdin,
          output: stdout,
          notices: stderr,
          terminal: stdin.isTTY === true && stdout.isTTY === true,
        });
      } finally {
        await generator.close();
      }
    },
  );
}

const commandHelp = "/reset begins anew, /exit leaves, /help lists these";

/** Where a conversation is held. */
export interface ChatStreams {
  readonly input: Readable;
  /** Gets the answers. */
  readonly output: Writable & { readonly isTTY?: boolean };
  /** Gets everything else that is said. */
  readonly notices: Writable;
  /** Whether someone types at a terminal: there is a prompt, and Ctrl-C comes as a key. */
  readonly terminal: boolean;
  /** Whether the speed of each answer is told. Default false. */
  readonly stats?: boolean;
}

/**
 * Answers each line of the input until it ends or someone leaves.
 *
 * @throws DamagedModelError if the model is damaged.
 */
export async function chat(
  conversation: Conversation,
  { input, output, notices, terminal, stats = false }: ChatStreams,
): Promise<void> {
  const say = (text: string) => void notices.write(`${showControls(text)}\n`);

  async function answer(question: string, signal: AbortSignal): Promise<void> {
    const started = performance.now();
    const generation = await conversation.ask(question, {
      signal,
      onPiece: ({ text }) => void output.write(asWritten(output, text)),
      onForgotten: (count) =>
        say(
          `(The context is full: the model no longer sees the oldest ${count === 1 ? "turn" : `${count} turns`}.)`,
        ),
    });
    output.write("\n");
    if (generation?.finishReason === "length") say("(The answer is cut off: it reached its longest.)");
    if (stats && generation) say(describeSpeed(generation, (performance.now() - started) / 1000));
  }

  let answering: AbortController | undefined;
  const lines = createInterface({ input, terminal, ...(terminal && { output }), prompt: "> " });
  lines.on("SIGINT", () => {
    if (answering && !answering.signal.aborted) answering.abort();
    else lines.close();
  });
  if (terminal) {
    say(`${commandHelp}; Ctrl-C stops an answer.`);
    lines.prompt();
  }
  for await (const line of lines) {
    const text = line.trim();
    if (text === "/exit") break;
    if (text === "/help") {
      say(commandHelp);
    } else if (text === "/reset") {
      conversation.reset();
    } else if (text.startsWith("/")) {
      say(`There is no command ${text}: ${commandHelp}.`);
    } else if (text !== "") {
      answering = new AbortController();
      try {
        await answer(text, answering.signal);
      } catch (error) {
        if (!(error instanceof InputError) || error instanceof DamagedModelError) throw error;
        say(error.message);
      }
      answering = undefined;
    }
    if (terminal) lines.prompt();
  }
  lines.close();
  if (terminal) output.write("\n");
}

function describeSpeed({ completionTokens }: Generation, seconds: number): string {
  const speed = (completionTokens / seconds).toFixed(1);
  return `(${completionTokens} tokens in ${seconds.toFixed(1)} s: ${speed} tokens/s)`;
}
