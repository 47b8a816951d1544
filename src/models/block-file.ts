/** @file A model's blocks as they are kept in memory, in a file: quantized once, then read together or one at a time. */

import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { cachePath } from "../cache-folder.ts";
import { openForReading, readAt } from "../formats/binary-file.ts";
import { openSafetensors, type TensorToWrite, writeSafetensors } from "../formats/safetensors.ts";
import type { HostTensor } from "../runtime/device.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { hashFiles } from "./hash-files.ts";
import { type BlockTensors, type LoadOptions, loadBlock } from "./load-weights.ts";
import { nameInLayer } from "./modules.ts";

/** Changes whenever the same model would be stored otherwise. */
const formatVersion = 1;

const viewOf = {
  F32: (bytes) => ({ dtype: "float32", data: new Float32Array(bytes.buffer) }),
  U8: (bytes) => ({ dtype: "uint8", data: bytes }),
  I8: (bytes) => ({ dtype: "int8", data: new Int8Array(bytes.buffer) }),
} as const satisfies Record<string, (bytes: Uint8Array<ArrayBuffer>) => Omit<HostTensor, "dims">>;

/**
 * The blocks of a model whose linear weights are quantized. They are quantized the first time and kept in the user's folder
 * of caches, in a safetensors file named by the content of the model's files.
 *
 * @param options with the storage "nf4" or "int8"
 * @returns reads one block, into memory of its own or, if it `reuses`, that of the block it read before
 * @throws InputError as `loadBlock`, or if the disk does not take the file
 */
export async function openBlocks(
  checkpoint: Checkpoint,
  options: LoadOptions,
): Promise<(layer: number, reuses?: boolean) => BlockTensors> {
  const path = await writeBlocks(checkpoint, options);
  const reused = new Map<string, Uint8Array<ArrayBuffer>>();
  const file = openSafetensors(path);
  file.close();
  const prefixOf = (layer: number) => nameInLayer(layer, "");
  return (layer, reuses = false) => {
    const prefix = prefixOf(layer);
    const descriptor = openForReading(path);
    try {
      const infos = [...file.tensors.values()].filter(({ name }) => name.startsWith(prefix));
      return Object.fromEntries(
        infos.map(({ name, dtype, shape, byteOffset, byteLength }) => {
          const within = name.slice(prefix.length);
          const bytes = readAt(
            descriptor,
            byteOffset,
            byteLength,
            path,
            reuses ? reused.get(within) : undefined,
          );
          if (reuses) reused.set(within, bytes);
          return [within, { ...viewOf[dtype as keyof typeof viewOf](bytes), dims: shape }];
        }),
      );
    } finally {
      closeSync(descriptor);
    }
  };
}

/** Makes the file unless it is there. @returns its path */
async function writeBlocks(checkpoint: Checkpoint, options: LoadOptions): Promise<string> {
  const { storage, doubleQuantization = true, onProgress } = options;
  const { numHiddenLayers } = checkpoint.config;
  const identity = [formatVersion, await hashFiles(checkpoint.path), storage, doubleQuantization];
  const hash = createHash("sha256").update(JSON.stringify(identity)).digest("hex");
  const path = cachePath("blocks", `${hash}.safetensors`);
  if (existsSync(path)) return path;
  mkdirSync(dirname(path), { recursive: true });

  let loaded: { readonly layer: number; readonly tensors: BlockTensors } | undefined;
  const load = (layer: number) => {
    if (loaded?.layer !== layer) {
      loaded = { layer, tensors: loadBlock(checkpoint, layer, options) };
      onProgress?.((layer + 1) / numHiddenLayers);
    }
    return loaded.tensors;
  };
  // All blocks have tensors of the same names and shapes.
  const first = Object.entries(load(0));
  const tensors = Array.from({ length: numHiddenLayers }, (_, layer) =>
    first.map(
      ([name, { dtype, dims }]): TensorToWrite => ({
        name: nameInLayer(layer, name),
        dtype: dtype as TensorToWrite["dtype"],
        shape: dims,
        data: () => load(layer)[name]!.data as ArrayBufferView,
      }),
    ),
  ).flat();
  // Another process may be writing the same file.
  const own = `${path}.${process.pid}`;
  await writeSafetensors(own, tensors, { storage: String(storage) });
  renameSync(own, path);
  return path;
}
