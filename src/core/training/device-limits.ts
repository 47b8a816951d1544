/** @file Whether a device takes the tensors of a step, found out before any of them is made. */

import { InputError } from "../errors.ts";
import type { SizedTensor } from "../graph/cost.ts";
import type { Device } from "../runtime/device.ts";

/**
 * Blocks at a time for whose steps the device takes every tensor: those that are given or, if they may be others, one.
 *
 * @param largestOf the largest tensor of a step with so many
 * @throws InputError if it does not, with the tensor's size and the device's limit.
 */
export async function fitSegmentSize(
  device: Device,
  segmentSize: number,
  mayBeOne: boolean,
  largestOf: (segmentSize: number) => SizedTensor,
): Promise<number> {
  if (!device.tensorLimit) return segmentSize;
  const { name, bytes } = largestOf(segmentSize);
  const limit = await device.tensorLimit(bytes);
  if (bytes <= limit) return segmentSize;
  if (mayBeOne && segmentSize > 1) return fitSegmentSize(device, 1, false, largestOf);
  throw new InputError(
    `The largest tensor of a step, ${name}, takes ${bytes} bytes, and the device "${device.name}" gives ${limit} in one piece; take shorter micro-batches (micro_batch_tokens), fewer blocks at a time (segment_size), smaller weights (storage) or a smaller model, or another device.`,
  );
}
