import { expect, test } from "vitest";
import { measureCost } from "./cost.ts";
import { add, exp } from "./operators/elementwise.ts";
import { matmul } from "./operators/matmul.ts";
import { reshape } from "./operators/movement.ts";
import { input } from "./tensor.ts";

test("a product's operations are twice the multiplications", () => {
  const y = matmul(input("a", "float32", ["B", "S", 3]), input("b", "float32", [5, 3]), { transB: true });
  expect(measureCost([y], { B: 2, S: 7 }).flops).toBe(2 * 2 * 7 * 3 * 5);
});

test("a value is freed after its last use, and a reshape takes no memory", () => {
  const x = input("x", "float32", [10]);
  const chain = exp(reshape(exp(exp(x)), [2, 5]));
  expect(measureCost([chain], {}).peakBytes).toBe(2 * 40);
  const first = exp(x);
  const kept = add(exp(exp(first)), first);
  expect(measureCost([kept], {}).peakBytes).toBe(3 * 40);
});

test("a size that is not given is named", () => {
  expect(() => measureCost([exp(input("x", "float32", ["S"]))], {})).toThrow('"S" is not given');
});
