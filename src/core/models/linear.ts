/** @file A linear layer's frozen weight: how it is stored, and how the graph multiplies by it. */

import { decodeFloat16 } from "../formats/float16.ts";
import { cast } from "../graph/operators/elementwise.ts";
import { dequantizeInt8 as dequantizeInt8InGraph, matmulInt8 } from "../graph/operators/int8.ts";
import { type BlockwiseMatrix, matmulBlockwise } from "../graph/operators/integer-matmul.ts";
import { matmul } from "../graph/operators/matmul.ts";
import { separate } from "../graph/operators/movement.ts";
import {
  dequantizeNF4 as dequantizeNF4InGraph,
  matmulNF4,
  matmulNF4Rounded,
  type NF4Operand,
} from "../graph/operators/nf4.ts";
import { type InputBits, matmulRounded } from "../graph/operators/rounded-products.ts";
import { constant, input, type Tensor } from "../graph/tensor.ts";
import { stackBlockwise } from "../quantization/blockwise.ts";
import { dequantizeInt8 } from "../quantization/int8.ts";
import { dequantizeNF4 } from "../quantization/nf4.ts";
import type { HostTensor } from "../runtime/device.ts";

/**
 * How a base model's linear weights are kept in memory. Arithmetic is float32: quantized weights are made dense where they are
 * multiplied, unless they are multiplied in integers.
 */
export const storages = ["float32", "float16", "int8", "nf4"] as const;
export type Storage = (typeof storages)[number];

export function isQuantized(storage: Storage): storage is "int8" | "nf4" {
  return storage === "int8" || storage === "nf4";
}

/** A weight W [out, in] in the graph. */
export interface StoredWeight {
  readonly outFeatures: number;
  readonly inFeatures: number;
  /** x W^T for x [..., in]. */
  multiply(x: Tensor): Tensor;
  /**
   * W as float32 [out, in].
   *
   * @param after a tensor before which a quantized weight need not be made dense
   */
  dense(after?: Tensor): Tensor;
}

/**
 * The weight `name` as graph inputs, named by {@link storedTensorNames}.
 *
 * @param inputBits to how many bits inputs are rounded, so that quantized weights are multiplied in integers. Default: they are not
 */
export function storedWeight(
  name: string,
  outFeatures: number,
  inFeatures: number,
  storage: Storage,
  inputBits?: InputBits,
): StoredWeight {
  const shape = { outFeatures, inFeatures };
  const names = storedTensorNames(name, storage);
  switch (storage) {
    case "nf4": {
      const operand: NF4Operand = {
        ...shape,
        codes: input(names[0]!, "uint8", [(outFeatures * inFeatures) / 2]),
        absmax: input(names[1]!, "float32", [(outFeatures * inFeatures) / 64]),
      };
      return {
        ...shape,
        multiply: (x) =>
          inputBits === undefined ? matmulNF4(x, operand) : matmulNF4Rounded(x, operand, inputBits),
        dense: (after) => dequantizeNF4InGraph(operand, after),
      };
    }
    case "int8": {
      const operand = {
        codes: input(names[0]!, "int8", [outFeatures, inFeatures]),
        scales: input(names[1]!, "float32", [outFeatures]),
      };
      return {
        ...shape,
        multiply: (x) =>
          inputBits === undefined ? matmulInt8(x, operand) : matmulRounded(x, () => operand, inputBits),
        dense: (after) => dequantizeInt8InGraph(operand, after),
      };
    }
    default: {
      const weight = input(name, storage, [outFeatures, inFeatures]);
      const dense = () => cast(weight, "float32");
      return { ...shape, multiply: (x) => matmul(x, dense(), { transB: true }), dense };
    }
  }
}

/**
 * Weights in blocks of integers that are multiplied by the same inputs: one product computes all. They can be multiplied by only,
 * since they are for decoding.
 */
export function blockwiseWeights(matrices: readonly BlockwiseMatrix[]): StoredWeight[] {
  const stacked = stackBlockwise(matrices);
  const widths = matrices.map(({ outFeatures }) => outFeatures);
  const sizes = constant("int64", [widths.length], BigInt64Array.from(widths, BigInt));
  const products = new Map<Tensor, readonly Tensor[]>();
  const multiply = (x: Tensor): readonly Tensor[] => {
    const product = matmulBlockwise(x, stacked);
    return widths.length === 1 ? [product] : separate(product, x.shape.length - 1, sizes, widths);
  };
  return matrices.map(({ outFeatures, inFeatures }, index) => ({
    outFeatures,
    inFeatures,
    multiply(x) {
      const known = products.get(x) ?? multiply(x);
      products.set(x, known);
      return known[index]!;
    },
    dense() {
      throw new Error("A weight quantized for decoding has no dense form.");
    },
  }));
}

/** The weight `name` [out, in] in float32, from the tensors in which it is kept. */
export function readStoredWeight(tensors: Readonly<Record<string, HostTensor>>, name: string): Float32Array {
  const dense = tensors[name]?.data;
  if (dense) return dense instanceof Uint16Array ? decodeFloat16(dense) : (dense as Float32Array);
  const [codes, scales] = storedTensorNames(name, "int8").map((part) => tensors[part]?.data);
  if (scales) return dequantizeInt8({ codes: codes as Int8Array, scales: scales as Float32Array });
  const absmax = tensors[storedTensorNames(name, "nf4")[1]!]!.data;
  return dequantizeNF4({ codes: codes as Uint8Array, absmax: absmax as Float32Array });
}

/** Names of the tensors in which the weight `name` is kept. */
export function storedTensorNames(name: string, storage: Storage): string[] {
  switch (storage) {
    case "nf4":
      return [`${name}.codes`, `${name}.absmax`];
    case "int8":
      return [`${name}.codes`, `${name}.scales`];
    default:
      return [name];
  }
}
