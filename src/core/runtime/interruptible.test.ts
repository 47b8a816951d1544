import { expect, test } from "vitest";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { exp } from "../graph/operators/elementwise.ts";
import { input } from "../graph/tensor.ts";
import { float32 } from "./device.ts";
import { makeInterruptible } from "./interruptible.ts";

test("once the signal is aborted nothing is compiled or run any more", async () => {
  const interrupt = new AbortController();
  const device = makeInterruptible(openDevice("cpu", { threads: 1 }), interrupt.signal);
  const outputs = { y: exp(input("x", "float32", [1])) };
  const program = await device.compile(outputs);
  const inputs = { x: float32(Float32Array.of(0), [1]) };
  expect((await program.run(inputs)).y!.data).toEqual(Float32Array.of(1));
  interrupt.abort();
  await expect(program.run(inputs)).rejects.toBe(interrupt.signal.reason);
  await expect(device.compile(outputs)).rejects.toBe(interrupt.signal.reason);
  await program.release();
});
