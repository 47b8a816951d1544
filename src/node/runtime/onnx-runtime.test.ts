import { expect, test } from "vitest";
import { cast } from "../../core/graph/operators/elementwise.ts";
import { reshape } from "../../core/graph/operators/movement.ts";
import { input } from "../../core/graph/tensor.ts";
import { openDevice } from "./onnx-runtime.ts";

test("half-precision numbers go into a program and come out as their bits, whatever arrays Node has", async () => {
  const x = input("x", "float16", [4]);
  const program = await openDevice("cpu").compile({ same: reshape(x, [2, 2]), values: cast(x, "float32") });
  // A part of a larger array: 1, -2, 0.5 and the largest number.
  const data = Uint16Array.of(0, 0x3c00, 0xc000, 0x3800, 0x7bff).subarray(1);
  const { same, values } = await program.run({ x: { dtype: "float16", dims: [4], data } });
  expect(same).toEqual({ dtype: "float16", dims: [2, 2], data: Uint16Array.from(data) });
  expect(values!.data).toEqual(Float32Array.of(1, -2, 0.5, 65_504));
  await program.release();
});
