/** @file Talks to a model and to the adapters of finished runs: one engine at a time, behind OpenAI's interface. */

import { basename } from "node:path";
import { Hono } from "hono";
import { z } from "zod";
import { methodOf } from "../../core/adapters/methods.ts";
import { InputError } from "../../core/errors.ts";
import { renderCommand } from "../../node/command-line.ts";
import type { RunConfig } from "../../node/training/run-config.ts";
import { findResult, openRunFolder } from "../../node/training/run-folder.ts";
import { ApiError } from "../../server/api-error.ts";
import { idOfModel, type OpenedModel, openServedModel, type ServeOptions } from "../../server/serve.ts";
import type { Id, Talk, TalkRequest } from "../api.ts";
import type { StudioContext } from "../context.ts";
import { shorten } from "../job-plan.ts";
import { jsonBody } from "../json-body.ts";

const talkRequest = z.strictObject({
  model: z.string().min(1).exactOptional(),
  runs: z.array(z.string()).max(16).readonly(),
});

type EngineOptions = Required<Pick<ServeOptions, "model" | "adapters">> & Pick<ServeOptions, "storage">;

interface Engine {
  /** Tells what it was opened with. */
  readonly key: string;
  readonly opening: Promise<OpenedModel>;
  opened?: OpenedModel;
  isReady: boolean;
  /** Why it could not be opened. */
  failure?: unknown;
}

/** POST /talk and all below /talk/v1, and what ends the engine. */
export function createTalk(context: StudioContext) {
  let current: Engine | undefined;

  function start(options: EngineOptions, key: string, before: Promise<void>): Engine {
    const engine: Engine = { key, opening: before.then(() => openServedModel(options)), isReady: false };
    const follow = async () => {
      const opened = await engine.opening;
      engine.opened = opened;
      void opened.lost.then(() => end(engine));
      await opened.ready;
      engine.isReady = true;
    };
    follow().catch((error: unknown) => {
      engine.failure = error;
    });
    return engine;
  }

  /** Ends an engine with the requests that are under way; one that is being opened, as soon as it is. */
  async function end(engine: Engine | undefined): Promise<void> {
    if (engine === current) current = undefined;
    if (!engine?.opened) return void engine?.opening.then(({ close }) => close()).catch(() => {});
    await engine.opened.drain(0);
    await engine.opened.close();
  }

  const routes = new Hono()
    .post("/talk", jsonBody(talkRequest), (c) => {
      const { options, models, command } = readTalk(context, c.req.valid("json"));
      const key = JSON.stringify(options);
      if (current?.key !== key) current = start(options, key, end(current));
      const { isReady, failure } = current;
      if (failure !== undefined) {
        void end(current);
        throw failure;
      }
      return c.json({ isReady, models, command } satisfies Talk);
    })
    .all("/talk/v1/*", async (c) => {
      if (!current) {
        const error = new ApiError(404, "No model is open; open one first.");
        return c.json(error.toJSON(), error.status);
      }
      const { app } = await current.opening;
      return app.fetch(withoutPrefix(c.req.raw));
    });
  return { routes, close: () => end(current) };
}

/** A request as the engine's routes know it: the studio has checked where it is from. */
function withoutPrefix({ url, method, headers, body, signal }: Request): Request {
  const address = new URL(url);
  address.pathname = address.pathname.replace(/^.*?\/talk\//, "/");
  const kept = new Headers(headers);
  kept.delete("origin");
  return new Request(address, {
    method,
    headers: kept,
    body,
    signal,
    ...(body && { duplex: "half" as const }),
  });
}

/** What an engine is opened with, and how that is shown. @throws ApiError or InputError if it cannot be talked to. */
function readTalk(
  context: StudioContext,
  { model: given, runs: ids }: TalkRequest,
): Omit<Talk, "isReady"> & { readonly options: EngineOptions } {
  const runs = ids.map((id) => readRun(context, id));
  const [first] = runs;
  const model = given === undefined ? first?.config.model : context.admitModel(given);
  if (model === undefined) throw new InputError("Name a model to talk to, or a finished run.");
  const storage = first && first.config.storage !== "float32" ? first.config.storage : undefined;
  const models: { id: string; label: string; run?: Id }[] = [{ id: idOfModel(model), label: "base" }];
  const adapters: Record<string, string> = {};
  for (const { id: run, name, result } of runs) {
    const id = nameUniquely(name.replaceAll("=", "-"), models);
    adapters[id] = result;
    models.push({ id, label: name, run });
  }
  const command = renderCommand([
    ...["serve", "--model", shorten(model)],
    ...Object.entries(adapters).flatMap(([id, folder]) => ["--adapter", `${id}=${shorten(folder)}`]),
    ...(storage === undefined ? [] : ["--storage", storage]),
  ]);
  return { options: { model, adapters, ...(storage !== undefined && { storage }) }, models, command };
}

/** @throws InputError if the run has no adapter. */
function readRun(
  { findRun }: StudioContext,
  id: Id,
): { readonly id: Id; readonly name: string; readonly config: RunConfig; readonly result: string } {
  const path = findRun(id);
  const name = basename(path);
  const { folder, config } = openRunFolder(path);
  const result = findResult(folder, config);
  if (result === undefined) throw new InputError(`The run ${name} is not finished; resume it first.`);
  if (methodOf(config.method).yields === "model")
    throw new InputError(
      `The run ${name} has tuned the model's own weights; talk to its result, ${shorten(result)}, as a model.`,
    );
  return { id, name, config, result };
}

function nameUniquely(name: string, taken: readonly { readonly id: string }[]): string {
  const isTaken = (id: string) => taken.some((model) => model.id === id);
  for (let id = name, n = 2; ; id = `${name}-${n++}`) if (!isTaken(id)) return id;
}
