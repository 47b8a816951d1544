/** @file Hidden states and their gradients as bytes: exact, or rounded to fewer bits with the loss measured. */

import { InputError } from "../../core/errors.ts";
import { decodeFloat16, encodeFloat16 } from "../../core/formats/float16.ts";
import { dequantizeInt8, quantizeInt8 } from "../../core/quantization/int8.ts";

export const stateFormats = ["float32", "float16", "int8"] as const;
export type StateFormat = (typeof stateFormats)[number];

/** Rows of numbers as they are sent. */
export interface EncodedRows {
  readonly format: StateFormat;
  /** Numbers in a row. */
  readonly width: number;
  /** Row by row, little-endian; of int8 a float32 scale for each row comes first, and each number is its code times that. */
  readonly bytes: Uint8Array;
}

/**
 * @param width numbers in a row, each of which has a scale of its own in 8 bits
 * @throws InputError if a value is not finite, or in float16 larger than 65,504.
 */
export function encodeRows(values: Float32Array, width: number, format: StateFormat): EncodedRows {
  const rows = values.length / width;
  const largest = format === "float16" ? 65_504 : Number.MAX_VALUE;
  const place = values.findIndex((value) => !(Math.abs(value) <= largest));
  if (place >= 0)
    throw new InputError(
      `At position ${Math.floor(place / width)} what crosses the cut holds ${values[place]}, which ${format} cannot; ${Number.isFinite(values[place]!) ? "send float32" : "lower the learning rate"}.`,
    );
  switch (format) {
    case "float32":
      return { format, width, bytes: bytesOf(values) };
    case "float16":
      return { format, width, bytes: bytesOf(encodeFloat16(values)) };
    case "int8": {
      const { codes, scales } = quantizeInt8(values, rows);
      const bytes = new Uint8Array(4 * rows + values.length);
      bytes.set(bytesOf(scales));
      bytes.set(bytesOf(codes), 4 * rows);
      return { format, width, bytes };
    }
  }
}

/** @throws InputError if there are not the bytes of so many rows. */
export function decodeRows({ format, width, bytes }: EncodedRows, rows: number): Float32Array {
  const expected = rows * bytesPerRow(format, width);
  if (bytes.length !== expected)
    throw new InputError(
      `What crossed the cut has ${bytes.length} bytes, and ${rows} rows of ${width} numbers in ${format} have ${expected}; send the batch again.`,
    );
  // A copy begins where its type can.
  const { buffer } = Uint8Array.from(bytes);
  switch (format) {
    case "float32":
      return new Float32Array(buffer);
    case "float16":
      return decodeFloat16(new Uint16Array(buffer));
    case "int8":
      return dequantizeInt8({
        scales: new Float32Array(buffer, 0, rows),
        codes: new Int8Array(buffer, 4 * rows),
      });
  }
}

export function bytesPerRow(format: StateFormat, width: number): number {
  return { float32: 4 * width, float16: 2 * width, int8: width + 4 }[format];
}

/** ‖values − decoded‖ / ‖values‖, what a format loses; 0 where the values are. */
export function relativeLoss(values: Float32Array, decoded: Float32Array): number {
  let [lost, all] = [0, 0];
  for (const [i, value] of values.entries()) {
    lost += (value - decoded[i]!) ** 2;
    all += value ** 2;
  }
  return lost === 0 ? 0 : Math.sqrt(lost / all);
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}
