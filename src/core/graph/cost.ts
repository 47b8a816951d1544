/** @file What a graph costs to run, found by walking it: the memory of its values and its multiplications. */

import { type DType, type Node, type Shape, sortTopologically, type Tensor } from "./tensor.ts";

/** Values of the symbolic sizes, such as { B: 1, S: 512 }. */
export type Sizes = Readonly<Record<string, number>>;

export interface GraphCost {
  /** Most bytes of intermediate values, outputs and operators' workspaces alive at once; inputs are not counted. */
  readonly peakBytes: number;
  /** Floating-point operations of the matrix products, a multiply-add counting as two. */
  readonly flops: number;
  /** The largest of the inputs, values and outputs. */
  readonly largest: SizedTensor;
}

export interface SizedTensor {
  /** An input's name, or the operator whose result it is. */
  readonly name: string;
  readonly bytes: number;
}

export function larger(a: SizedTensor, b: SizedTensor): SizedTensor {
  return b.bytes > a.bytes ? b : a;
}

const bytesPerElement: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  int32: 4,
  int64: 8,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** Walks the nodes in the order in which they are encoded, freeing each value after its last use. */
export function measureCost(outputs: readonly Tensor[], sizes: Sizes): GraphCost {
  const nodes = sortTopologically(outputs).filter((node) => node.operator.onnx !== null);
  const lastUse = new Map<Tensor, number>();
  for (const [index, node] of nodes.entries()) {
    for (const tensor of node.inputs) lastUse.set(storageOf(tensor), index);
  }
  for (const output of outputs) lastUse.set(storageOf(output), nodes.length);

  let live = 0;
  let peakBytes = 0;
  let flops = 0;
  let largest: SizedTensor = { name: "", bytes: 0 };
  const freedAfter = new Map<number, number>();
  for (const [index, node] of nodes.entries()) {
    flops += productFlops(node, sizes);
    for (const tensor of node.inputs)
      if (tensor.source.kind === "input")
        largest = larger(largest, { name: tensor.source.name, bytes: bytesOf(tensor, sizes) });
    for (const output of node.outputs) {
      if (storageOf(output) !== output) continue;
      const bytes = bytesOf(output, sizes);
      largest = larger(largest, { name: node.operator.onnx!.type, bytes });
      live += bytes;
      const end = lastUse.get(output) ?? index;
      freedAfter.set(end, (freedAfter.get(end) ?? 0) + bytes);
    }
    peakBytes = Math.max(peakBytes, live + workspaceBytes(node));
    live -= freedAfter.get(index) ?? 0;
  }
  return { peakBytes, flops, largest };
}

/** The tensor whose memory holds the value: stand-ins and reshapes share that of another. */
function storageOf(tensor: Tensor): Tensor {
  const { source } = tensor;
  if (source.kind !== "node") return tensor;
  if (source.node.standsFor) return storageOf(source.node.standsFor[source.index]!);
  return source.node.operator.onnx?.type === "Reshape" ? storageOf(source.node.inputs[0]!) : tensor;
}

function bytesOf({ dtype, shape }: Tensor, sizes: Sizes): number {
  return countElements(shape, sizes) * bytesPerElement[dtype];
}

function countElements(shape: Shape, sizes: Sizes): number {
  return shape.reduce<number>(
    (product, dim) => product * (typeof dim === "number" ? dim : resolve(dim, sizes)),
    1,
  );
}

/** The value of a size such as "S" or "3*S". */
function resolve(dim: string, sizes: Sizes): number {
  return dim.split("*").reduce((product, factor) => {
    const value = /^\d+$/.test(factor) ? Number(factor) : sizes[factor];
    if (value === undefined) throw new Error(`The size "${factor}" is not given.`);
    return product * value;
  }, 1);
}

/** Memory that an operator takes while it runs: MatMulBnb4 makes the weight dense. */
function workspaceBytes({ operator, attributes }: Node): number {
  return operator.onnx?.type === "MatMulBnb4" ? 4 * (attributes.N as number) * (attributes.K as number) : 0;
}

function productFlops({ operator, inputs, attributes, outputs }: Node, sizes: Sizes): number {
  switch (operator.onnx?.type) {
    case "FusedMatMul": {
      const inner = inputs[0]!.shape.at(attributes.transA === 1 ? -2 : -1)!;
      return 2 * countElements(outputs[0]!.shape, sizes) * countElements([inner], sizes);
    }
    case "MatMulIntegerToFloat":
      return 2 * countElements(outputs[0]!.shape, sizes) * countElements([inputs[0]!.shape[1]!], sizes);
    case "MatMulBnb4":
      // With K = 1 it is no product, but the weight made dense.
      return attributes.K === 1 ? 0 : 2 * countElements(outputs[0]!.shape, sizes) * (attributes.K as number);
    default:
      return 0;
  }
}
