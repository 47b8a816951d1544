import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import type { Device } from "../runtime/device.ts";
import { deviceCases } from "../runtime/device-cases.fixture.ts";
import { encodeOnnx } from "./onnx.ts";
import { ModelProtoSchema } from "./onnx_pb.fixture.ts";

test("models are what the code generated from onnx.proto makes of them, to the byte", async () => {
  const device = openDevice("cpu", { threads: 1 });
  let operators = 0;
  const observed: Device = {
    name: "cpu",
    compile(outputs) {
      const { model } = encodeOnnx(outputs);
      // What it does not know would be lost.
      const decoded = fromBinary(ModelProtoSchema, model, { readUnknownFields: false });
      expect(Buffer.compare(toBinary(ModelProtoSchema, decoded), model)).toBe(0);
      operators += decoded.graph!.node.length;
      return device.compile(outputs);
    },
  };
  for (const { run } of deviceCases.filter(({ name }) => name.startsWith("QLoRA")))
    await run(observed, "fixtures/reference/models/llama");
  expect(operators).toBeGreaterThan(100);
});
