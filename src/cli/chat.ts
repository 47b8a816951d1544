/** @file `slimtune chat`: a conversation with a model in the terminal. */

import { randomInt } from "node:crypto";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Command } from "commander";
import { loadAdapter } from "../core/adapters/adapted-model.ts";
import { showControls } from "../core/control-characters.ts";
import { createGenerator } from "../core/decoding/batch-generator.ts";
import type { Generation, GenerationRequest, Generator } from "../core/decoding/generator.ts";
import { encodeChat } from "../core/decoding/prompt.ts";
import { checkSampling } from "../core/decoding/sample.ts";
import { longestCachedText } from "../core/engine/layer-context.ts";
import { DamagedModelError, InputError } from "../core/errors.ts";
import type { ChatMessage } from "../core/tokenization/chat-template.ts";
import type { Tokenizer } from "../core/tokenization/tokenizer.ts";
import { adjustChat, openModel } from "../node/models/open-model.ts";
import { parseWhole } from "./arguments.ts";
import { addChatOptions } from "./chat-options.ts";
import { asWritten } from "./output.ts";
import { addSamplingOptions, addWeightOptions, readBits } from "./writing-options.ts";

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
  command.action(async ({ model: path, adapter, storage, bits, exact, verbose: _, ...given }) => {
    const { chatTemplate, date, ...options } = given;
    const base = await openModel(path, { storage });
    const adapted = adapter === undefined ? base : loadAdapter(base, adapter);
    const model = adjustChat(adapted, { chatTemplate, date });
    const generator = createGenerator(model, { batchSize: 1, ...readBits({ bits, exact }) });
    const { stdin, stdout, stderr } = process;
    try {
      await chat(generator, model.tokenizer, longestCachedText(model.config), options, {
        input: stdin,
        output: stdout,
        notices: stderr,
        terminal: stdin.isTTY === true && stdout.isTTY === true,
      });
    } finally {
      await generator.close();
    }
  });
}

const commandHelp = "/reset begins anew, /exit leaves, /help lists these";

export interface ChatOptions extends Omit<GenerationRequest, "promptIds" | "adapter" | "stop" | "logprobs"> {
  readonly system?: string;
  /** Whether the speed of each answer is told. */
  readonly stats?: boolean;
}

/** Where a conversation is held. */
export interface ChatStreams {
  readonly input: Readable;
  /** Gets the answers. */
  readonly output: Writable & { readonly isTTY?: boolean };
  /** Gets everything else that is said. */
  readonly notices: Writable;
  /** Whether someone types at a terminal: there is a prompt, and Ctrl-C comes as a key. */
  readonly terminal: boolean;
}

/**
 * Answers each line of the input until it ends or someone leaves.
 *
 * @throws InputError if the model has no chat template or is damaged, or an option is out of its range.
 */
export async function chat(
  generator: Generator,
  tokenizer: Tokenizer,
  contextLength: number,
  options: ChatOptions,
  { input, output, notices, terminal }: ChatStreams,
): Promise<void> {
  const { system, stats = false, seed = randomInt(2 ** 32), ...settings } = options;
  const opening: readonly ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }];
  checkSampling(settings);
  // Says at once if there is no template, or it wants no system message.
  encodeChat(tokenizer, [...opening, { role: "user", content: "" }]);
  const say = (text: string) => void notices.write(`${showControls(text)}\n`);

  /** The turns so far: a question, its answer, and so on. */
  let turns: ChatMessage[] = [];
  let answered = 0;

  /** Token ids of the conversation with a new question, without the oldest turns if need be. */
  function encode(question: ChatMessage): number[] {
    const room = Math.min(settings.maxNewTokens, Math.floor(contextLength / 4));
    let kept = turns;
    let ids = encodeChat(tokenizer, [...opening, ...kept, question]);
    while (ids.length > contextLength - room && kept.length > 0) {
      kept = kept.slice(2);
      ids = encodeChat(tokenizer, [...opening, ...kept, question]);
    }
    if (ids.length >= contextLength) {
      throw new InputError(
        `The question has ${ids.length} tokens, but the model's context is ${contextLength}; shorten it.`,
      );
    }
    const dropped = (turns.length - kept.length) / 2;
    if (dropped > 0) {
      say(
        `(The context is full: the model no longer sees the oldest ${dropped === 1 ? "turn" : `${dropped} turns`}.)`,
      );
    }
    turns = kept;
    return ids;
  }

  /** Writes the answer; what was written of it stays in the conversation if it is stopped. */
  async function answer(text: string, signal: AbortSignal): Promise<void> {
    const question = { role: "user", content: text };
    const promptIds = encode(question);
    const started = performance.now();
    let written = "";
    const onPiece = (piece: { readonly text: string }) => {
      written += piece.text;
      output.write(asWritten(output, piece.text));
    };
    let generation: Generation | undefined;
    try {
      generation = await generator.generate(
        { ...settings, promptIds, seed: seed + answered },
        { signal, onPiece },
      );
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    answered++;
    turns.push(question, { role: "assistant", content: written });
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
      turns = [];
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
