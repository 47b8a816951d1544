import { expect, test } from "vitest";
import { openSafetensorsFile } from "../../node/formats/safetensors.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { vjp } from "../graph/grad.ts";
import { input } from "../graph/tensor.ts";
import { storedWeight } from "../models/linear.ts";
import { float32, type HostTensor } from "../runtime/device.ts";
import { lora, loraConfigSchema } from "./lora.ts";

// Made by reference/lora.py with PEFT.
test("with dropout, output and gradients of a layer equal PEFT's", async () => {
  const golden = await openSafetensorsFile("fixtures/reference/dora-dropout.safetensors");
  const [outFeatures, inFeatures] = golden.tensors.get("weight")!.shape as [number, number];
  const { config } = await openCheckpoint("fixtures/reference/models/llama");
  const settings = loraConfigSchema.parse({ r: 3, lora_alpha: 6, lora_dropout: 0.25, use_dora: true });
  const adapter = lora(settings, config).adapterOf(
    "model.layers.0.self_attn.q_proj",
    outFeatures,
    inFeatures,
  )!;
  const graphInput = (name: string) => input(name, "float32", golden.tensors.get(name)!.shape);
  const tensors = Object.fromEntries(adapter.parameters.map(({ name }) => [name, graphInput(name)]));
  const weight = storedWeight("weight", outFeatures, inFeatures, "float32");
  const [x, dropped] = [graphInput("x"), graphInput("dropped")];
  const output = adapter.forward(x, dropped, weight, adapter.prepare!(weight.dense(), tensors));
  const wanted = { x, dropped, ...tensors };
  const gradients = vjp([output], [graphInput("d_output")], Object.values(wanted));
  const program = await openDevice("cpu", { threads: 1 }).compile({
    output,
    ...Object.fromEntries(Object.keys(wanted).map((name, i) => [`gradient of ${name}`, gradients[i]!])),
  });
  const feeds: Record<string, HostTensor> = {};
  for (const name of ["x", "dropped", "weight", "d_output", ...Object.keys(tensors)])
    feeds[name] = float32(await golden.readFloat32(name), golden.tensors.get(name)!.shape);
  const results = await program.run(feeds);

  const expectClose = async (actual: Float32Array, name: string) => {
    const expected = await golden.readFloat32(name);
    const difference = Math.hypot(...actual.map((value, i) => value - expected[i]!));
    expect(difference / Math.hypot(...expected), name).toBeLessThan(1e-5);
  };
  await expectClose(results.output!.data as Float32Array, "output");
  for (const name of Object.keys(tensors))
    await expectClose(results[`gradient of ${name}`]!.data as Float32Array, `grad.${name}`);
  // PEFT's gradient of x goes through the dropout: what was kept of x was multiplied by 1 / (1 - rate).
  const [xs, kept] = [await golden.readFloat32("x"), await golden.readFloat32("dropped")];
  const [direct, through] = ["x", "dropped"].map(
    (name) => results[`gradient of ${name}`]!.data as Float32Array,
  );
  await expectClose(
    direct!.map((value, i) => value + through![i]! * (kept[i]! / xs[i]!)),
    "grad.x",
  );
  golden.close();
});
