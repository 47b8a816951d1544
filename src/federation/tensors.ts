/** @file An adapter's tensors as bytes that members send each other: safetensors, read as a stranger's. */

import { type Parameter, type Parameters, trainedOf } from "../core/adapters/parameters.ts";
import type { ByteSource } from "../core/formats/byte-source.ts";
import { encodeSafetensors, openSafetensors } from "../core/formats/safetensors.ts";

/** The tensors that are trained: those that are frozen are known to all. */
export function encodeTrained(parameters: Parameters): Promise<Uint8Array> {
  return encodeTensors(trainedOf(parameters));
}

export async function encodeTensors(parameters: Parameters): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const tensors = [...parameters].map(([name, { dims, data }]) => ({
    ...{ name, dtype: "float32" as const, shape: dims, data },
  }));
  for await (const part of encodeSafetensors(tensors)) parts.push(part);
  return Buffer.concat(parts);
}

/** @param name what the bytes are called in errors. @throws InputError if they are not valid. */
export async function decodeTensors(bytes: Uint8Array, name: string): Promise<Map<string, Parameter>> {
  const file = await openSafetensors(sourceOf(bytes, name));
  const parameters = new Map<string, Parameter>();
  for (const info of file.tensors.values())
    parameters.set(info.name, { dims: info.shape, data: await file.readFloat32(info.name) });
  file.close();
  return parameters;
}

/** Bytes of so many tensors at most, with names of up to 256 characters. */
export function longestEncoding(parameters: Parameters): number {
  const values = [...parameters.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  return values + 1024 * (parameters.size + 1);
}

function sourceOf(bytes: Uint8Array, name: string): ByteSource {
  return {
    ...{ name, size: bytes.length, close: () => {} },
    read: async (start, end) => Uint8Array.from(bytes.subarray(start, end)),
  };
}
