/** @file A model by path or by its id on the Hub. */

import { existsSync } from "node:fs";
import { InputError } from "../errors.ts";
import { fetchFromHub, type HubOptions, isHubId } from "../formats/hub.ts";

/** What of a model's repository is needed: configuration, tokenizer, safetensors; nothing that could be executed. */
const needed = /^(?:[\w.-]+\.json|chat_template\.jinja|model(?:-\d+-of-\d+)?\.safetensors)$/;

/**
 * The path of a model: `nameOrPath` itself if it exists, else the cached files of the Hub's model of that id.
 *
 * @throws InputError if it is neither.
 */
export async function resolveModel(nameOrPath: string, options: HubOptions = {}): Promise<string> {
  if (existsSync(nameOrPath)) return nameOrPath;
  if (!isHubId(nameOrPath)) throw new InputError(`There is no model at ${nameOrPath}.`);
  return fetchFromHub({ type: "model", name: nameOrPath }, (path) => needed.test(path), options);
}
