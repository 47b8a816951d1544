/** @file The HTTP interface: OpenAI's endpoints over a generator. */

import { type Context, Hono, type MiddlewareHandler } from "hono";
import type { Generator } from "../core/decoding/generator.ts";
import { InputError } from "../core/errors.ts";
import { requireAllowedOrigin, requireKey, requireLoopbackHost } from "./access.ts";
import { type AnswerContext, type AnswerFormat, answer } from "./answer.ts";
import { ApiError } from "./api-error.ts";
import { formatChat } from "./chat-completions.ts";
import { formatCompletion } from "./completions.ts";
import type { Endpoint, PreparedRequest } from "./prepare-request.ts";
import { EngineLostError } from "./remote-generator.ts";
import { createBodyReader } from "./request-body.ts";
import type { RequestThread } from "./request-thread.ts";
import type { RunningRequests } from "./running-requests.ts";
import type { ModelNames } from "./served-model.ts";

export interface AppOptions {
  readonly names: ModelNames;
  /** Checks and encodes a request. */
  readonly prepare: RequestThread["prepare"];
  readonly generator: Pick<Generator, "generate">;
  readonly running: RunningRequests;
  /** Whether the server can only be reached from its own machine. */
  readonly loopback: boolean;
  /** Whether the engine has loaded its model. Default: it has. */
  readonly isReady?: () => boolean;
  /** Asked of every caller. Default: none. */
  readonly apiKey?: string;
  /** Origins of web pages that may call. Default: none. */
  readonly allowedOrigins?: readonly string[];
  /** Takes errors that are the server's own fault. Default: nobody does. */
  readonly onUnexpectedError?: (error: unknown) => void;
}

/** The server's routes; `app.fetch` answers a request. */
export function createApp(options: AppOptions): Hono {
  const { names, prepare, generator, running, loopback, isReady = () => true } = options;
  const { apiKey, allowedOrigins = [], onUnexpectedError = () => {} } = options;
  const describeError = (error: unknown): ApiError => {
    const described = toApiError(error);
    if (described.status === 500 && described !== error) onUnexpectedError(error);
    return described;
  };
  const context: AnswerContext = { generator, running, describeError };
  const models = listModels(names);
  const bodies = createBodyReader();

  async function complete(
    c: Context,
    endpoint: Endpoint,
    format: (request: PreparedRequest) => AnswerFormat,
  ): Promise<Response> {
    running.check();
    const { raw } = c.req;
    const request = await bodies.read(raw, (body) => prepare(endpoint, body, raw.signal));
    return answer(request, format(request), raw.signal, context);
  }

  const app = new Hono();
  if (loopback) app.use(requireLoopbackHost);
  app.use(requireAllowedOrigin(allowedOrigins));
  if (apiKey !== undefined) app.use("/v1/*", requireKey(apiKey));

  app.get("/health", (c) => (isReady() ? c.json({ status: "ok" }) : c.json({ status: "loading" }, 503)));
  app.get("/v1/models", (c) => c.json({ object: "list", data: models }));
  app.get("/v1/models/:id{.+}", (c) => {
    const model = models.find(({ id }) => id === c.req.param("id"));
    if (model) return c.json(model);
    const message = `There is no model ${JSON.stringify(c.req.param("id"))} here.`;
    throw new ApiError(404, message, { param: "model", code: "model_not_found" });
  });
  app.post("/v1/chat/completions", (c) => complete(c, "chat", formatChat));
  app.post("/v1/completions", (c) => complete(c, "completion", formatCompletion));

  app.all("/health", refuseMethod("GET"));
  app.all("/v1/models/*", refuseMethod("GET"));
  app.all("/v1/chat/completions", refuseMethod("POST"));
  app.all("/v1/completions", refuseMethod("POST"));
  app.notFound((c) => {
    throw new ApiError(404, `There is no ${c.req.path} here.`, { code: "unknown_url" });
  });
  app.onError((error, c) => {
    const described = describeError(error);
    return c.json(described.toJSON(), described.status, described.details.headers);
  });
  return app;
}

function refuseMethod(allowed: string): MiddlewareHandler {
  return (c) => {
    throw new ApiError(405, `${c.req.path} takes ${allowed}, not ${c.req.method}.`, {
      headers: { allow: allowed },
    });
  };
}

function listModels({ id, adapters }: ModelNames) {
  const created = Math.floor(Date.now() / 1000);
  const describe = (model: string, root: string) => ({
    id: model,
    object: "model",
    created,
    owned_by: "slimtune",
    root,
  });
  return [describe(id, id), ...adapters.map((name) => describe(name, id))];
}

function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof InputError) return new ApiError(400, error.message);
  if (error instanceof EngineLostError) return new ApiError(503, error.message, { code: "engine_lost" });
  // A client that went away does not read what it gets.
  if (error instanceof Error && error.name === "AbortError") return new ApiError(503, "Cancelled.");
  return new ApiError(500, "The server failed; its log says why.");
}
