/** @file In which arithmetic a model reads, and how its weights are then kept. */

import { findInputBits } from "../../core/engine/integer-arithmetic.ts";
import { InputError } from "../../core/errors.ts";
import type { InputBits } from "../../core/graph/operators/rounded-products.ts";
import { isQuantized, type Storage } from "../../core/models/linear.ts";
import type { Device } from "../../core/runtime/device.ts";

/** "int8" multiplies by the base's linear weights in integers where texts are read: prompts, and texts that are scored. */
export const arithmetics = ["float32", "int8"] as const;
export type Arithmetic = (typeof arithmetics)[number];

export interface ArithmeticChoice {
  readonly storage: Storage;
  /** Undefined for float32; else to be given to what reads and writes. */
  readonly inputBits?: InputBits;
}

/**
 * How weights are to be kept, and to how many bits inputs are rounded.
 *
 * @param storage how weights should be kept. Default: int8 for the arithmetic int8, else float32
 * @throws InputError if the arithmetic is int8 and the weights should be kept otherwise, or the device has no such products.
 * @example
 * const device = openDevice("cpu");
 * const { storage, ...arithmetic } = await chooseArithmetic(device, { arithmetic: "int8" });
 * const model = await openModel("fixtures/embedded-model", { storage });
 * console.log(await generate(model, "Tom has 3 pens.", { device, ...arithmetic, maxNewTokens: 20 }));
 */
export async function chooseArithmetic(
  device: Device,
  { arithmetic = "float32", storage }: { readonly arithmetic?: Arithmetic; readonly storage?: Storage },
): Promise<ArithmeticChoice> {
  if (arithmetic === "float32") return { storage: storage ?? "float32" };
  if (storage !== undefined && !isQuantized(storage)) {
    throw new InputError(
      `Arithmetic in int8 multiplies by weights that are kept in int8 or nf4, not in ${storage}; leave the storage out.`,
    );
  }
  if (device.name !== "cpu") {
    throw new InputError(
      `The device "${device.name}" has no products of integers; choose the arithmetic float32, or the device "cpu".`,
    );
  }
  return { storage: storage ?? "int8", inputBits: await findInputBits(device) };
}
