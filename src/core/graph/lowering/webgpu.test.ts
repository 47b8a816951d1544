import { describe, expect, test } from "vitest";
import { openDevice } from "../../../node/runtime/onnx-runtime.ts";
import { createRandom } from "../../random.ts";
import { type Device, float32, type HostTensor } from "../../runtime/device.ts";
import { deviceCases } from "../../runtime/device-cases.fixture.ts";
import { encodeOnnx } from "../onnx.ts";
import { add, cast, mul, sub } from "../operators/elementwise.ts";
import { broadcastMatmul, matmul } from "../operators/matmul.ts";
import { logSoftmax } from "../operators/neural-network.ts";
import { dequantizeNF4, matmulNF4 } from "../operators/nf4.ts";
import { controlDependency } from "../operators/order.ts";
import { detach, input, type Shape, sortTopologically, type Tensor } from "../tensor.ts";
import { widenInputs } from "./half-precision.ts";
import { lower } from "./lower.ts";
import { webgpuRules } from "./webgpu.ts";

// The operators that WebGPU has run on the CPU, too, so that what is lowered can be compared there.
const device = openDevice("cpu", { threads: 1 });

function typesOf(tensor: Tensor): string[] {
  return sortTopologically([tensor]).map(({ operator }) => operator.onnx?.type ?? "stand-in");
}

const sizes: Readonly<Record<string, number>> = { B: 2, S: 3, N: 5 };
const random = createRandom(1);
function draw(shape: Shape): HostTensor {
  const dims = shape.map((dim) => (typeof dim === "number" ? dim : sizes[dim]!));
  const count = dims.reduce((product, dim) => product * dim, 1);
  return float32(
    Float32Array.from({ length: count }, () => random.normal()),
    dims,
  );
}

/** Runs `y` as it is and lowered. */
async function expectEqual(y: Tensor, feeds: Readonly<Record<string, HostTensor>>): Promise<string[]> {
  const lowered = lower({ y }, webgpuRules).y!;
  expect(lowered.shape).toEqual(y.shape);
  expect(lowered.dtype).toBe(y.dtype);
  const program = await device.compile({ y, lowered });
  const results = await program.run(feeds);
  await program.release();
  expect(results.lowered!.dims).toEqual(results.y!.dims);
  const difference = (results.y!.data as Float32Array).reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (results.lowered!.data[i] as number))),
    0,
  );
  expect(difference).toBeLessThan(1e-5);
  return typesOf(lowered);
}

const x = input("x", "float32", ["B", "S", 8]);

test("without a rule for any of its nodes a graph stays as it is, stand-ins included", () => {
  const [y, z] = [mul(detach(x), x), matmul(x, input("w", "float32", [4, 8]), { transB: true })];
  const lowered = lower({ y, z, x }, { Exp: () => [] });
  expect(lowered.y).toBe(y);
  expect(lowered.z).toBe(z);
  expect(lowered.x).toBe(x);
});

describe("products", () => {
  const both = [false, true];
  const products: readonly [name: string, a: Shape, b: Shape, options: object][] = [
    ...both.flatMap((transA) =>
      both.flatMap((transB) => {
        const options = { transA, transB, alpha: 0.5 };
        const [a, b] = [transA ? [8, "N"] : ["N", 8], transB ? [4, 8] : [8, 4]];
        const stack = (shape: Shape) => ["B", 2, ...shape];
        return [
          [`two matrices, transposed ${transA} ${transB}`, a, b, options],
          [`stacks of matrices, transposed ${transA} ${transB}`, stack(a), stack(b), options],
        ] satisfies [string, Shape, Shape, object][];
      }),
    ),
    ["many rows by a matrix", ["B", "S", 8], [8, 4], { alpha: 3 }],
    ["many rows by a transposed matrix", ["B", "S", 8], [4, 8], { transB: true }],
    ["one token's rows by a matrix", ["B", 1, 8], [8, 4], {}],
  ];

  test.each(products)("of %s", async (_name, a, b, options) => {
    const y = matmul(input("a", "float32", a), input("b", "float32", b), options);
    const types = await expectEqual(y, { a: draw(a), b: draw(b) });
    expect(types).not.toContain("FusedMatMul");
    // Matrices are multiplied as they lie.
    expect(types.includes("Transpose")).toBe(b.length > 2 && Object.values(options).includes(true));
  });

  test.each(both)("of matrices that are repeated, transposed %s", async (transB) => {
    const shapes = { a: ["B", 2, 3, 8], b: [1, 2, ...(transB ? [4, 8] : [8, 4])] };
    const y = broadcastMatmul(input("a", "float32", shapes.a), input("b", "float32", shapes.b), { transB });
    const types = await expectEqual(y, { a: draw(shapes.a), b: draw(shapes.b) });
    expect(types).not.toContain("FusedMatMul");
  });
});

test("logarithms of a softmax, of large numbers too", async () => {
  const data = draw(["B", "S", 8]);
  const types = await expectEqual(logSoftmax(x), {
    x: float32(
      (data.data as Float32Array).map((value) => 100 * value),
      data.dims,
    ),
  });
  expect(types).not.toContain("LogSoftmax");
});

test("control dependencies are ones that wait for a tensor, whatever its values", async () => {
  const types = await expectEqual(add(controlDependency(mul(x, x)), input("z", "float32", [2])), {
    x: float32(new Float32Array(48).fill(Number.NaN), [2, 3, 8]),
    z: draw([2]),
  });
  expect(types).toEqual(["Mul", "Shape", "Expand", "Add"]);
});

test("a quantized weight's parts are split by sizes that nothing waits for", async () => {
  const [outFeatures, inFeatures] = [64, 8];
  const codes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const weight = {
    codes: input("codes", "uint8", [256]),
    absmax: input("absmax", "float32", [8]),
    outFeatures,
    inFeatures,
  };
  const product = matmulNF4(x, weight, 1024);
  expect(typesOf(product)).toContain("Size");
  const types = await expectEqual(sub(product, matmul(x, dequantizeNF4(weight, x), { transB: true })), {
    x: draw(["B", "S", 8]),
    codes: { dtype: "uint8", dims: [256], data: codes },
    absmax: draw([8]),
  });
  expect(types.filter((type) => ["Size", "Cast", "FusedMatMul"].includes(type))).toEqual([]);
  expect(types.filter((type) => type === "Split")).toHaveLength(2);
});

test("an input in half precision is one in float32, however often it is cast", () => {
  const h = input("h", "float16", ["N"]);
  const lowered = lower({ y: mul(cast(h, "float32"), cast(h, "float32")) }, widenInputs()).y!;
  expect(typesOf(lowered)).toEqual(["Mul"]);
  expect(encodeOnnx({ lowered }).inputs).toEqual(["h"]);
});

test("programs of the CPU are the graphs as they are, to the byte", async () => {
  let changed = 0;
  const observed: Device = {
    name: "cpu",
    compile(outputs) {
      const { model } = encodeOnnx(outputs);
      expect(Buffer.compare(encodeOnnx(lower(outputs, {})).model, model)).toBe(0);
      if (Buffer.compare(encodeOnnx(lower(outputs, webgpuRules)).model, model) !== 0) changed++;
      return device.compile(outputs);
    },
  };
  for (const { run } of deviceCases.filter(({ name }) => name.startsWith("QLoRA")))
    await run(observed, "fixtures/reference/models/llama");
  expect(changed).toBeGreaterThan(3);
});
