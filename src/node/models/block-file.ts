/**
 * @file A model's blocks and tables as they are kept in memory, in a file: quantized once, then read together or one at a time.
 */

import { createHash } from "node:crypto";
import { closeSync, existsSync } from "node:fs";
import { dirname } from "node:path";
import { nameInLayer } from "../../core/architectures/modules.ts";
import type { TensorToWrite } from "../../core/formats/safetensors.ts";
import { locateRows, type TensorInfo } from "../../core/formats/weight-file.ts";
import type { Checkpoint } from "../../core/models/checkpoint.ts";
import {
  type BlockTensors,
  chooseTableDtype,
  type LoadOptions,
  loadBlock,
  loadTable,
  tableNames,
} from "../../core/models/load-weights.ts";
import type { HostTensor, StoredMatrix } from "../../core/runtime/device.ts";
import { cachePath } from "../cache-folder.ts";
import { openForReading, readAt } from "../files/read.ts";
import { makeFolder } from "../files/write.ts";
import { openSafetensorsFile, writeSafetensors } from "../formats/safetensors.ts";
import { hashFiles } from "./hash-files.ts";

/** Changes whenever the same model would be stored otherwise. */
const formatVersion = 3;

/** The file's element types. */
const kinds = {
  F32: { dtype: "float32", View: Float32Array },
  F16: { dtype: "float16", View: Uint16Array },
  U8: { dtype: "uint8", View: Uint8Array },
  I8: { dtype: "int8", View: Int8Array },
} as const;

export interface BlockFile {
  /** Reads one block, into memory of its own or, if it `reuses`, that of the block it read before. */
  readBlock(layer: number, reuses?: boolean): Promise<BlockTensors>;
  /** The embedding or the output layer, which stays on disk. */
  openTable(name: string): StoredMatrix;
}

/**
 * The blocks of a model whose linear weights are quantized, and its tables. They are quantized the first time and kept in the
 * user's folder of caches, in a safetensors file named by the content of the model's files.
 *
 * @param options with the storage "nf4" or "int8"
 * @throws InputError as `loadBlock`, or if the disk does not take the file
 */
export async function openBlocks(checkpoint: Checkpoint, options: LoadOptions): Promise<BlockFile> {
  const path = await writeBlocks(checkpoint, options);
  const file = await openSafetensorsFile(path);
  file.close();
  const reading = async <T>(read: (descriptor: number) => Promise<T>): Promise<T> => {
    const descriptor = openForReading(path);
    try {
      return await read(descriptor);
    } finally {
      closeSync(descriptor);
    }
  };
  const kindOf = ({ dtype }: TensorInfo) => kinds[dtype as keyof typeof kinds];
  const reused = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    readBlock: (layer, reuses = false) =>
      reading(async (descriptor) => {
        const prefix = nameInLayer(layer, "");
        const tensors: Record<string, HostTensor> = {};
        for (const info of file.tensors.values()) {
          if (!info.name.startsWith(prefix)) continue;
          const name = info.name.slice(prefix.length);
          const memory = reuses ? reused.get(name) : undefined;
          const bytes = await readAt(descriptor, info.byteOffset, info.byteLength, path, memory);
          if (reuses) reused.set(name, bytes);
          const { dtype, View } = kindOf(info);
          tensors[name] = { dtype, dims: info.shape, data: new View(bytes.buffer) };
        }
        return tensors;
      }),
    openTable(name) {
      const table = file.tensors.get(name)!;
      const { dtype, View } = kindOf(table);
      return {
        dtype,
        dims: table.shape,
        readRows: (start, end) =>
          reading(async (descriptor) => {
            const { byteOffset, byteLength } = locateRows(table, { start, end });
            return new View((await readAt(descriptor, byteOffset, byteLength, path)).buffer);
          }),
      };
    },
  };
}

/** Makes the file unless it is there. @returns its path */
async function writeBlocks(checkpoint: Checkpoint, options: LoadOptions): Promise<string> {
  const { storage = "float32", doubleQuantization = true, onProgress } = options;
  const { numHiddenLayers } = checkpoint.config;
  const identity = [formatVersion, await hashFiles(checkpoint.path), storage, doubleQuantization];
  const hash = createHash("sha256").update(JSON.stringify(identity)).digest("hex");
  const path = cachePath("blocks", `${hash}.safetensors`);
  if (existsSync(path)) return path;
  makeFolder(dirname(path));

  let loaded: { readonly layer: number; readonly tensors: BlockTensors } | undefined;
  const load = async (layer: number): Promise<BlockTensors> => {
    if (loaded?.layer !== layer) {
      loaded = { layer, tensors: await loadBlock(checkpoint, layer, options) };
      onProgress?.((layer + 1) / numHiddenLayers);
    }
    return loaded.tensors;
  };
  const { vocabSize, hiddenSize } = checkpoint.config;
  const tables = [...new Set(tableNames(checkpoint))].map(
    (name): TensorToWrite => ({
      name,
      dtype: chooseTableDtype(checkpoint, storage, name),
      shape: [vocabSize, hiddenSize],
      data: async () => (await loadTable(checkpoint, name, storage)).data as ArrayBufferView,
    }),
  );
  // All blocks have tensors of the same names and shapes.
  const first = Object.entries(await load(0));
  const blocks = Array.from({ length: numHiddenLayers }, (_, layer) =>
    first.map(
      ([name, { dtype, dims }]): TensorToWrite => ({
        name: nameInLayer(layer, name),
        dtype: dtype as TensorToWrite["dtype"],
        shape: dims,
        data: async () => (await load(layer))[name]!.data as ArrayBufferView,
      }),
    ),
  ).flat();
  await writeSafetensors(path, [...blocks, ...tables], { storage: String(storage) });
  return path;
}
