/** @file Serves a model: the engine in its process, HTTP in this one. */

import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import type { Hono } from "hono";
import { InputError } from "../core/errors.ts";
import type { ChatSettings } from "../core/tokenization/chat-template.ts";
import { readAdapterTemplate } from "../node/adapters/peft-files.ts";
import { openCheckpoint } from "../node/models/checkpoint.ts";
import { resolveModel } from "../node/models/hub-model.ts";
import { isLoopback } from "./access.ts";
import { createApp } from "./app.ts";
import { type EngineOptions, startEngine } from "./engine-process.ts";
import { listen } from "./http-server.ts";
import type { EngineLostError } from "./remote-generator.ts";
import { startRequestThread } from "./request-thread.ts";
import { createRunningRequests } from "./running-requests.ts";
import type { ModelNames } from "./served-model.ts";

export interface ServeOptions extends Omit<EngineOptions, "adapters">, ChatSettings {
  /** Folders of adapters, by the ids under which they are offered. Default: none. */
  readonly adapters?: EngineOptions["adapters"];
  /** Default 127.0.0.1: only this machine can reach the server. */
  readonly host?: string;
  /** 0 takes any that is free. Default 8000. */
  readonly port?: number;
  /** The most texts that are written or wait at any time; requests beyond are refused. Default 1000. */
  readonly maxQueue?: number;
  /** Asked of every caller. Default: none. */
  readonly apiKey?: string;
  /** Origins of web pages that may call. Default: none. */
  readonly allowedOrigins?: readonly string[];
  /** Takes errors that are the server's own fault. Default: nobody does. */
  readonly onUnexpectedError?: (error: unknown) => void;
}

export interface ModelServer {
  /** Such as "http://127.0.0.1:8000". */
  readonly url: string;
  /** Ids of the base model and of the adapters. */
  readonly modelIds: readonly string[];
  /** Fulfilled when the model is loaded. @throws InputError if it cannot be. */
  readonly ready: Promise<void>;
  /** Fulfilled if the engine's process ends by itself; what is left to do then is to stop. */
  readonly lost: Promise<EngineLostError>;
  /** Takes no more requests, gives those under way a few seconds to finish, and ends. */
  stop(): Promise<void>;
  /** Ends the engine's process at once. */
  kill(): void;
}

/** A model behind routes, which somebody has to listen for. */
export interface OpenedModel extends Pick<ModelServer, "modelIds" | "ready" | "lost" | "kill"> {
  readonly app: Hono;
  isReady(): boolean;
  /** Takes no more requests; fulfilled when those under way are finished or, after so many milliseconds, aborted. */
  drain(grace: number): Promise<void>;
  /** Ends the engine's process. */
  close(): Promise<void>;
}

/** Milliseconds that requests have to finish when the server stops. */
const grace = 5000;

/**
 * Listens at once and loads the model; requests that come before it is loaded wait for it.
 *
 * @throws InputError if there is no such model, the key is empty, or the address cannot be listened on.
 * @example
 * const server = await serveModel({ model: "fixtures/embedded-model", adapters: { faq: "runs/faq/adapter" }, port: 0 });
 * await server.ready;
 * const answer = await fetch(`${server.url}/v1/models`);
 * await server.stop();
 */
export async function serveModel(options: ServeOptions): Promise<ModelServer> {
  const { port = 8000, ...opening } = options;
  const { host = "127.0.0.1" } = opening;
  const { app, modelIds, ready, lost, kill, isReady, drain, close } = await openServedModel(opening);
  const http = await listen(app, host, port).catch(async (error) => {
    kill();
    await close();
    throw error;
  });
  return {
    url: http.url,
    ...{ modelIds, ready, lost, kill },
    async stop() {
      await http.close(drain(isReady() ? grace : 0));
      await close();
    },
  };
}

/**
 * Loads a model and gives its routes; requests that come before it is loaded wait for it.
 *
 * @throws InputError if there is no such model, or the key is empty.
 */
export async function openServedModel(options: Omit<ServeOptions, "port">): Promise<OpenedModel> {
  const { host = "127.0.0.1", maxQueue = 1000, adapters = {}, ...others } = options;
  const { apiKey, allowedOrigins, onUnexpectedError, chatTemplate, date, ...engineOptions } = others;
  if (apiKey === "") throw new InputError("The API key is empty; set one, or leave it out to ask for none.");
  const path = await resolveModel(options.model);
  const names = nameModels(options.model, Object.keys(adapters));
  // What is no model is said before anything is started.
  (await openCheckpoint(path)).close();

  const engine = startEngine({ ...engineOptions, adapters, model: path });
  const requests = startRequestThread({
    path,
    ...names,
    maxTexts: maxQueue,
    templates: chatTemplate === undefined ? readTemplates(adapters) : {},
    chat: { chatTemplate, date },
  });
  let isReady = false;
  const ready = Promise.all([engine.ready, requests.ready]).then(() => {
    isReady = true;
  });
  // Whoever stops before it is ready need not wait for it.
  ready.catch(() => {});
  const running = createRunningRequests(maxQueue);
  const app = createApp({
    names,
    prepare: requests.prepare,
    generator: engine,
    running,
    loopback: isLoopback(host),
    isReady: () => isReady,
    ...(apiKey !== undefined && { apiKey }),
    ...(allowedOrigins && { allowedOrigins }),
    ...(onUnexpectedError && { onUnexpectedError }),
  });
  return {
    app,
    modelIds: [names.id, ...names.adapters],
    ready,
    lost: engine.lost,
    isReady: () => isReady,
    drain: running.drain,
    close: async () => void (await Promise.all([engine.close(), requests.stop()])),
    kill: engine.kill,
  };
}

/** The id under which a model is served; a path is known by its last part. */
export function idOfModel(name: string): string {
  return existsSync(name) ? basename(resolve(name), ".gguf") : name;
}

/** What is served under which ids. */
function nameModels(name: string, adapters: readonly string[]): ModelNames {
  const id = idOfModel(name);
  if (adapters.includes(id)) {
    throw new InputError(`The adapter ${id} has the name of the base model; give it another name.`);
  }
  return { id, adapters };
}

/** The chat templates of those adapters that have their own. */
function readTemplates(adapters: Readonly<Record<string, string>>): Record<string, string> {
  const templates = Object.entries(adapters).flatMap(([name, folder]) => {
    const template = readAdapterTemplate(folder);
    return template === undefined ? [] : [[name, template] as const];
  });
  return Object.fromEntries(templates);
}
