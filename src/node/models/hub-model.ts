/** @file A model by path or by its id on the Hub. */

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { anyFields, readJson } from "../files/structured.ts";
import { openGgufFile } from "../formats/gguf.ts";
import { fetchFromHub, type HubOptions, isHubId } from "../hub/hub.ts";

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

/**
 * The Hub's id of a model: `nameOrPath` itself where it is one, else what the model's files say; undefined where they do
 * not.
 */
export async function hubIdOf(nameOrPath: string): Promise<string | undefined> {
  if (!existsSync(nameOrPath)) return isHubId(nameOrPath) ? nameOrPath : undefined;
  const named = statSync(nameOrPath).isDirectory()
    ? readJson(join(nameOrPath, "config.json"), anyFields)._name_or_path
    : await sourceOf(nameOrPath);
  return typeof named === "string" && isHubId(named) && !existsSync(named) ? named : undefined;
}

async function sourceOf(path: string): Promise<unknown> {
  const file = await openGgufFile(path);
  file.close();
  return file.metadata.get("general.source.huggingface.repository");
}
