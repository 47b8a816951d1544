/** @file Writes a plain model as a Hugging Face folder. */

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { architectureOf, languageConfig } from "../../core/architectures/architectures.ts";
import { listTensors } from "../../core/architectures/modules.ts";
import type { TensorToWrite } from "../../core/formats/safetensors.ts";
import type { Model } from "../../core/models/model.ts";
import { convertGgufTokenizer } from "../../core/tokenization/gguf.ts";
import { openFolderTokenizer, type TokenizerFiles } from "../../core/tokenization/hugging-face.ts";
import { openSourceFolder } from "../files/byte-source.ts";
import { anyFields, readJson } from "../files/structured.ts";
import { copyFile, writeWhole } from "../files/write.ts";
import { openGgufFile } from "../formats/gguf.ts";
import { writeSafetensors } from "../formats/safetensors.ts";

/** Files of a model folder that do not depend on the weights. */
const carriedFiles = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
];

/** Writes tokenizer.json and tokenizer_config.json. */
export function writeTokenizer(folder: string, { tokenizer, config = {} }: TokenizerFiles): void {
  for (const [name, value] of Object.entries({ tokenizer, tokenizer_config: config }))
    writeWhole(join(folder, `${name}.json`), `${JSON.stringify(value, null, 2)}\n`);
}

/**
 * Writes `model` with the given weights in float32 into a folder: config.json, model.safetensors and the tokenizer.
 *
 * @param tensor the weights by Hugging Face's names, asked for one at a time
 */
export async function writeModel(
  folder: string,
  model: Model,
  tensor: (name: string) => Float32Array | Promise<Float32Array>,
): Promise<void> {
  const tensors = listTensors(model.config).map(
    ({ name, shape }): TensorToWrite => ({ name, dtype: "float32", shape, data: () => tensor(name) }),
  );
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  const architecture = architectureOf(model.config);
  const writeJson = (name: string, value: unknown) =>
    writeWhole(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  if (statSync(model.path).isDirectory()) {
    for (const name of carriedFiles) {
      if (existsSync(join(model.path, name))) copyFile(join(model.path, name), join(folder, name));
    }
    const {
      quantization_config: _,
      dtype: __,
      ...config
    } = languageConfig(readJson(join(model.path, "config.json"), anyFields))!;
    writeJson("config.json", {
      ...config,
      model_type: architecture.modelType,
      architectures: [architecture.className],
      vocab_size: model.config.vocabSize,
      tie_word_embeddings: model.config.tieWordEmbeddings,
      torch_dtype: "float32",
    });
  } else {
    const file = await openGgufFile(model.path);
    const { tokenizer, config } = convertGgufTokenizer(file.metadata);
    file.close();
    writeJson("tokenizer.json", tokenizer);
    writeJson("tokenizer_config.json", config);
    const { bosTokenId, eosTokenId } = model.tokenizer;
    writeJson("config.json", {
      ...architecture.writeConfig(model.config),
      architectures: [architecture.className],
      torch_dtype: "float32",
      bos_token_id: bosTokenId ?? null,
      eos_token_id: eosTokenId ?? null,
    });
  }
  // The model may have been tuned in another template than its own.
  const { tokenizerFiles } = model;
  if (tokenizerFiles) writeTokenizer(folder, tokenizerFiles);
  const { chatTemplate } = model.tokenizer;
  const written = await openFolderTokenizer(openSourceFolder(folder));
  if (chatTemplate !== undefined && chatTemplate !== written.chatTemplate) {
    writeWhole(join(folder, "chat_template.jinja"), chatTemplate);
  }
}
