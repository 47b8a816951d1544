/** @file The Modelfile from which Ollama makes a model of an exported GGUF file: `ollama create math -f math.Modelfile`. */

import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, relative, resolve, sep } from "node:path";
import { InputError } from "../../core/errors.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import { remove, writeAside, writeWhole } from "../files/write.ts";

/** Where the Modelfile of the GGUF file `path` stands. */
export function modelfilePath(path: string): string {
  return path.replace(/\.gguf$/, ".Modelfile");
}

/**
 * Writes a Modelfile, and then the GGUF file `path` that it is of; so where there is the one, there is the other. The same
 * Modelfile may be there from an export that was interrupted.
 *
 * @param writeGguf writes the file under a temporary name, and checks it
 * @throws InputError if there is another Modelfile.
 */
export async function writeWithModelfile<T>(
  path: string,
  content: string,
  writeGguf: (temporary: string) => Promise<T>,
): Promise<T> {
  const modelfile = modelfilePath(path);
  if (existsSync(modelfile) && readFileSync(modelfile, "utf8") !== content) {
    throw new InputError(`The output file ${modelfile} exists; choose another name.`);
  }
  writeWhole(modelfile, content);
  try {
    return await writeAside(path, writeGguf);
  } catch (error) {
    if (!existsSync(path)) remove(modelfile);
    throw error;
  }
}

/**
 * The Modelfile beside the GGUF file `path`, which is a model, or an adapter on the model in `base`.
 *
 * The chat template is left to Ollama, which takes the one of its own that is nearest to what the GGUF file holds.
 */
export function describeModelfile(path: string, tokenizer: Tokenizer, base?: string): string {
  const own = `./${basename(path)}`;
  const end = tokenizer.eosTokenId === undefined ? undefined : tokenizer.tokenOf(tokenizer.eosTokenId);
  const lines = [
    ...(base === undefined
      ? [`FROM ${own}`]
      : [`FROM ${relativePath(dirname(path), base)}`, `ADAPTER ${own}`]),
    ...(end === undefined ? [] : [`PARAMETER stop "${end}"`]),
  ];
  return `${lines.join("\n")}\n`;
}

/** How Ollama finds a file from the Modelfile's folder: with slashes, and a dot in front. */
function relativePath(folder: string, path: string): string {
  const steps = relative(resolve(folder), resolve(path)).split(sep).join("/");
  return steps.startsWith(".") ? steps : `./${steps}`;
}
