/** @file Servers in place of a model: "openai:http://127.0.0.1:8000/v1#name" opened by the official client. */

import process from "node:process";
import { InputError } from "../core/errors.ts";
import type { Storage } from "../core/models/linear.ts";
import type { Bits } from "./model-identity.ts";

/** A model behind a server that speaks as OpenAI's. */
export interface ServerAddress {
  readonly baseURL: string;
  /** The model's name at the server. */
  readonly model: string;
}

const scheme = "openai:";

/**
 * The server that a model's name stands for; undefined if it stands for a model on this machine or the Hub.
 *
 * @throws InputError if it begins with "openai:" and is not of the form openai:URL#name.
 */
export function parseServerAddress(name: string): ServerAddress | undefined {
  if (!name.startsWith(scheme)) return undefined;
  const [, baseURL, model] = /^openai:(https?:\/\/[^#\s]+)#(.+)$/.exec(name) ?? [];
  if (baseURL === undefined || model === undefined || !URL.canParse(baseURL)) {
    throw new InputError(
      `${name} names no server; give its address and the model's name there, as in openai:http://127.0.0.1:8000/v1#name.`,
    );
  }
  return { baseURL: baseURL.replace(/\/+$/, ""), model };
}

/**
 * @param name the server's, as it was given
 * @throws InputError if an option was given that only a model on this machine can have
 */
export function checkServedOptions(
  name: string,
  options: {
    readonly adapter?: string | undefined;
    readonly chatTemplate?: string | undefined;
    readonly storage?: Storage | undefined;
    readonly bits?: Bits | undefined;
    readonly arithmetic?: unknown;
    readonly device?: unknown;
  },
): void {
  const { adapter, chatTemplate, storage = "float32", bits, arithmetic, device } = options;
  const given = [
    ...(adapter === undefined ? [] : ["adapter"]),
    ...(chatTemplate === undefined ? [] : ["chat template"]),
    ...(storage === "float32" && bits === undefined ? [] : ["weights"]),
    ...(arithmetic === undefined ? [] : ["arithmetic"]),
    ...(device === undefined ? [] : ["device"]),
  ];
  if (given.length === 0) return;
  throw new InputError(
    `The server of ${name} has its own ${given.join(" and ")}; leave the option out, and give it to the server.`,
  );
}

/**
 * OpenAI's client for a server, which sends a request that failed for want of a connection or of room again, four times at most. Its
 * key is that of the environment variable OPENAI_API_KEY, if it is set.
 *
 * @throws InputError if the package openai is not installed.
 */
export async function openClient({ baseURL }: ServerAddress) {
  const { default: OpenAI } = await import("openai").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new InputError(
      "A server is asked by OpenAI's client, which is not installed; run npm install openai.",
    );
  });
  const apiKey = process.env.OPENAI_API_KEY || "none";
  return new OpenAI({ baseURL, apiKey, maxRetries: 4 });
}
