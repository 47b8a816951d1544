/** @file The safetensors format: reading one file or a sharded model, and writing. */

import * as z from "zod";
import { InputError } from "../errors.ts";
import { type ByteSource, readJsonFile, type SourceFolder } from "./byte-source.ts";
import { decodeBfloat16, decodeFloat16 } from "./float16.ts";
import { locateRows, quote, type RowRange, type TensorInfo, type WeightFile } from "./weight-file.ts";

/** Bytes per element of the format's types. */
const elementBytes: ReadonlyMap<string, number> = new Map([
  ["BOOL", 1],
  ["U8", 1],
  ["I8", 1],
  ["F8_E4M3", 1],
  ["F8_E5M2", 1],
  ["U16", 2],
  ["I16", 2],
  ["F16", 2],
  ["BF16", 2],
  ["U32", 4],
  ["I32", 4],
  ["F32", 4],
  ["U64", 8],
  ["I64", 8],
  ["F64", 8],
]);

/** The format's own limit. */
const maxHeaderBytes = 100_000_000;

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});

export interface SafetensorsFile extends WeightFile {
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Opens a safetensors file, which closes its source when it is closed or not valid, and checks its header as the format's specification asks: every tensor lies within the
 * file, has the bytes that its shape and type need, and the tensors fill the file without overlap or gap.
 *
 * @throws InputError if the file breaks one of these rules.
 *
 * @example
 * const { blobSource } = await import("slimtune/web");
 * const blob = new Blob([await (await fetch("adapter_model.safetensors")).arrayBuffer()]);
 * const file = await openSafetensors(blobSource(blob, "adapter"));
 * for (const { name, shape } of file.tensors.values()) console.log(name, shape);
 */
export async function openSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  try {
    const { header, dataStart, dataBytes } = await readHeader(source);
    const { metadata, tensors } = checkHeader(header, source.name, dataStart, dataBytes);
    return createReader(source, tensors, metadata);
  } catch (error) {
    source.close();
    throw error;
  }
}

async function readHeader(source: ByteSource) {
  const { name: path, size: fileBytes } = source;
  if (fileBytes < 8) throw new InputError(`${path} has ${fileBytes} bytes, too few for a safetensors file.`);
  const length = new DataView((await source.read(0, 8)).buffer).getBigUint64(0, true);
  if (length > BigInt(fileBytes - 8)) {
    throw new InputError(
      `${path} announces a header of ${length} bytes, but has only ${fileBytes} in all; the file is truncated or not a safetensors file.`,
    );
  }
  if (length > BigInt(maxHeaderBytes)) {
    throw new InputError(
      `${path} announces a header of ${length} bytes, more than the format allows; it is not a safetensors file.`,
    );
  }
  const headerBytes = Number(length);
  const text = new TextDecoder().decode(await source.read(8, 8 + headerBytes));
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw new InputError(
      `${path} has a header that is not valid JSON; the file is damaged or not a safetensors file.`,
    );
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw new InputError(`${path} has a header that is not a JSON object.`);
  }
  return { header, dataStart: 8 + headerBytes, dataBytes: fileBytes - 8 - headerBytes };
}

