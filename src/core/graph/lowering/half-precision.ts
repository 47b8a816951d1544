/** @file For devices that cannot compute with half-precision numbers: their programs are given such weights in float32. */

import { input, type Tensor } from "../tensor.ts";
import type { LoweringRules } from "./lower.ts";

/** Makes float16 inputs that are cast to float32 float32 inputs of the same names. A set of rules is for one graph. */
export function widenInputs(): LoweringRules {
  const widened = new Map<string, Tensor>();
  return {
    Cast({ inputs: [x], outputs: [y] }) {
      const { source, dtype, shape } = x!;
      if (source.kind !== "input" || dtype !== "float16" || y!.dtype !== "float32") return undefined;
      const tensor = widened.get(source.name) ?? input(source.name, "float32", shape);
      widened.set(source.name, tensor);
      return [tensor];
    },
  };
}
