/** @file The program of the thread that prepares requests: opens the tokenizer, then answers one message after the other. */

import { parentPort, workerData } from "node:worker_threads";
import { longestCachedText } from "../core/engine/layer-context.ts";
import { toFailure } from "../core/failure.ts";
import { withChatSettings } from "../core/tokenization/chat-template.ts";
import { openCheckpoint } from "../node/models/checkpoint.ts";
import { ApiError } from "./api-error.ts";
import { prepareRequest } from "./prepare-request.ts";
import type { FromThread, RequestThreadOptions, ToThread } from "./request-thread.ts";
import { createServedModel, type ServedModel } from "./served-model.ts";

const send = (message: FromThread) => parentPort!.postMessage(message);

async function open({ path, chat = {}, ...options }: RequestThreadOptions): Promise<ServedModel> {
  const checkpoint = await openCheckpoint(path);
  try {
    return createServedModel({
      ...options,
      tokenizer: withChatSettings(await checkpoint.tokenizer(), chat),
      contextLength: longestCachedText(checkpoint.config),
    });
  } finally {
    checkpoint.close();
  }
}

function answer(served: ServedModel, { endpoint, body }: ToThread): FromThread {
  try {
    return { type: "prepared", request: prepareRequest(served, endpoint, body) };
  } catch (error) {
    if (!(error instanceof ApiError)) return { type: "error", ...toFailure(error) };
    const { status, message, details } = error;
    return { type: "refused", status, message, details };
  }
}

try {
  const served = await open(workerData as RequestThreadOptions);
  parentPort!.on("message", (message: ToThread) => send(answer(served, message)));
  send({ type: "ready" });
} catch (error) {
  send({ type: "failed", ...toFailure(error) });
}
