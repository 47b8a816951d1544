/** @file The speed of matrix products on a device, against which a step's speed is judged. */

import { matmul } from "../graph/operators/matmul.ts";
import { input } from "../graph/tensor.ts";
import { type Device, float32 } from "../runtime/device.ts";

/** Floating-point operations per second of a float32 product of 512 x 2048 by 2048 x 2048: the median of `rounds`. */
export async function measureProductRate(device: Device, rounds = 7): Promise<number> {
  const [m, k, n] = [512, 2048, 2048];
  const program = await device.compile({
    product: matmul(input("a", "float32", [m, k]), input("b", "float32", [k, n])),
  });
  const a = float32(new Float32Array(m * k).fill(0.5), [m, k]);
  const b = float32(new Float32Array(k * n).fill(0.5), [k, n]);
  const seconds: number[] = [];
  for (let round = 0; round < rounds + 2; round++) {
    const started = performance.now();
    await program.run({ a, b });
    // The first two warm up.
    if (round >= 2) seconds.push((performance.now() - started) / 1000);
  }
  await program.release();
  return (2 * m * k * n) / seconds.sort((x, y) => x - y)[Math.floor(rounds / 2)]!;
}
