/** @file Opens a model to ask it the requests of tasks. */

import { defaultBits } from "../core/decoding/batch-generator.ts";
import { InputError } from "../core/errors.ts";
import type { Storage } from "../core/models/linear.ts";
import { adjustChat, type Model } from "../core/models/model.ts";
import { printsDate } from "../core/tokenization/chat-template.ts";
import { isoDay } from "../core/tokenization/strftime.ts";
import { loadAdapter } from "../node/adapters/load-adapter.ts";
import { type Arithmetic, chooseArithmetic } from "../node/decoding/arithmetic.ts";
import { openModel } from "../node/models/open-model.ts";
import { checkDevice, type DeviceName, openDevice } from "../node/runtime/onnx-runtime.ts";
import type { LanguageModel } from "./language-model.ts";
import { createLocalModel, type LocalModel } from "./local-model.ts";
import { type Bits, identifyModel, type ModelIdentity } from "./model-identity.ts";
import { createRemoteModel } from "./remote-model.ts";
import { hash } from "./samples.ts";
import { checkServedOptions, openClient, parseServerAddress, type ServerAddress } from "./server-address.ts";

/** Which model is asked, and how. */
export interface AskingOptions {
  /** Folder, .gguf file or Hub id, or a server: "openai:http://127.0.0.1:8000/v1#name". */
  readonly model: string;
  /** Folder of an adapter in PEFT's layout. */
  readonly adapter?: string;
  /** How weights are kept. Default "float32", or "int8" with that arithmetic. */
  readonly storage?: Storage;
  /** In which arithmetic texts are read. Default "float32". */
  readonly arithmetic?: Arithmetic;
  /** With which weights texts are written. Default: those that are kept, or 8 bits if these are quantized. */
  readonly bits?: Bits;
  /** Where it is computed. Default "cpu". */
  readonly device?: DeviceName;
  /** Texts that are written at a time. */
  readonly batchSize?: number;
  /** A Jinja template in place of the model's own. */
  readonly chatTemplate?: string;
  /** The day that the chat template prints as today's. Default: today. */
  readonly date?: string;
}

/** A model that is asked, and all that its answers depend on. */
export interface OpenedModel {
  readonly model: LanguageModel;
  /** The same, if it is on this machine. */
  readonly local?: LocalModel;
  /** It without its adapter; undefined of a server's. */
  readonly base?: Model;
  readonly identity: ModelIdentity;
  /** The day that its prompts name, if they name one. */
  readonly date?: string;
  /** Whether the identity is that of its weights. What stands behind a server's name may change. */
  readonly isFixed: boolean;
  release(): Promise<void>;
}

/**
 * Opens a model on this machine or of the Hub, or a server's.
 *
 * @param options `date` names the day that a chat template prints; without it that of today
 * @throws InputError if it cannot be opened, or has no chat template where one is to be applied
 */
export async function openModelToAsk(
  options: AskingOptions,
  applyChatTemplate: boolean,
): Promise<OpenedModel> {
  const address = parseServerAddress(options.model);
  if (address) return openServedModel(address, options);
  const { device: deviceName = "cpu" } = options;
  const device = await checkDevice(openDevice(deviceName));
  const { storage, ...arithmetic } = await chooseArithmetic(device, options);
  const base = await openModel(options.model, { storage });
  const adapted = options.adapter === undefined ? base : await loadAdapter(base, options.adapter);
  const { date = isoDay(new Date()) } = options;
  const model = adjustChat(adapted, { chatTemplate: options.chatTemplate, date });
  if (applyChatTemplate && model.tokenizer.chatTemplate === undefined) {
    throw new InputError(
      `The model ${options.model} has no chat template that could be applied; evaluate it with plain prompts.`,
    );
  }
  const namesDate = applyChatTemplate && printsDate(model.tokenizer.chatTemplate!);
  const bits = options.bits ?? defaultBits(model);
  const identity = await identifyModel(base, {
    storage,
    bits,
    adapter: options.adapter,
    arithmetic: options.arithmetic,
    device: deviceName,
  });
  const local = createLocalModel(model, {
    bits,
    device,
    ...arithmetic,
    ...(options.batchSize !== undefined && { batchSize: options.batchSize }),
  });
  return {
    model: local,
    local,
    base,
    identity,
    ...(namesDate && { date }),
    isFixed: true,
    release: () => local.release(),
  };
}

async function openServedModel(address: ServerAddress, options: AskingOptions): Promise<OpenedModel> {
  const { model: name, batchSize } = options;
  checkServedOptions(name, options);
  const { baseURL, model } = address;
  return {
    model: createRemoteModel(await openClient(address), {
      model,
      ...(batchSize !== undefined && { concurrency: batchSize }),
    }),
    identity: { name, sha256: hash(`${baseURL} ${model}`), storage: "served", bits: "exact", adapter: null },
    isFixed: false,
    release: async () => {},
  };
}
