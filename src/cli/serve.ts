/** @file `slimtune serve`: a model behind OpenAI's HTTP interface. */

import process from "node:process";
import { inspect } from "node:util";
import { type Command, InvalidArgumentError, Option } from "commander";
import { isLoopback } from "../server/access.ts";
import { type ModelServer, serveModel } from "../server/serve.ts";
import { parsePort, parseWhole } from "./arguments.ts";
import { addChatOptions, readChatOptions } from "./chat-options.ts";
import { note, print } from "./output.ts";
import {
  addArithmeticOption,
  addDeviceOption,
  addSpeculateOption,
  addWeightOptions,
  readBits,
} from "./writing-options.ts";

export function addServeCommand(program: Command): void {
  const command = program
    .command("serve")
    .description("Serve a model, and any adapters for it, as OpenAI's API does.")
    .requiredOption("--model <path or id>", "folder, .gguf file or Hub id of the model")
    .option("--adapter <name=folder>", "adapter and the model id to offer it as; may be repeated", addAdapter)
    .option("--batch-size <n>", "texts written at a time, for each adapter", parseWhole(1), 8)
    .option(
      "--max-queue <n>",
      "texts written or waiting; requests beyond get the status 429",
      parseWhole(1),
      1000,
    )
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("--port <n>", "port to listen on; 0 takes a free one", parsePort, 8000)
    .addOption(new Option("--api-key <key>", "key that callers must send").env("SLIMTUNE_API_KEY"))
    .option("--allow-origin <origin>", "web pages that may call, or *; may be repeated", addOrigin)
    .addHelpText(
      "after",
      `
Endpoints: /v1/chat/completions, /v1/completions, /v1/models, /health (docs/serving.md).

Example:
  slimtune serve --model model.gguf --adapter math=runs/math/adapter
  curl http://127.0.0.1:8000/v1/chat/completions -d '{"model": "math", "messages": [{"role": "user", "content": "2 + 3?"}]}'`,
    );
  addChatOptions(command);
  addWeightOptions(command);
  addArithmeticOption(command);
  addSpeculateOption(command);
  addDeviceOption(command);
  command.action(async (options) => {
    const server = await serveModel({
      model: options.model,
      adapters: options.adapter ?? {},
      ...(options.storage && { storage: options.storage }),
      ...(options.arithmetic && { arithmetic: options.arithmetic }),
      ...readChatOptions(options),
      batchSize: options.batchSize,
      ...readBits(options),
      speculate: options.speculate,
      ...(options.device && { device: options.device }),
      maxQueue: options.maxQueue,
      host: options.host,
      port: options.port,
      ...(options.apiKey !== undefined && { apiKey: options.apiKey }),
      allowedOrigins: options.allowOrigin ?? [],
      onUnexpectedError: (error) => note(inspect(error)),
    });
    if (!isLoopback(options.host) && options.apiKey === undefined) {
      note(
        `Warning: whoever can reach ${options.host} can use this server, since no --api-key is set; nothing is encrypted either.`,
      );
    }
    await runUntilStopped(server, () => print(describe(server, options.apiKey !== undefined)));
  });
}

function addAdapter(text: string, adapters: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name, folder] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || folder === undefined) {
    throw new InvalidArgumentError(`"${text}" is not of the form name=folder.`);
  }
  if (Object.hasOwn(adapters, name)) throw new InvalidArgumentError(`The name ${name} is taken.`);
  return { ...adapters, [name]: folder };
}

function addOrigin(text: string, origins: readonly string[] = []): string[] {
  if (text !== "*" && !(URL.canParse(text) && new URL(text).origin === text)) {
    throw new InvalidArgumentError("It is no origin, such as http://localhost:3000.");
  }
  return [...origins, text];
}

/**
 * Waits until a signal stops the server. A second one ends it at once.
 *
 * @throws InputError if the model cannot be loaded, EngineLostError if the engine's process ends by itself.
 */
async function runUntilStopped(server: ModelServer, onReady: () => void): Promise<void> {
  let onSignal = () => {};
  const stopped = new Promise<void>((resolve) => {
    let signals = 0;
    onSignal = () => {
      if (++signals > 1) {
        server.kill();
        process.exit(130);
      }
      note("Stopping: requests under way get a few seconds (press Ctrl-C again to stop at once).");
      resolve();
    };
  });
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  const failed = server.ready
    .then(onReady)
    .then(() => server.lost)
    .then((error) => {
      throw error;
    });
  try {
    await Promise.race([stopped, failed]);
  } finally {
    await server.stop();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function describe({ url, modelIds }: ModelServer, needsKey: boolean): string {
  const key = needsKey ? ' -H "Authorization: Bearer <key>"' : "";
  const body = JSON.stringify({ model: modelIds.at(-1), messages: [{ role: "user", content: "2 + 3?" }] });
  return `Serving ${modelIds.join(", ")} at ${url}/v1; Ctrl-C stops.
Try: curl ${url}/v1/chat/completions${key} -d '${body}'
`;
}
