/** @file Text that belongs to no task, on which a tuned model is compared with its base. */

import { statSync } from "node:fs";
import { InputError } from "../core/errors.ts";
import { createRandom } from "../core/random.ts";
import { writeDocument } from "../miniature/pretraining-text.ts";
import { readText } from "../node/files/read.ts";

/** Unlike the seed of the corpus that the embedded model was trained on. */
const heldOutSeed = 2025;

/**
 * Reads a plain text file in UTF-8 whole, such as a few articles of WikiText.
 *
 * @throws InputError if there is no such file, or it has no text or is not in UTF-8.
 * @example
 * const text = readNeutralText("articles.txt");
 */
export function readNeutralText(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) throw new InputError(`There is no file ${path}.`);
  const text = readText(path);
  if (text.trim() === "") throw new InputError(`${path} holds no text.`);
  return text;
}

/**
 * Text of the kind that the embedded model was trained on, which it has not seen. To other models its small world is
 * strange: give them a text of their own language.
 *
 * @param documents of some 100 words each. Default 64.
 * @example
 * const text = writeNeutralText(16);
 */
export function writeNeutralText(documents = 64): string {
  return Array.from({ length: documents }, (_, i) => writeProse(i)).join("\n\n");
}

/** Chats, of which a few are among the documents, would be part of what is tuned. */
function writeProse(document: number): string {
  for (let attempt = 0; ; attempt++) {
    const text = writeDocument(createRandom(heldOutSeed, document, attempt));
    if (!text.startsWith("<|turn|>")) return text;
  }
}
