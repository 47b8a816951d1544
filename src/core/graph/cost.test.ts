import { expect, test } from "vitest";
import { measureCost } from "./cost.ts";
import { add, exp } from "./operators/elementwise.ts";
import { matmul } from "./operators/matmul.ts";
import { reshape } from "./operators/movement.ts";
import { dequantizeNF4, matmulNF4 } from "./operators/nf4.ts";
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

test("a product with an NF4 weight takes the dense weight while it runs, and dequantization is no product", () => {
  const weight = {
    outFeatures: 6,
    inFeatures: 64,
    codes: input("codes", "uint8", [192]),
    absmax: input("absmax", "float32", [6]),
  };
  const product = measureCost([matmulNF4(input("x", "float32", ["S", 64]), weight)], { S: 5 });
  expect(product).toMatchObject({ flops: 2 * 5 * 64 * 6, peakBytes: 4 * (5 * 6 + 64 * 6) });
  expect(measureCost([dequantizeNF4(weight)], {})).toMatchObject({ flops: 0, peakBytes: 4 * 2 * 64 * 6 });
});

test("the largest tensor is an input or a result", () => {
  const product = (rows: number) =>
    matmul(input("x", "float32", [rows, 3]), input("w", "float32", [5, 3]), { transB: true });
  expect(measureCost([exp(product(2))], {}).largest).toEqual({ name: "w", bytes: 60 });
  expect(measureCost([exp(product(4))], {}).largest).toEqual({ name: "FusedMatMul", bytes: 80 });
});

test("a size that is not given is named", () => {
  expect(() => measureCost([exp(input("x", "float32", ["S"]))], {})).toThrow('"S" is not given');
});
