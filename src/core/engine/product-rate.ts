/** @file The speed of matrix products on a device, against which a step's speed is judged. */

import { matmul } from "../graph/operators/matmul.ts";
import { input } from "../graph/tensor.ts";
import { type Device, float32 } from "../runtime/device.ts";

/**
 * Floating-point operations per second of float32 products of 512 x 2048 by 2048 x 2048: the median of `rounds`. Products are
 * chained, as in a model: what a product writes is then read by the next, and does not leave the engine.
 */
export async function measureProductRate(device: Device, rounds = 7): Promise<number> {
  const [rows, size, links] = [512, 2048, 4];
  const b = input("b", "float32", [size, size]);
  let product = input("a", "float32", [rows, size]);
  for (let link = 0; link < links; link++) product = matmul(product, b, { transB: true });
  const program = await device.compile({ product });
  const feeds = {
    a: float32(new Float32Array(rows * size).fill(0.5), [rows, size]),
    // With rows that sum to 1 the products neither grow nor vanish.
    b: float32(new Float32Array(size * size).fill(1 / size), [size, size]),
  };
  const seconds: number[] = [];
  for (let round = 0; round < rounds + 2; round++) {
    const started = performance.now();
    await program.run(feeds);
    // The first two warm up.
    if (round >= 2) seconds.push((performance.now() - started) / 1000);
  }
  await program.release();
  return (links * 2 * rows * size * size) / seconds.sort((x, y) => x - y)[Math.floor(rounds / 2)]!;
}
