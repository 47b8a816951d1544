/** @file The writer that a model's name stands for. */

import { createHash } from "node:crypto";
import { defaultBits, type GeneratorOptions } from "../core/decoding/batch-generator.ts";
import type { Storage } from "../core/models/linear.ts";
import { adjustChat, type Model } from "../core/models/model.ts";
import { type ChatSettings, printsDate } from "../core/tokenization/chat-template.ts";
import { isoDay } from "../core/tokenization/strftime.ts";
import { type Bits, identifyModel } from "../evaluation/model-identity.ts";
import { checkServedOptions, openClient, parseServerAddress } from "../evaluation/server-address.ts";
import { loadAdapter } from "../node/adapters/load-adapter.ts";
import type { DeviceChoice } from "../node/decoding/generate.ts";
import { openModel } from "../node/models/open-model.ts";
import { createLocalWriter } from "./local-writer.ts";
import { createRemoteWriter } from "./remote-writer.ts";
import type { Writer } from "./writer.ts";

/** How a model writes. */
export interface WriterOptions extends ChatSettings, DeviceChoice, Pick<GeneratorOptions, "keptBytes"> {
  /** How the weights of a model that is opened are kept. Default "float32". */
  readonly storage?: Storage;
  /** With which weights texts are written. Default: those that are kept, or 8 bits if these are quantized. */
  readonly bits?: Bits;
  /** Texts that are written at a time, or requests that are under way at a server. Default 16. */
  readonly batchSize?: number;
  /** Whether questions are turns of a chat, or plain text. Default: if the model has a chat template; to a server always. */
  readonly chat?: boolean;
}

/**
 * Opens a model on this machine or of the Hub, or a server's: "openai:http://127.0.0.1:8000/v1#name".
 *
 * @param named a model that is open already is shared with whatever else uses it
 * @param adapter folder of an adapter in PEFT's layout
 * @throws InputError if it cannot be opened.
 *
 * @example
 * const writer = await openWriter("HuggingFaceTB/SmolLM2-135M-Instruct", undefined);
 * const messages = [{ role: "user", content: "What is 3 + 4?" }];
 * console.log((await writer.write({ messages, maxTokens: 64, seed: 0 }, new AbortController().signal)).text);
 * await writer.release();
 */
export async function openWriter(
  named: string | Model,
  adapter: string | undefined,
  options: WriterOptions = {},
): Promise<Writer> {
  const { storage: kept = "float32", batchSize = 16, keptBytes, chat } = options;
  const address = typeof named === "string" ? parseServerAddress(named) : undefined;
  if (address) {
    checkServedOptions(String(named), { ...options, adapter });
    const client = await openClient(address);
    return createRemoteWriter(client, {
      model: address.model,
      concurrency: batchSize,
      ...(chat !== undefined && { chat }),
    });
  }
  const { chatTemplate, device, date = isoDay(new Date()) } = options;
  const base = typeof named === "string" ? await openModel(named, { storage: kept }) : named;
  const adapted = adapter === undefined ? base : await loadAdapter(base, adapter);
  const model = adjustChat(adapted, { chatTemplate, date });
  const { storage } = model.weights;
  const bits = options.bits ?? defaultBits(model);
  const identity = await identifyModel(model, { storage, bits, adapter });
  const namesDate = model.tokenizer.chatTemplate !== undefined && printsDate(model.tokenizer.chatTemplate);
  const key = {
    ...{ ...identity, name: undefined, adapter: identity.adapter?.sha256, chatTemplate },
    ...(namesDate && { date }),
  };
  return createLocalWriter(model, {
    identity: createHash("sha256").update(JSON.stringify(key)).digest("hex"),
    bits,
    batchSize,
    ...(keptBytes !== undefined && { keptBytes }),
    ...(chat !== undefined && { chat }),
    ...(device && { device }),
  });
}
