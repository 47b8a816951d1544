import { expect, test, vi } from "vitest";
import type { Device } from "../runtime/device.ts";
import { fitSegmentSize } from "./device-limits.ts";

const withLimit = (limit: number): Device => ({
  name: "webgpu",
  compile: vi.fn(),
  tensorLimit: async (bytes) => Math.min(bytes, limit),
});
const largestOf = (segmentSize: number) => ({ name: "0.mlp.up_proj.weight", bytes: 100 * segmentSize });

test("as many blocks at a time as were chosen, or one where their tensors are too large", async () => {
  expect(await fitSegmentSize({ name: "cpu", compile: vi.fn() }, 8, true, largestOf)).toBe(8);
  expect(await fitSegmentSize(withLimit(800), 8, true, largestOf)).toBe(8);
  expect(await fitSegmentSize(withLimit(799), 8, true, largestOf)).toBe(1);
});

test("what does not fit is refused with the tensor, its size, the limit and what to change", async () => {
  const sentence = (bytes: number, limit: number) =>
    `The largest tensor of a step, 0.mlp.up_proj.weight, takes ${bytes} bytes, and the device "webgpu" gives ${limit} in one piece; take shorter micro-batches (micro_batch_tokens), fewer blocks at a time (segment_size), smaller weights (storage) or a smaller model, or another device.`;
  await expect(fitSegmentSize(withLimit(799), 8, false, largestOf)).rejects.toThrow(sentence(800, 799));
  await expect(fitSegmentSize(withLimit(99), 8, true, largestOf)).rejects.toThrow(sentence(100, 99));
});
