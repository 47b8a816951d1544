/** @file Adapters on disk in PEFT's layout: adapter_config.json and adapter_model.safetensors. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Adaptation, embeddingModule } from "../../core/adapters/adaptation.ts";
import type { Adapter } from "../../core/adapters/adapted-model.ts";
import type { PeftAdapter } from "../../core/adapters/method.ts";
import { peftFormats } from "../../core/adapters/methods.ts";
import { listParameters, type Parameter, type Parameters } from "../../core/adapters/parameters.ts";
import { parsePeftFields, peftPrefix } from "../../core/adapters/peft-config.ts";
import {
  type AdapterBase,
  describeAdapter,
  fileNamesOf,
  fingerprintKey,
} from "../../core/adapters/peft-encoding.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { embeddingName, headName } from "../../core/architectures/modules.ts";
import { InputError } from "../../core/errors.ts";
import { parseJson } from "../../core/formats/json-document.ts";
import { checkKeys } from "../../core/formats/known-keys.ts";
import type { SafetensorsFile } from "../../core/formats/safetensors.ts";
import { quote } from "../../core/formats/weight-file.ts";
import { renameTensors } from "../../core/models/stored-tensors.ts";
import {
  createTokenizer,
  readTokenizerFiles,
  type TokenizerFiles,
} from "../../core/tokenization/hugging-face.ts";
import { openSourceFolder } from "../files/byte-source.ts";
import { readText, readWhole } from "../files/read.ts";
import { makeFolder, writeWhole } from "../files/write.ts";
import { openSafetensorsFile, writeSafetensors } from "../formats/safetensors.ts";
import type { VocabularyExtension } from "../models/extend-vocabulary.ts";
import { writeTokenizer } from "../models/write-model.ts";

/** The chat template with which an adapter was trained, where it is not the base model's. */
const templateFile = "chat_template.jinja";

export interface AdapterFiles extends Adapter, PeftAdapter {
  /** In place of the base model's. */
  readonly chatTemplate?: string;
  /** What the base model lacks of the tokens that the adapter trains. */
  readonly extension?: VocabularyExtension;
}

/**
 * Writes an adapter into `folder` so that PEFT loads it.
 *
 * @param base with its tokenizer's files if tokens were added
 * @param chatTemplate in place of the base model's
 */
export async function writeAdapter(
  folder: string,
  adapter: PeftAdapter,
  parameters: Parameters,
  base: AdapterBase & { readonly tokenizerFiles?: TokenizerFiles },
  chatTemplate?: string,
): Promise<void> {
  makeFolder(folder);
  if (base.tokenizerFiles) writeTokenizer(folder, base.tokenizerFiles);
  if (chatTemplate !== undefined) writeWhole(join(folder, templateFile), chatTemplate);
  const { config, tensors, metadata } = describeAdapter(adapter, parameters, base);
  await writeSafetensors(join(folder, "adapter_model.safetensors"), tensors, metadata);
  writeWhole(join(folder, "adapter_config.json"), config);
}

/**
 * Reads an adapter that PEFT or slimtune wrote.
 *
 * @param fingerprint of the model to which the adapter shall be applied
 * @throws InputError if the adapter needs what is not supported, is damaged, or belongs to another base model.
 */
export async function readAdapter(
  folder: string,
  base: ModelConfig,
  fingerprint: string,
): Promise<AdapterFiles> {
  const config = join(folder, "adapter_config.json");
  const path = join(folder, "adapter_model.safetensors");
  if (!existsSync(path)) {
    readSettings(config, base);
    throw new InputError(explainMissingTensors(folder));
  }
  const stored = await openSafetensorsFile(path);
  const file = nameLikeLanguageAdapter(stored);
  try {
    const targets = file === stored ? undefined : listAdaptedModules(file);
    const { format, settings } = readSettings(config, base, targets);
    const leastVocabulary = format.leastVocabulary?.(settings) ?? 0;
    const vocabSize = Math.max(base.vocabSize, leastVocabulary);
    const model = { ...base, vocabSize };
    const adaptation = format.adapt(settings, model);
    const trainedOn = file.metadata.get(fingerprintKey);
    if (trainedOn !== undefined && trainedOn !== fingerprint) {
      throw new InputError(
        `The adapter ${folder} was trained on another base model than the one given; its adapter_config.json names the right one.`,
      );
    }
    const parameters = new Map<string, Parameter>();
    const namesOf = fileNamesOf({ format, settings }, model);
    const known = new Set<string>();
    for (const { name, dims, isFrozen, derive } of listParameters(model, adaptation)) {
      const [fileName, ...copies] = namesOf(name);
      if (fileName === undefined) {
        parameters.set(name, { dims, isFrozen: true, data: derive!() });
        continue;
      }
      for (const each of [fileName, ...copies]) known.add(each);
      const info = file.tensors.get(fileName);
      if (!info)
        throw new InputError(`${path} lacks the tensor "${fileName}" that its configuration asks for.`);
      if (info.shape.join() !== dims.join()) {
        throw new InputError(
          `${path}: the tensor "${info.name}" has the shape [${info.shape.join(", ")}], but this model needs [${dims.join(", ")}]; the adapter is for another base model.`,
        );
      }
      parameters.set(name, { dims, ...(isFrozen && { isFrozen }), data: await file.readFloat32(info.name) });
    }
    // Where the vocabulary has grown, PEFT writes the whole output layer beside.
    if (vocabSize > base.vocabSize) known.add(peftPrefix + headName);
    const surplus = [...file.tensors.keys()].find((name) => !known.has(name) && !format.isCopy?.(name));
    if (surplus !== undefined) {
      throw new InputError(
        `${path} holds the tensor "${surplus}", which its configuration does not account for.`,
      );
    }
    const chatTemplate = readAdapterTemplate(folder);
    return {
      format,
      settings,
      adaptation,
      parameters,
      // New tokens may have had a place in the model's tables.
      ...((vocabSize > base.vocabSize || (leastVocabulary > 0 && hasTokenizer(folder))) && {
        extension: await readExtension(folder, file, adaptation, base, vocabSize),
      }),
      ...(chatTemplate !== undefined && { chatTemplate }),
    };
  } finally {
    file.close();
  }
}

