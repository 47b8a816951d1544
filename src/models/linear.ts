/** @file A linear layer's frozen weight: how it is stored, and how the graph multiplies by it. */

import { decodeFloat16 } from "../formats/float16.ts";
import { cast } from "../graph/operators/elementwise.ts";
import { type BlockwiseMatrix, matmulBlockwise } from "../graph/operators/integer-matmul.ts";
import { matmul } from "../graph/operators/matmul.ts";
import { dequantizeNF4 as dequantizeInGraph, matmulNF4, type NF4Operand } from "../graph/operators/nf4.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { dequantizeNF4 } from "../quantization/nf4.ts";
import type { HostTensor } from "../runtime/device.ts";

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
    return { ...shape, multiply: (x) => matmulNF4(x, operand), dense: () => dequantizeInGraph(operand) };
  }
  const weight = input(name, storage, [outFeatures, inFeatures]);
  const dense = () => cast(weight, "float32");
  return { ...shape, multiply: (x) => matmul(x, dense(), { transB: true }), dense };
}

/** A weight in blocks of integers. It can be multiplied by only, since it is for decoding. */
export function blockwiseWeight(matrix: BlockwiseMatrix): StoredWeight {
  const { outFeatures, inFeatures } = matrix;
  return {
    outFeatures,
    inFeatures,
    multiply: (x) => matmulBlockwise(x, matrix),
    dense() {
      throw new Error("A weight quantized for decoding has no dense form.");
    },
  };
}

/** The weight `name` [out, in] in float32, from the tensors in which it is kept. */
export function readStoredWeight(tensors: Readonly<Record<string, HostTensor>>, name: string): Float32Array {
  const dense = tensors[name]?.data;
  if (dense) return dense instanceof Uint16Array ? decodeFloat16(dense) : (dense as Float32Array);
  const [codes, absmax] = storedTensorNames(name, "nf4").map((part) => tensors[part]!.data);
  return dequantizeNF4({ codes: codes as Uint8Array, absmax: absmax as Float32Array });
}

/** Names of the tensors in which the weight `name` is kept. */
export function storedTensorNames(name: string, storage: Storage): string[] {
  return storage === "nf4" ? [`${name}.codes`, `${name}.absmax`] : [name];
}