function checkHeader(header: object, path: string, dataStart: number, dataBytes: number) {
  const tensors = new Map<string, TensorInfo>();
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      const strings = readStrings(value);
      if (!strings) throw new InputError(`${path} has "__metadata__" that is not a table of strings.`);
      metadata = strings;
      continue;
    }
    const parsed = entrySchema.safeParse(value);
    if (!parsed.success) {
      throw new InputError(
        `${path}: the entry of the tensor ${quote(name)} lacks a valid dtype, shape or data_offsets.`,
      );
    }
    const { dtype, shape, data_offsets } = parsed.data;
    const [start, end] = data_offsets;
    const bytes = elementBytes.get(dtype);
    if (bytes === undefined)
      throw new InputError(`${path}: the tensor ${quote(name)} has the unknown type ${quote(dtype)}.`);
    const needed = shape.reduce((product, size) => product * size, bytes);
    if (end < start || end > dataBytes) {
      throw new InputError(
        `${path}: the tensor ${quote(name)} reaches beyond the end of the file, which is truncated.`,
      );
    }
    if (end - start !== needed) {
      throw new InputError(
        `${path}: the tensor ${quote(name)} has ${end - start} bytes, but its shape [${shape.join(", ")}] of ${dtype} needs ${needed}.`,
      );
    }
    tensors.set(name, { name, dtype, shape, byteOffset: dataStart + start, byteLength: end - start });
  }
  let expected = dataStart;
  for (const info of [...tensors.values()].sort(
    (a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength,
  )) {
    if (info.byteOffset !== expected) {
      const what = info.byteOffset < expected ? "overlaps the tensor before it" : "leaves a gap before it";
      throw new InputError(`${path}: the tensor ${quote(info.name)} ${what}; the file is damaged.`);
    }
    expected += info.byteLength;
  }
  if (expected !== dataStart + dataBytes) {
    throw new InputError(
      `${path} has ${dataStart + dataBytes - expected} bytes that belong to no tensor; the file is damaged.`,
    );
  }
  return { metadata, tensors };
}

/** A JSON object of strings, whatever its keys are ("__proto__" too, which a record would lose). */
function readStrings(value: unknown): Map<string, string> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  return entries.every(([, text]) => typeof text === "string") ? new Map(entries) : undefined;
}

function createReader(
  source: ByteSource,
  tensors: ReadonlyMap<string, TensorInfo>,
  metadata: ReadonlyMap<string, string>,
): SafetensorsFile {
  const path = source.name;
  const find = (name: string): TensorInfo => {
    const info = tensors.get(name);
    if (!info) throw new InputError(`${path} lacks the tensor ${quote(name)}.`);
    return info;
  };
  const readBytes = async (name: string, rows?: RowRange) => {
    const { byteOffset, byteLength } = locateRows(find(name), rows);
    return source.read(byteOffset, byteOffset + byteLength);
  };
  return {
    path,
    tensors,
    metadata,
    readBytes: (name) => readBytes(name),
    async readFloat32(name, rows) {
      const { dtype } = find(name);
      const { buffer } = await readBytes(name, rows);
      switch (dtype) {
        case "F32":
          return new Float32Array(buffer);
        case "F64":
          return Float32Array.from(new Float64Array(buffer));
        case "F16":
          return decodeFloat16(new Uint16Array(buffer));
        case "BF16":
          return decodeBfloat16(new Uint16Array(buffer));
        default:
          throw new InputError(
            `${path}: the tensor ${quote(name)} is of type ${dtype}, not of floating-point numbers.`,
          );
      }
    },
    close: () => source.close(),
  };
}

const singleFile = "model.safetensors";
const indexFile = "model.safetensors.index.json";

/**
 * Opens the weights of a Hugging Face model folder: model.safetensors, or the shards that
 * model.safetensors.index.json names.
 *
 * @throws InputError if there are none, a shard is missing, or a file is damaged.
 */
