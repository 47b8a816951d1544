/** @file Safetensors files on disk. */

import {
  encodeSafetensors,
  openSafetensors,
  type SafetensorsFile,
  type TensorToWrite,
} from "../../core/formats/safetensors.ts";
import { openSource } from "../files/byte-source.ts";
import { writeInParts } from "../files/write.ts";

/** Opens a safetensors file. @throws InputError if it is missing or not valid. */
export async function openSafetensorsFile(path: string): Promise<SafetensorsFile> {
  return openSafetensors(openSource(path));
}

/**
 * Writes tensors in the given order, one at a time, to a temporary file that is renamed when it is whole.
 *
 * @throws InputError if a tensor's data do not have the bytes that its shape needs, or the disk does not take the
 * file; then none is left behind.
 */
export function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  return writeInParts(path, encodeSafetensors(tensors, metadata));
}
