/** @file A model's files on disk. */

import { existsSync, statSync } from "node:fs";
import { InputError } from "../../core/errors.ts";
import { type Checkpoint, openFolderCheckpoint } from "../../core/models/checkpoint.ts";
import { openGgufCheckpoint } from "../../core/models/gguf-checkpoint.ts";
import { openSource, openSourceFolder } from "../files/byte-source.ts";

/**
 * Opens a model's folder or GGUF file.
 *
 * @throws InputError if there is none at `path`, or it is damaged or not supported.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  if (!existsSync(path)) throw new InputError(`There is no model at ${path}.`);
  if (statSync(path).isDirectory()) return openFolderCheckpoint(openSourceFolder(path));
  if (path.endsWith(".gguf")) return openGgufCheckpoint(openSource(path));
  throw new InputError(`${path} is neither a model folder nor a .gguf file.`);
}
