/** @file Symbolic tensors: immutable values of a graph that is described before it is run. */

export type DType = "float32" | "float16" | "int32" | "int64" | "int8" | "uint8" | "bool";

/** A size known now, or the name of one that is known when the graph runs. */
export type Dim = number | string;
export type Shape = readonly Dim[];

export type TensorData = Float32Array | Uint16Array | Int32Array | BigInt64Array | Int8Array | Uint8Array;

export type AttributeValue = number | string | readonly number[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Where a tensor's values come from. */
export type Source =
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "constant"; readonly data: TensorData }
  | { readonly kind: "node"; readonly node: Node; readonly index: number };

/** A symbolic tensor. Two tensors are the same only if they are the same object. */
export interface Tensor extends TensorType {
  readonly source: Source;
}

/**
 * One kind of operation: its ONNX form, its shape rule and its derivative, together.
 *
 * `onnx` names the ONNX operator; `null` marks an operation that exists for the derivative only and stands for
 * other tensors when the graph is encoded (see {@link withDerivative}).
 */
export interface Operator {
  readonly onnx: { readonly type: string; readonly domain?: "com.microsoft" } | null;
  infer(inputs: readonly Tensor[], attributes: Attributes): readonly TensorType[];
  /**
   * Gradients of the inputs, given those of the outputs (undefined where an output has none). Only inputs for
   * which `needs(i)` holds are asked for; the others may be undefined.
   */
  derivative?(
    node: Node,
    gradients: readonly (Tensor | undefined)[],
    needs: (input: number) => boolean,
  ): readonly (Tensor | undefined)[];
}

/** One application of an operator. */
export interface Node {
  readonly operator: Operator;
  readonly inputs: readonly Tensor[];
  readonly attributes: Attributes;
  readonly outputs: readonly Tensor[];
  /** For operators without an ONNX form: the tensors that the outputs stand for. */
  readonly standsFor?: readonly Tensor[];
  /** For {@link withDerivative}: the derivative given by the caller. */
  readonly derivative?: NonNullable<Operator["derivative"]>;
}

/**
 * A tensor that the caller supplies at each run, by name.
 *
 * @example
 * const hidden = input("hidden", "float32", ["B", "S", 256]);
 */
export function input(name: string, dtype: DType, shape: Shape): Tensor {
  return { dtype, shape, source: { kind: "input", name } };
}

/**
 * A tensor whose values are part of the graph. Meant for small ones: weights are inputs.
 *
 * @example
 * const powers = constant("float32", [3], Float32Array.of(1, 2, 4));
 */
export function constant(dtype: DType, shape: readonly number[], data: TensorData): Tensor {
  return { dtype, shape, source: { kind: "constant", data } };
}

/**
 * A number as a constant.
 *
 * @example
 * const doubled = mul(input("x", "float32", ["N"]), scalar(2));
 */
export function scalar(value: number): Tensor {
  return constant("float32", [], Float32Array.of(value));
}

/** Applies an operator; its outputs in order. */
export function apply(
  operator: Operator,
  inputs: readonly Tensor[],
  attributes: Attributes = {},
): readonly Tensor[] {
  return createNode({ operator, inputs, attributes }, operator.infer(inputs, attributes));
}

const standIn: Operator = {
  onnx: null,
  infer: () => [],
  derivative: (node, gradients, needs) => node.derivative!(node, gradients, needs),
};

/**
 * The given `outputs`, computed from `inputs` as described, but with a derivative of the caller's own instead of
 * the one that follows from the operators between them (as `jax.custom_vjp`).
 */
export function withDerivative(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  derivative: NonNullable<Operator["derivative"]>,
): readonly Tensor[] {
  return createNode({ operator: standIn, inputs, attributes: {}, standsFor: outputs, derivative }, outputs);
}

/**
 * `x` as a constant of the derivative: no gradient goes through it (PyTorch's detach).
 *
 * @example
 * const x = input("x", "float32", ["N"]);
 * const scaled = mul(x, detach(x));
 */
export function detach(x: Tensor): Tensor {
  return withDerivative([], [x], () => [])[0]!;
}

/** The outputs of `node` when what it needs is replaced by tensors of the same types; its own where nothing is. */
export function replaceNeeded(node: Node, replace: (tensor: Tensor) => Tensor): readonly Tensor[] {
  const inputs = node.inputs.map(replace);
  const standsFor = node.standsFor?.map(replace);
  const isSame = (now: readonly Tensor[] = [], before: readonly Tensor[] = []) =>
    now.every((tensor, index) => tensor === before[index]);
  if (isSame(inputs, node.inputs) && isSame(standsFor, node.standsFor)) return node.outputs;
  return createNode({ ...node, inputs, ...(standsFor && { standsFor }) }, node.outputs);
}

function createNode(parts: Omit<Node, "outputs">, types: readonly TensorType[]): readonly Tensor[] {
  const outputs: Tensor[] = [];
  const node: Node = { ...parts, outputs };
  for (const [index, { dtype, shape }] of types.entries()) {
    outputs.push({ dtype, shape, source: { kind: "node", node, index } });
  }
  return outputs;
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** `factor` times a size, such as "3*C" for 3 and "C". */
export function multiplyDim(factor: number, dim: Dim): Dim {
  if (typeof dim === "number") return factor * dim;
  const [, known = "1", name = dim] = /^(\d+)\*(.*)$/.exec(dim) ?? [];
  return factor * Number(known) === 1 ? name : `${factor * Number(known)}*${name}`;
}

/**
 * The nodes that `outputs` depend on, each after the ones it needs. Nodes that nothing asks for do not appear:
 * this is the graph's dead-node removal.
 */
export function sortTopologically(outputs: readonly Tensor[]): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const pending: { node: Node; next: number }[] = [];
  const visit = (tensor: Tensor) => {
    if (tensor.source.kind !== "node" || seen.has(tensor.source.node)) return;
    seen.add(tensor.source.node);
    pending.push({ node: tensor.source.node, next: 0 });
  };
  for (const output of outputs) {
    visit(output);
    while (pending.length > 0) {
      const top = pending[pending.length - 1]!;
      const needed = top.node.standsFor ? [...top.node.inputs, ...top.node.standsFor] : top.node.inputs;
      if (top.next < needed.length) {
        visit(needed[top.next++]!);
      } else {
        order.push(top.node);
        pending.pop();
      }
    }
  }
  return order;
}
