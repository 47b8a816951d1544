/** @file The tensors that a model's file holds: by which names, whether the output layer is its own, and that none is left over. */

import type { ModelConfig } from "../architectures/architecture.ts";
import { embeddingName, headName, listTensors } from "../architectures/modules.ts";
import { InputError } from "../errors.ts";
import { quote, type TensorInfo, type WeightFile } from "../formats/weight-file.ts";
import { quantizedWeightOf } from "../quantization/bnb-checkpoint.ts";
import { warn } from "../warnings.ts";

const prefix = "model.";

/**
 * The file by the names of a language model, where it was saved without its output layer and so without their prefix, or is of
 * a multimodal model, whose other parts are left out.
 */
export function nameLikeLanguageModel(file: WeightFile): WeightFile {
  const names = [...file.tensors.keys()];
  if (names.some((name) => name.startsWith("language_model.")))
    return renameTensors(file, languageNames(names, "language_model.", ""));
  if (names.some((name) => name.startsWith("model.language_model.")))
    return renameTensors(file, [
      ...languageNames(names, "model.language_model.", prefix),
      ...names.filter((name) => name === headName).map((name) => [name, name] as const),
    ]);
  if (!file.tensors.has(embeddingName.slice(prefix.length))) return file;
  return renameTensors(
    file,
    names.map((name) => [name === headName ? name : prefix + name, name]),
  );
}

/** Names that begin in a way, with another beginning. */
function languageNames(
  names: readonly string[],
  from: string,
  to: string,
): (readonly [name: string, stored: string])[] {
  return names.filter((name) => name.startsWith(from)).map((name) => [to + name.slice(from.length), name]);
}

/** The file with only these tensors, by other names. */
export function renameTensors<T extends WeightFile>(
  file: T,
  names: readonly (readonly [name: string, stored: string])[],
): T {
  const storedNames = new Map(names);
  const storedName = (name: string) => storedNames.get(name) ?? name;
  return {
    ...file,
    tensors: new Map(
      [...storedNames].map(([name, stored]): [string, TensorInfo] => [
        name,
        { ...file.tensors.get(stored)!, name },
      ]),
    ),
    readBytes: (name) => file.readBytes(storedName(name)),
    readFloat32: (name, rows) => file.readFloat32(storedName(name), rows),
  };
}

/**
 * The configuration with the output layer that the file holds: as in Transformers, a head beside the embedding with other values
 * stays what it is, whatever the configuration says.
 */
export async function untieStoredHead(config: ModelConfig, file: WeightFile): Promise<ModelConfig> {
  if (!config.tieWordEmbeddings || (await isSameTable(file))) return config;
  warn(
    `${file.path} ties the output layer to the embedding ("tie_word_embeddings"), but holds another ${quote(headName)}; that is used.`,
  );
  return { ...config, tieWordEmbeddings: false };
}

/** Elements compared at a time. */
const comparedElements = 2 ** 22;

/** Whether the embedding and the output layer have the same values, or only one of them is there. */
async function isSameTable(file: WeightFile): Promise<boolean> {
  const embedding = file.tensors.get(embeddingName);
  const head = file.tensors.get(headName);
  if (!embedding || !head) return true;
  if (embedding.shape.join() !== head.shape.join()) return false;
  const [count, width] = embedding.shape as [number, number];
  const step = Math.max(1, Math.floor(comparedElements / width));
  for (let start = 0; start < count; start += step) {
    const rows = { start, end: Math.min(count, start + step) };
    const [values, others] = [
      await file.readFloat32(embeddingName, rows),
      await file.readFloat32(headName, rows),
    ];
    if (!values.every((value, i) => value === others[i])) return false;
  }
  return true;
}

/** @throws InputError if a Hugging Face folder holds a tensor that the model has no use for. */
export function checkStoredTensors(config: ModelConfig, file: WeightFile): void {
  const expected = new Set([...listTensors(config).map(({ name }) => name), embeddingName]);
  if (config.tieWordEmbeddings) expected.add(headName);
  // The frequencies of the rotary embedding follow from the configuration.
  const isExpected = (name: string) =>
    expected.has(quantizedWeightOf(name) ?? name) || name.endsWith("rotary_emb.inv_freq");
  refuseSurplus(config, file, isExpected);
}

/** @throws InputError if a tensor is none of those that are expected. */
export function refuseSurplus(
  { modelType }: ModelConfig,
  file: WeightFile,
  isExpected: (name: string) => boolean,
): void {
  const surplus = [...file.tensors.keys()].find((name) => !isExpected(name));
  if (surplus !== undefined) {
    throw new InputError(
      `${file.path} holds the tensor ${quote(surplus)}, for which a ${quote(modelType)} model of its configuration has no use, so it computes something else; choose a model whose weights fit its configuration.`,
    );
  }
}
