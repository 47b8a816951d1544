/**
 * @file Golden token ids by llama.cpp, an implementation of GGUF's tokenizers that shares no code with the others.
 *
 * Usage: node tokenization-llama-cpp.mjs FOLDER SMOLLM2, where FOLDER is what `tokenization.py --gguf` wrote and
 * SMOLLM2 is SmolLM2-135M-Instruct as GGUF. Writes fixtures/tokenization/llama-cpp-ids.json.
 *
 * node-llama-cpp 3.22.1
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const fixtures = new URL("../fixtures/tokenization/", import.meta.url);
const [folder, smollm2] = process.argv.slice(2);
const texts = JSON.parse(readFileSync(new URL("texts.json", fixtures), "utf8"));
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const names = ["gpt2", "smollm", "llama3", "qwen2", "llama2", "default"];
const files = { ...Object.fromEntries(names.map((name) => [name, join(folder, `${name}.gguf`)])), smollm2 };
const ids = {};
for (const [name, modelPath] of Object.entries(files)) {
  const model = await llama.loadModel({ modelPath, vocabOnly: true });
  ids[name] = texts.map((text) => model.tokenize(text, true));
  await model.dispose();
}
writeFileSync(new URL("llama-cpp-ids.json", fixtures), `${JSON.stringify(ids)}\n`);
process.exit();
