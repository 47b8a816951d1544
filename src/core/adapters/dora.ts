/** @file DoRA (Liu et al. 2024): LoRA adapts the direction of a weight's rows, and their lengths are trained by themselves. */

import { add, div, mul, sub } from "../graph/operators/elementwise.ts";
import { reshape } from "../graph/operators/movement.ts";
import { reduceL2 } from "../graph/operators/reduction.ts";
import { detach, type Tensor } from "../graph/tensor.ts";
import type { LinearAdapter } from "./adaptation.ts";

/** PEFT's name of the trained lengths. */
const magnitudeName = "lora_magnitude_vector";

/**
 * DoRA on a LoRA adapter: with V = W + s B A and ||V|| the lengths of its rows, the layer computes x (m / ||V|| V)^T
 * (equation 5). The lengths m [out] begin as those of W; ||V|| counts as constant in the derivative (section 4.3), as in
 * PEFT.
 */
export function dora(lora: LinearAdapter, outFeatures: number): LinearAdapter {
  /** What each row is multiplied by, [out]. */
  const scaleOf = (magnitude: Tensor, direction: Tensor) => div(magnitude, detach(reduceL2(direction, [1])));
  return {
    signature: `dora ${lora.signature}`,
    dropout: lora.dropout,
    parameters: [
      ...lora.parameters,
      {
        name: magnitudeName,
        shape: [outFeatures],
        isByOutput: true,
        initialize: async (_random, weight) => rowLengths(await weight(), outFeatures),
      },
    ],
    prepare(weight, { [magnitudeName]: magnitude, ...update }) {
      return { ...update, scale: scaleOf(magnitude!, lora.merge(weight, update)) };
    },
    forward(x, dropped, weight, { scale, ...update }) {
      const scaled = mul(lora.forward(dropped, dropped, weight, update), scale!);
      // As in PEFT, dropout is for what the adapter adds to x W^T.
      return x === dropped ? scaled : add(scaled, weight.multiply(sub(x, dropped)));
    },
    merge(weight, { [magnitudeName]: magnitude, ...update }) {
      const direction = lora.merge(weight, update);
      return mul(direction, reshape(scaleOf(magnitude!, direction), [outFeatures, 1]));
    },
  };
}

/** Euclidean lengths of the rows of `matrix` [rows, columns]. */
function rowLengths(matrix: Float32Array, rows: number): Float32Array {
  const width = matrix.length / rows;
  return Float32Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let i = row * width; i < (row + 1) * width; i++) sum += matrix[i]! ** 2;
    return Math.sqrt(sum);
  });
}
