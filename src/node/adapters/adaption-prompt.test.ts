import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  adaptionPrompt,
  adaptionPromptFormat,
  adaptionPromptSchema,
} from "../../core/adapters/adaption-prompt.ts";
import { initializeParameters } from "../../core/adapters/parameters.ts";
import { convertGates, exportWithGate } from "../export/convert-gate.ts";
import { exportGguf, exportGgufAdapter } from "../export/gguf.ts";
import { openTinyModel } from "../export/tiny-models.fixture.ts";
import { openDevice } from "../runtime/onnx-runtime.ts";
import { loadAdapter } from "./load-adapter.ts";
import { readAdapter, writeAdapter } from "./peft-files.ts";

const device = openDevice("cpu", { threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), "slimtune-adaption-prompt-"));
mkdirSync(join(scratch, "models"));
afterAll(() => rmSync(scratch, { recursive: true }));
const openTiny = (name: string) => openTinyModel(join(scratch, "models"), name);

test.each([
  ["llama", "scalar", "ADAPTION_PROMPT"],
  ["mistral", "scalar", "ADAPTION_PROMPT"],
  ["llama", "head", "SLIMTUNE_ADAPTION_PROMPT"],
  ["qwen3", "scalar", "SLIMTUNE_ADAPTION_PROMPT"],
  ["llama-bias", "scalar", "SLIMTUNE_ADAPTION_PROMPT"],
  ["llama-head-dim", "scalar", "SLIMTUNE_ADAPTION_PROMPT"],
] as const)("%s with a gate of kind %s is written as %s, and read again", async (name, gate, type) => {
  const model = await openTiny(name);
  const settings = adaptionPromptSchema.parse({ adapter_len: 4, gate });
  const adaptation = adaptionPrompt(settings, model.config);
  const parameters = await initializeParameters(model.config, adaptation, model.weights, 1);
  const folder = join(scratch, `${name}-${gate}`);
  await writeAdapter(folder, { format: adaptionPromptFormat, settings }, parameters, model);
  expect(JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8"))).toMatchObject({
    peft_type: type,
    adapter_len: 4,
    adapter_layers: 2,
    target_modules: "self_attn",
  });
  const read = await readAdapter(folder, model.config, model.fingerprint);
  expect(read.settings).toEqual({ ...settings, adapter_layers: 2 });
  expect(read.parameters).toEqual(parameters);
});

const ofPeft = "fixtures/reference/peft-methods/adaption-prompt-llama/1";

test.each(["qwen3", "llama-bias", "llama-head-dim"])(
  "PEFT's adapter for a model like %s is refused",
  async (name) => {
    const { config } = await openTiny(name);
    await expect(readAdapter(ofPeft, config, "any")).rejects.toThrow(
      `adapter_config.json is an adaption prompt of PEFT's for another model than this one of type "${config.modelType}"`,
    );
  },
);

test("GGUF is refused, of the merged model and of the adapter", async () => {
  const model = await openTiny("llama");
  const sentence = "so they cannot be merged, nor written as GGUF; use the base model with the adapter";
  const out = join(scratch, "out.gguf");
  await expect(exportGguf(device, await loadAdapter(model, ofPeft), out)).rejects.toThrow(sentence);
  await expect(exportGgufAdapter(device, model, ofPeft, out)).rejects.toThrow(sentence);
  expect(existsSync(out)).toBe(false);
});

test("gates of heads become those of layers and back, and what cannot be converted is refused", async () => {
  const model = await openTiny("llama");
  const settings = adaptionPromptSchema.parse({ adapter_len: 4, gate: "head" });
  const adaptation = adaptionPrompt(settings, model.config);
  const parameters = await initializeParameters(model.config, adaptation, model.weights, 1);
  for (const [name, { data }] of parameters)
    if (name.endsWith("adaption_gate")) data.fill(name.includes("layers.0") ? -0.7 : 1.3);
  const [heads, scalar, back] = ["heads", "scalar", "back"].map((name) => join(scratch, name)) as [
    string,
    string,
    string,
  ];
  await writeAdapter(heads, { format: adaptionPromptFormat, settings }, parameters, model);
  const { maxLogitDifference } = await exportWithGate(device, model, heads, scalar, "scalar");
  expect(maxLogitDifference).toBeLessThan(1e-4);
  expect(JSON.parse(readFileSync(join(scalar, "adapter_config.json"), "utf8")).peft_type).toBe(
    "ADAPTION_PROMPT",
  );
  const gateOf = async (folder: string) =>
    (await readAdapter(folder, model.config, model.fingerprint)).parameters.get(
      "model.layers.1.self_attn.adaption_gate",
    )!;
  expect(await gateOf(scalar)).toEqual({ dims: [1], data: Float32Array.of(Math.tanh(Math.fround(1.3))) });
  await exportWithGate(device, model, scalar, back, "head");
  const { dims, data } = await gateOf(back);
  expect(dims).toEqual([model.config.numAttentionHeads]);
  for (const gate of data) expect(gate).toBeCloseTo(1.3, 5);

  const gates = (values: number[]) =>
    new Map([["a.adaption_gate", { dims: [values.length], data: Float32Array.from(values) }]]);
  expect(() => convertGates({ gate: "head" }, gates([0.3, 0.4]), "scalar", 2)).toThrow(
    "let through 0.291 to 0.380, which no one gate for the layer does; keep the gates of heads.",
  );
  expect(() => convertGates({ gate: "scalar" }, gates([-1.2]), "head", 2)).toThrow(
    "is -1.20, and tanh stays between -1 and 1; keep the gate of the layer.",
  );
  const lora = "fixtures/reference/peft-methods/ia3-llama/1";
  await expect(exportWithGate(device, model, lora, join(scratch, "no"), "head")).rejects.toThrow(
    "has no gate",
  );
});
