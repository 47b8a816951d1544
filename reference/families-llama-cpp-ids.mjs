/**
 * @file Compares llama.cpp's token ids with those of Hugging Face's tokenizers.
 *
 * Usage: node families-llama-cpp-ids.mjs FOLDER [GEMMA3], where FOLDER is what `families_tokenization.py --gguf` wrote and
 * GEMMA3 is Gemma 3 270M as GGUF. Prints every text of which they differ: none with the tiny tokenizers; with Gemma 3's runs of
 * more than 31 spaces, and SentencePiece's marks of spaces where the text itself holds several.
 *
 * node-llama-cpp 3.22.1
 */

import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [folder, gemma3] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const files = readdirSync(folder).map((file) => [basename(file, ".gguf"), join(folder, file)]);
if (gemma3) files.push(["gemma3-270m", gemma3]);
for (const [name, modelPath] of files) {
  const golden = new URL(`../fixtures/reference/tokenizers/${name}.json`, import.meta.url);
  const { texts, ids } = JSON.parse(readFileSync(golden, "utf8"));
  const model = await llama.loadModel({ modelPath, vocabOnly: true });
  const found = texts.map((text) => model.tokenize(text, true).join(" "));
  const differing = texts.filter((_, i) => found[i] !== ids[i].join(" "));
  console.log(`${name}: ${differing.length} of ${texts.length} differ`, JSON.stringify(differing));
  await model.dispose();
}
process.exit();
