/** @file How far a device's products of integers can be trusted. */

import { type InputBits, multiplyIntegers } from "../graph/operators/rounded-products.ts";
import { input } from "../graph/tensor.ts";
import type { Device } from "../runtime/device.ts";

/**
 * To how many bits inputs of integer products have to be rounded on a device: 8 or, where the sums of two products overflow 16 bits, as
 * they do on x86 processors without VNNI, 7.
 *
 * @throws Error if the device has no such products.
 *
 * @example
 * const { openDevice, openModel } = await import("slimtune");
 * const device = openDevice("cpu");
 * const { config, weights } = await openModel("fixtures/embedded-model", { storage: "int8" });
 * const inputBits = await findInputBits(device);
 * const engine = createEngine(device, config, weights, frozen, { segmentSize: 1, inputBits });
 */
export async function findInputBits(device: Device): Promise<InputBits> {
  const size = 64;
  const program = await device.compile({
    y: multiplyIntegers(input("a", "uint8", [1, size]), input("b", "int8", [size, 1])),
  });
  const { y } = await program.run({
    a: { dtype: "uint8", dims: [1, size], data: new Uint8Array(size).fill(255) },
    b: { dtype: "int8", dims: [size, 1], data: new Int8Array(size).fill(127) },
  });
  await program.release();
  return y!.data[0] === size * 255 * 127 ? 8 : 7;
}