export async function openSafetensorsModel(folder: SourceFolder): Promise<WeightFile> {
  if (folder.files.has(singleFile)) return openSafetensors(await folder.open(singleFile));
  if (!folder.files.has(indexFile)) throw new InputError(explainMissingWeights(folder));
  const indexPath = `${folder.name}/${indexFile}`;
  const shardOf = await readIndex(folder, indexPath);
  const shards = new Map<string, SafetensorsFile>();
  const close = () => {
    for (const shard of shards.values()) shard.close();
  };
  try {
    const tensors = new Map<string, TensorInfo>();
    for (const [name, file] of shardOf) {
      const shard = shards.get(file) ?? (await openSafetensors(await folder.open(file)));
      shards.set(file, shard);
      const info = shard.tensors.get(name);
      if (!info)
        throw new InputError(`${shard.path} lacks the tensor ${quote(name)} that ${indexPath} places there.`);
      tensors.set(name, info);
    }
    for (const shard of shards.values()) {
      const unnamed = [...shard.tensors.keys()].find((name) => !tensors.has(name));
      if (unnamed !== undefined) {
        throw new InputError(
          `${shard.path} holds the tensor ${quote(unnamed)} that ${indexPath} does not name; save the model anew.`,
        );
      }
    }
    const shardWith = (name: string): SafetensorsFile => {
      const file = shardOf.get(name);
      if (file === undefined) throw new InputError(`${indexPath} does not name the tensor ${quote(name)}.`);
      return shards.get(file)!;
    };
    return {
      path: folder.name,
      tensors,
      readBytes: async (name) => shardWith(name).readBytes(name),
      readFloat32: async (name, rows) => shardWith(name).readFloat32(name, rows),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Names of files of weights in formats that are not read. */
const otherWeights = /\.(?:bin|pth?|ckpt|h5|msgpack|onnx|gguf)$/;

function explainMissingWeights({ name, files }: SourceFolder): string {
  const missing = `${name} holds neither ${singleFile} nor ${indexFile}`;
  const other = [...files].find((file) => otherWeights.test(file));
  if (other === undefined) return `${missing}; weights in other formats have to be converted first.`;
  if (other.endsWith(".gguf")) return `${missing}, but ${other}; name that file itself.`;
  return `${missing}, but ${other}, which is not read; convert it with Transformers: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(other_folder).`;
}

async function readIndex(folder: SourceFolder, path: string): Promise<Map<string, string>> {
  const json = await readJsonFile(folder, indexFile, "download it again");
  const parsed = z.looseObject({ weight_map: z.unknown() }).safeParse(json);
  const shardOf = readStrings(parsed.data?.weight_map);
  if (!shardOf) throw new InputError(`${path} has no "weight_map" of tensor names to files.`);
  for (const file of shardOf.values()) {
    if (!/^[\w.-]+\.safetensors$/.test(file))
      throw new InputError(`${path} names the shard ${quote(file)}, which is not a plain file name.`);
  }
  return shardOf;
}

/** A tensor to be written. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: "float32" | "float16" | "uint8" | "int8";
  readonly shape: readonly number[];
  /** The values, or how to get them when their turn comes. */
  readonly data: ArrayBufferView | (() => ArrayBufferView | Promise<ArrayBufferView>);
}

const writtenTypes = { float32: "F32", float16: "F16", uint8: "U8", int8: "I8" } as const;

/**
 * A safetensors file in parts: its header, then the tensors in the given order, each asked for when its turn comes.
 *
 * @throws InputError if a tensor's data do not have the bytes that its shape needs.
 *
 * @example
 * const tensor = { name: "a", dtype: "float32", shape: [2], data: Float32Array.of(1, 2) } as const;
 * for await (const part of encodeSafetensors([tensor])) console.log(part.length);
 */
export async function* encodeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = { format: "pt" },
): AsyncGenerator<Uint8Array> {
  const header: [name: string, entry: object][] = [["__metadata__", metadata]];
  let offset = 0;
  const lengths = tensors.map(({ name, dtype, shape }) => {
    const type = writtenTypes[dtype];
    const length = shape.reduce((product, size) => product * size, elementBytes.get(type)!);
    header.push([name, { dtype: type, shape, data_offsets: [offset, offset + length] }]);
    offset += length;
    return length;
  });
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const start = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(" ".charCodeAt(0));
  new DataView(start.buffer).setBigUint64(0, BigInt(start.length - 8), true);
  start.set(json, 8);
  yield start;
  for (const [index, { name, data }] of tensors.entries()) {
    const values = typeof data === "function" ? await data() : data;
    if (values.byteLength !== lengths[index]) {
      throw new InputError(
        `The tensor ${quote(name)} has ${values.byteLength} bytes, but its shape needs ${lengths[index]}.`,
      );
    }
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}
