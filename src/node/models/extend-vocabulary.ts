/** @file A model whose vocabulary has grown by tokens that an adapter trains. */

import { statSync } from "node:fs";
import { encodeFloat16 } from "../../core/formats/float16.ts";
import { asFloat32, rowsOf } from "../../core/models/matrix-rows.ts";
import type { Model } from "../../core/models/model.ts";
import type { RowMatrix, StoredMatrix } from "../../core/runtime/device.ts";
import { convertGgufTokenizer } from "../../core/tokenization/gguf.ts";
import { readTokenizerFiles, type TokenizerFiles } from "../../core/tokenization/hugging-face.ts";
import type { Tokenizer } from "../../core/tokenization/tokenizer.ts";
import { openSourceFolder } from "../files/byte-source.ts";
import { openGgufFile } from "../formats/gguf.ts";

export interface VocabularyExtension {
  readonly vocabSize: number;
  /** The tokenizer with the new tokens, and its files; undefined where an adapter came without. */
  readonly tokenizer: { readonly tokenizer: Tokenizer; readonly files: TokenizerFiles } | undefined;
  /** The new tokens' rows, float32 [new, hiddenSize]. Default: the mean of those that there were. */
  readonly embedding?: Float32Array;
  readonly head?: Float32Array;
}

/** The files of a model's tokenizer, also where a GGUF file holds it. @throws InputError as `openModel` does. */
export async function readModelTokenizer(path: string): Promise<TokenizerFiles> {
  if (statSync(path).isDirectory()) return readTokenizerFiles(openSourceFolder(path));
  const file = await openGgufFile(path);
  try {
    return convertGgufTokenizer(file.metadata);
  } finally {
    file.close();
  }
}

/** The model with a larger vocabulary, in the template and on the day of its chats before. */
export async function extendVocabulary<T extends Model>(
  model: T,
  extension: VocabularyExtension,
): Promise<T> {
  const { weights, config, tokenizer: before } = model;
  const { vocabSize, tokenizer: extended } = extension;
  const embedding = await growTable(weights.embedding, vocabSize, extension.embedding);
  const { chatTemplate, toolUseTemplate, chatDate } = before;
  return {
    ...model,
    config: { ...config, vocabSize },
    weights: {
      ...weights,
      embedding,
      head: config.tieWordEmbeddings ? embedding : await growTable(weights.head, vocabSize, extension.head),
    },
    ...(extended && {
      tokenizer: {
        ...extended.tokenizer,
        chatTemplate,
        toolUseTemplate,
        ...(chatDate !== undefined && { chatDate }),
      },
      tokenizerFiles: extended.files,
    }),
  };
}

/** A table with rows behind its own, put together where they are read. */
async function growTable(table: RowMatrix, count: number, given?: Float32Array): Promise<StoredMatrix> {
  const { dtype, dims } = table;
  const [size, width] = dims as [number, number];
  const rows = given ?? (await meanRows(table, count));
  const added = dtype === "float16" ? encodeFloat16(rows) : rows;
  return {
    dtype,
    dims: [count, width],
    async readRows(start, end) {
      if (end <= size) return rowsOf(table, start, end);
      const read =
        dtype === "float16"
          ? new Uint16Array((end - start) * width)
          : new Float32Array((end - start) * width);
      if (start < size) read.set((await rowsOf(table, start, size)) as Float32Array | Uint16Array);
      const first = Math.max(start, size);
      read.set(added.subarray((first - size) * width, (end - size) * width), (first - start) * width);
      return read;
    },
  };
}

/** The mean of the table's rows for each that it grows by, as Transformers' resize_token_embeddings begins near it. */
async function meanRows(table: RowMatrix, count: number): Promise<Float32Array> {
  const [size, width] = table.dims as [number, number];
  const sum = new Float64Array(width);
  if (count === size) return new Float32Array(0);
  for (let row = 0; row < size; row++)
    for (const [i, value] of asFloat32(await rowsOf(table, row, row + 1)).entries()) sum[i]! += value;
  const rows = new Float32Array((count - size) * width);
  for (let start = 0; start < rows.length; start += width)
    rows.set(
      sum.map((value) => value / size),
      start,
    );
  return rows;
}
