/** @file GGUF files on disk. */

import { type GgufFile, openGguf } from "../../core/formats/gguf.ts";
import {
  encodeGguf,
  type GgufTensorToWrite,
  type GgufValueToWrite,
} from "../../core/formats/gguf-encoding.ts";
import { openSource } from "../files/byte-source.ts";
import { writeInParts } from "../files/write.ts";

/** Opens a GGUF file. @throws InputError if it is missing or not valid. */
export async function openGgufFile(path: string): Promise<GgufFile> {
  return openGguf(openSource(path));
}

/**
 * Writes a GGUF file, one tensor at a time, under a temporary name that is changed when it is whole.
 *
 * @throws InputError as {@link encodeGguf}, or if the disk does not take the file; then none is left behind.
 */
export function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, GgufValueToWrite>,
  tensors: readonly GgufTensorToWrite[],
): Promise<void> {
  return writeInParts(path, encodeGguf(metadata, tensors));
}