/** What PEFT calls the language part of a multimodal model. */
const languagePrefix = `${peftPrefix}model.language_model.`;

/** The file by the names of a language model, where its adapter is for that part of a multimodal one. */
function nameLikeLanguageAdapter(file: SafetensorsFile): SafetensorsFile {
  const names = [...file.tensors.keys()];
  if (!names.some((name) => name.startsWith(languagePrefix))) return file;
  return renameTensors(
    file,
    names.map((name) => [name.replace(languagePrefix, `${peftPrefix}model.`), name]),
  );
}

/** The layers that a file has an adapter's tensors for. */
function listAdaptedModules(file: SafetensorsFile): string[] {
  const names = [...file.tensors.keys()].map((name) => name.slice(peftPrefix.length));
  return [...new Set(names.map((name) => name.replace(/\.(?:lora|ia3|vera|ln_tuning)_.*$/, "")))];
}

/**
 * The rows of new tokens: PEFT writes whole tables where the vocabulary has grown, which are needed for those that are not trained,
 * and whoever tunes saves the tokenizer beside the adapter.
 */
async function readExtension(
  folder: string,
  file: SafetensorsFile,
  adaptation: Adaptation,
  { vocabSize: before, hiddenSize, tieWordEmbeddings }: ModelConfig,
  vocabSize: number,
): Promise<VocabularyExtension> {
  const newRows = async (table: string, ...fileNames: readonly string[]): Promise<Float32Array> => {
    const stored = fileNames.map((name) => peftPrefix + name).find((name) => file.tensors.has(name));
    if (stored !== undefined && file.tensors.get(stored)!.shape.join() === [vocabSize, hiddenSize].join())
      return file.readFloat32(stored, { start: before, end: vocabSize });
    const trained = new Set(adaptation.rowsOf?.(table)?.indices);
    for (let id = before; id < vocabSize; id++) {
      if (!trained.has(id))
        throw new InputError(
          `${folder} adds tokens to the model, but holds no row of ${table} for token ${id}; save it again with save_embedding_layers=True.`,
        );
    }
    return new Float32Array((vocabSize - before) * hiddenSize);
  };
  const files = hasTokenizer(folder) ? await readTokenizerFiles(openSourceFolder(folder)) : undefined;
  return {
    vocabSize,
    tokenizer: files && { files, tokenizer: createTokenizer(files, join(folder, "tokenizer.json")) },
    embedding: await newRows(embeddingName, `${embeddingModule}.token_adapter.base_layer.weight`),
    ...(!tieWordEmbeddings && {
      head: await newRows(headName, "lm_head.weight", "lm_head.token_adapter.base_layer.weight"),
    }),
  };
}

function hasTokenizer(folder: string): boolean {
  return existsSync(join(folder, "tokenizer.json"));
}

function explainMissingTensors(folder: string): string {
  const missing = `${folder} holds no adapter_model.safetensors`;
  return existsSync(join(folder, "adapter_model.bin"))
    ? `${missing}, but adapter_model.bin, which is not read; load it with PEFT and save it again.`
    : `${missing}, so it is not an adapter.`;
}

/** The chat template that belongs to an adapter, where it has one of its own. */
export function readAdapterTemplate(folder: string): string | undefined {
  return readWhole(join(folder, templateFile), { isOptional: true })?.toString();
}

/**
 * Reads an adapter_config.json.
 *
 * @param model whose layers `exclude_modules` and `layers_to_transform` choose from; without it an adapter that has them is refused
 * @param targets in place of those that the file names
 * @throws InputError as {@link readAdapter}
 */
export function readSettings(path: string, model?: ModelConfig, targets?: readonly string[]): PeftAdapter {
  if (!existsSync(path)) throw new InputError(`There is no ${path}, so this folder is not an adapter.`);
  const given = parseJson(readText(path), path);
  const json = targets ? { ...(given as object), target_modules: targets } : given;
  const { peft_type } = parsePeftFields(z.looseObject({ peft_type: z.string() }), json, path);
  const format = peftFormats.get(peft_type);
  if (!format)
    throw new InputError(`${path} asks for the method ${quote(peft_type)}, which is not supported.`);
  checkKeys(Object.entries(json as object), format.keys, path);
  return { format, settings: format.readSettings(json, path, model) };
}
