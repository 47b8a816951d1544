/** @file A linear layer's frozen weight: how it is stored, and how the graph multiplies by it. */

import { cast } from "../graph/operators/elementwise.ts";
import { matmul } from "../graph/operators/matmul.ts";
import { dequantizeNF4, matmulNF4, type NF4Operand } from "../graph/operators/nf4.ts";
import { input, type Tensor } from "../graph/tensor.ts";

/** How a base model's linear weights are kept in memory. Arithmetic is float32 in every case. */
export const storages = ["float32", "float16", "nf4"] as const;
export type Storage = (typeof storages)[number];

/** A weight W [out, in] in the graph. */
export interface StoredWeight {
  readonly outFeatures: number;
  readonly inFeatures: number;
  /** x W^T for x [..., in]. */
  multiply(x: Tensor): Tensor;
  /** W as float32 [out, in]. */
  dense(): Tensor;
}

/** The weight `name` as graph inputs, named by {@link storedTensorNames}. */
export function storedWeight(
  name: string,
  outFeatures: number,
  inFeatures: number,
  storage: Storage,
): StoredWeight {
  const shape = { outFeatures, inFeatures };
  if (storage === "nf4") {
    const [codes, absmax] = storedTensorNames(name, storage) as [string, string];
    const operand: NF4Operand = {
      ...shape,
      codes: input(codes, "uint8", [(outFeatures * inFeatures) / 2]),
      absmax: input(absmax, "float32", [(outFeatures * inFeatures) / 64]),
    };
    return { ...shape, multiply: (x) => matmulNF4(x, operand), dense: () => dequantizeNF4(operand) };
  }
  const weight = input(name, storage, [outFeatures, inFeatures]);
  const dense = () => cast(weight, "float32");
  return { ...shape, multiply: (x) => matmul(x, dense(), { transB: true }), dense };
}

/** Names of the tensors in which the weight `name` is kept. */
export function storedTensorNames(name: string, storage: Storage): string[] {
  return storage === "nf4" ? [`${name}.codes`, `${name}.absmax`] : [name];
}
