import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openModel } from "../../node/models/open-model.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { type OperatorRun, readProfiles } from "../../node/runtime/profile.ts";
import { generate } from "../decoding/generate.ts";
import { add, cast, mul } from "../graph/operators/elementwise.ts";
import { input } from "../graph/tensor.ts";
import { asConstant, float32, type HostTensor } from "./device.ts";
import { type DeviceCase, deviceCases, furtherCases } from "./device-cases.fixture.ts";
import { findDevice, required, whyNoDevice, whyNotAll } from "./webgpu-device.fixture.ts";

const found = await findDevice();
afterAll(() => found?.release());

/** What may run on the CPU, or be copied to the device, while a program runs: integers that are no activations. */
const allowed: Readonly<Record<string, string>> = {
  Concat: "the shape of a product",
  Reshape: "labels as a column",
  MemcpyFromHost: "labels as a column",
};

function isMisplaced({ operator, provider, outputs }: OperatorRun): boolean {
  if (provider === "WebGpuExecutionProvider" && !operator.startsWith("Memcpy")) return false;
  return !(operator in allowed) || outputs.some((type) => Object.keys(type).join() !== "int64");
}

/** Runs a case on WebGPU. */
async function runMeasured({ run }: DeviceCase, model: string) {
  const folder = mkdtempSync(join(tmpdir(), "slimtune-webgpu-"));
  try {
    const device = openDevice("webgpu", { threads: 1, profilePrefix: join(folder, "program") });
    return { results: await run(device, model), programs: readProfiles(folder) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const modelsAndCases = [
  ["llama", [...deviceCases, ...furtherCases]],
  ["mistral", deviceCases],
  ["qwen3", deviceCases],
] as const;

describe.each(modelsAndCases)("%s", (name, cases) => {
  const model = `fixtures/reference/models/${name}`;
  test.for(cases)("$name: every node runs on WebGPU, with the CPU's results", async (each, { skip }) => {
    skip(!found, whyNoDevice);
    skip(!required && name !== "llama", whyNotAll);
    const { results, programs } = await runMeasured(each, model);
    expect(programs.flat().length).toBeGreaterThan(100);
    expect(programs.flat().filter(isMisplaced)).toEqual([]);
    const expected = await each.run(openDevice("cpu", { threads: 1 }), model);
    for (const [result, values] of Object.entries(expected)) {
      const difference = Math.hypot(...Array.from(values, (value, i) => value - results[result]![i]!));
      const norm = Math.hypot(...Array.from(values));
      expect(norm, result).toBeGreaterThan(0);
      expect(difference / norm, result).toBeLessThan(each.tolerance);
    }
  });
});

test("what never changes is copied to the device once, and stays while programs come and go", async ({
  skip,
}) => {
  skip(!found, whyNoDevice);
  const device = openDevice("webgpu", { threads: 1 });
  const [x, codes] = [input("x", "float32", [2]), input("codes", "uint8", [2])];
  const values = Float32Array.of(1, 2);
  const given = { codes: asConstant({ dtype: "uint8", dims: [2], data: Uint8Array.of(10, 20) }) };
  const run = async (tensor: HostTensor) => {
    const program = await device.compile({ y: add(mul(x, x), cast(codes, "float32")) });
    const { y } = await program.run({ ...given, x: tensor });
    await program.release();
    return y!.data;
  };
  const changing = float32(values, [2]);
  expect(await run(changing)).toEqual(Float32Array.of(11, 24));
  expect(await run(asConstant(changing))).toEqual(Float32Array.of(11, 24));
  values.fill(3);
  expect(await run(asConstant(changing))).toEqual(Float32Array.of(11, 24));
  expect(await run(changing)).toEqual(Float32Array.of(19, 29));
  expect(await run(asConstant(float32(values.slice(), [2])))).toEqual(Float32Array.of(19, 29));
});

test("half-precision weights are computed with, whether the device has such numbers or not", async ({
  skip,
}) => {
  skip(!found, whyNoDevice);
  const device = openDevice("webgpu", { threads: 1 });
  const x = input("x", "float16", [2]);
  const program = await device.compile({ y: mul(cast(x, "float32"), cast(x, "float32")) });
  const given: HostTensor = { dtype: "float16", dims: [2], data: Uint16Array.of(0x3c00, 0xc000) };
  for (const tensor of [given, asConstant(given), asConstant(given)])
    expect((await program.run({ x: tensor })).y!.data).toEqual(Float32Array.of(1, 4));
  await program.release();
});

test("the device says how much it gives in one piece", async ({ skip }) => {
  skip(!found, whyNoDevice);
  skip(!required, whyNotAll);
  const device = openDevice("webgpu", { threads: 1 });
  expect(await device.tensorLimit!(2 ** 28 + 4)).toBe(2 ** 28 + 4);
  const limit = await device.tensorLimit!(2 ** 38);
  expect(limit).toBeGreaterThanOrEqual(2 ** 28);
  expect(limit).toBeLessThan(2 ** 38);
  expect(Math.log2(limit) % 1).toBe(0);
});

test("the likeliest text is the CPU's", async ({ skip }) => {
  skip(!found, whyNoDevice);
  const model = await openModel("fixtures/embedded-model");
  const write = (device: "cpu" | "webgpu") =>
    generate(openDevice(device, { threads: 1 }), model, "The cat sat on", {
      maxNewTokens: 12,
      bits: "exact",
    });
  const text = await write("webgpu");
  expect(text).toBe(await write("cpu"));
  expect(text.length).toBeGreaterThan(10);
});
