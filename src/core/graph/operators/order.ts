/** @file Control dependencies: a way to have a value computed late that depends on no activation. */

import { apply, type Operator, type Tensor } from "../tensor.ts";
import { cast, div } from "./elementwise.ts";

const size: Operator = { onnx: { type: "Size" }, infer: () => [{ dtype: "int64", shape: [] }] };

/**
 * A one, float32 [], that exists only when `x` does. What is multiplied by it is not computed before.
 *
 * ONNX Runtime orders the nodes itself. Dense weights that depend on nothing else than quantized ones it computes at the
 * start, several of them, and keeps them until their turn.
 */
export function controlDependency(x: Tensor): Tensor {
  const elements = cast(apply(size, [x])[0]!, "float32");
  return div(elements, elements);
}
