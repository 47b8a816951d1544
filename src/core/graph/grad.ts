/** @file Reverse-mode differentiation: a graph in, the graph of its gradients out. */

import { add } from "./operators/elementwise.ts";
import { constant, type Node, sortTopologically, type Tensor } from "./tensor.ts";

/**
 * Gradients of a scalar with respect to `parameters`, in their order.
 *
 * @throws Error if a parameter does not influence the loss, or an operator on the way has no derivative.
 */
export function grad(loss: Tensor, parameters: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0) throw new Error("Only a scalar has a gradient; give vjp a cotangent instead.");
  return vjp([loss], [constant("float32", [], Float32Array.of(1))], parameters);
}

/**
 * Vector-Jacobian product: the gradients of `parameters`, given `cotangents`, the gradients of `outputs` (of the
 * same shapes).
 *
 * Only the derivatives on a path from a parameter to an output are built: a frozen weight costs nothing.
 *
 * @throws Error if a parameter does not influence the outputs, or an operator on the way has no derivative.
 *
 * @example
 * // Runs x^2 and its derivative.
 * const { openDevice } = await import("slimtune");
 * const x = input("x", "float32", ["N"]);
 * const y = mul(x, x);
 * const [dx] = vjp([y], [input("dy", "float32", ["N"])], [x]);
 * const program = await openDevice("cpu").compile({ dx: dx! });
 * const feeds = { x: float32(Float32Array.of(3), [1]), dy: float32(Float32Array.of(1), [1]) };
 * console.log((await program.run(feeds)).dx!.data);
 */
export function vjp(
  outputs: readonly Tensor[],
  cotangents: readonly Tensor[],
  parameters: readonly Tensor[],
): Tensor[] {
  const nodes = sortTopologically(outputs);
  const influenced = new Set<Tensor>(parameters);
  const onPath: Node[] = [];
  for (const node of nodes) {
    if (!node.inputs.some((tensor) => influenced.has(tensor))) continue;
    onPath.push(node);
    for (const output of node.outputs) influenced.add(output);
  }

  const gradients = new Map<Tensor, Tensor>();
  const accumulate = (tensor: Tensor, gradient: Tensor) => {
    const sum = gradients.get(tensor);
    gradients.set(tensor, sum ? add(sum, gradient) : gradient);
  };
  for (const [index, output] of outputs.entries()) accumulate(output, cotangents[index]!);

  for (const node of onPath.reverse()) {
    const received = node.outputs.map((output) => gradients.get(output));
    if (received.every((gradient) => gradient === undefined)) continue;
    const { operator, inputs } = node;
    if (!operator.derivative) throw new Error(`${operator.onnx?.type ?? "A stand-in"} has no derivative.`);
    const needs = (index: number) => influenced.has(inputs[index]!);
    const given = operator.derivative(node, received, needs);
    for (const [index, tensor] of inputs.entries()) {
      if (!needs(index)) continue;
      const gradient = given[index];
      if (gradient) accumulate(tensor, gradient);
    }
  }

  return parameters.map((parameter) => {
    const gradient = gradients.get(parameter);
    if (!gradient) {
      const name = parameter.source.kind === "input" ? `"${parameter.source.name}"` : "A parameter";
      throw new Error(`${name} does not influence the outputs, so it has no gradient.`);
    }
    return gradient;
  });
}
