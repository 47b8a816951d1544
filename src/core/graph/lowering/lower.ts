/** @file Rewrites a graph for a device: what it has no operator for is computed by those that it has. */

import { type Node, replaceNeeded, sortTopologically, type Tensor } from "../tensor.ts";

/**
 * What a node becomes: tensors of the types of its outputs, computed from its inputs. It stays as it is where the rule gives
 * undefined.
 */
export type LoweringRule = (node: Node) => readonly Tensor[] | undefined;

/** Rules by the ONNX operators that they are for. */
export type LoweringRules = Readonly<Record<string, LoweringRule>>;

/**
 * The same values, computed with what the rules make of each node. Rules see nodes whose inputs are lowered already; what they
 * make is not lowered again. Where no rule changes anything, the tensors are those that were given.
 */
export function lower(
  outputs: Readonly<Record<string, Tensor>>,
  rules: LoweringRules,
): Readonly<Record<string, Tensor>> {
  const lowered = new Map<Tensor, Tensor>();
  const loweredOf = (tensor: Tensor) => lowered.get(tensor) ?? tensor;
  for (const node of sortTopologically(Object.values(outputs))) {
    const rule = rules[node.operator.onnx?.type ?? ""];
    const made = rule?.({ ...node, inputs: node.inputs.map(loweredOf) }) ?? replaceNeeded(node, loweredOf);
    for (const [index, output] of node.outputs.entries()) lowered.set(output, made[index]!);
  }
  return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, loweredOf(tensor)]));
}
