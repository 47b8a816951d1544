/** @file Writes a plain model as a GGUF file, by llama.cpp's conventions. */

import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { listTensors } from "../../core/architectures/modules.ts";
import { InputError } from "../../core/errors.ts";
import type { GgufTensorToWrite, GgufValueToWrite } from "../../core/formats/gguf-encoding.ts";
import {
  encodeGgufConfig,
  ggufConversion,
  ggufRotaryTensors,
  ggufTensorNames,
} from "../../core/models/gguf-model.ts";
import { chooseTensorType, fileTypes, type GgufFileType } from "../../core/models/gguf-tensor-types.ts";
import type { Model } from "../../core/models/model.ts";
import { readTokenizerFiles } from "../../core/tokenization/hugging-face.ts";
import { encodeGgufTokenizer } from "../../core/tokenization/to-gguf.ts";
import { openSourceFolder } from "../files/byte-source.ts";
import { openGgufFile, writeGguf } from "../formats/gguf.ts";

/**
 * Writes `model` with the given weights as one GGUF file: matrices in the types that llama.cpp gives them in such
 * a file, vectors in float32. The metadata of a model that came as GGUF are carried over, its tokenizer unchanged.
 *
 * @param tensor the weights by Hugging Face's names, asked for one at a time
 * @throws InputError if the file exists or is not named *.gguf, or GGUF cannot express the model or its tokenizer.
 */
export async function writeGgufModel(
  path: string,
  model: Model,
  fileType: GgufFileType,
  tensor: (name: string) => Float32Array | Promise<Float32Array>,
): Promise<void> {
  checkGgufPath(path);
  const { config } = model;
  const isFolder = statSync(model.path).isDirectory();
  const metadata = await (isFolder ? describeFolder(model) : copyMetadata(model.path));
  metadata
    .set("general.type", "model")
    .set("general.file_type", fileTypes[fileType].number)
    // Of ggml's quantized formats.
    .set("general.quantization_version", 2);
  if (!isFolder && model.tokenizerFiles) describeTokenizer(model, metadata);
  const { chatTemplate } = model.tokenizer;
  if (chatTemplate !== undefined) metadata.set("tokenizer.chat_template", chatTemplate);

  const tensors = listTensors(config).flatMap(({ name, shape: [rows, ...inner] }): GgufTensorToWrite[] => {
    const conversion = ggufConversion(config, name);
    const names = ggufTensorNames(config, name);
    const shape = [rows! / names.length, ...inner];
    return names.map((part, index) => ({
      name: part,
      type: chooseTensorType(fileType, { name, shape }, config),
      shape,
      data: async () => {
        const values = await tensor(name);
        const converted = conversion?.toGguf(values) ?? values;
        const size = converted.length / names.length;
        return converted.subarray(index * size, (index + 1) * size);
      },
    }));
  });
  for (const [name, values] of Object.entries(ggufRotaryTensors(config)))
    tensors.push({ name, type: "F32", shape: [values.length], data: () => values });
  await writeGguf(path, metadata, tensors);
}

/** @throws InputError if a GGUF file cannot be written under this name. */
export function checkGgufPath(path: string): void {
  if (!path.endsWith(".gguf"))
    throw new InputError(`A GGUF file's name ends in ".gguf", but ${path} does not.`);
  if (existsSync(path)) throw new InputError(`The output file ${path} exists; choose another name.`);
}

async function describeFolder({
  name,
  path,
  config,
  tokenizerFiles,
}: Model): Promise<Map<string, GgufValueToWrite>> {
  const tokenizer = encodeGgufTokenizer(
    tokenizerFiles ?? (await readTokenizerFiles(openSourceFolder(path))),
    config.vocabSize,
    basename(name),
    join(path, "tokenizer.json"),
  );
  return new Map<string, GgufValueToWrite>([...encodeGgufConfig(config), ...tokenizer]);
}

/** Puts a tokenizer with more tokens, and the size of the vocabulary, in the place of a GGUF file's. */
function describeTokenizer(
  { name, path, config, tokenizerFiles }: Model,
  metadata: Map<string, GgufValueToWrite>,
): void {
  const tokenizer = encodeGgufTokenizer(tokenizerFiles!, config.vocabSize, basename(name), path);
  for (const [key, value] of tokenizer) metadata.set(key, value);
  for (const key of metadata.keys()) if (key.endsWith(".vocab_size")) metadata.set(key, config.vocabSize);
}

/** The metadata of a GGUF file as they are, but for those that tell how it is stored. */
async function copyMetadata(path: string): Promise<Map<string, GgufValueToWrite>> {
  const file = await openGgufFile(path);
  const keys = [...file.metadata.keys()].filter(
    (key) => !/^(general\.alignment$|split\.|quantize\.)/.test(key),
  );
  const copied = new Map<string, GgufValueToWrite>();
  for (const key of keys) copied.set(key, await file.readEncodedValue(key));
  file.close();
  return copied;
}
