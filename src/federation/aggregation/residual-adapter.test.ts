import { expect, test } from "vitest";
import { frozen } from "../../core/adapters/adaptation.ts";
import { dora } from "../../core/adapters/dora.ts";
import { lora, loraConfigSchema } from "../../core/adapters/lora.ts";
import { initializeParameters, type Parameter, type Parameters } from "../../core/adapters/parameters.ts";
import { createEngine } from "../../core/engine/engine.ts";
import { loadWeights } from "../../core/models/load-weights.ts";
import { createRandom } from "../../core/random.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { findPairs } from "./lora-pairs.ts";
import { checkLayers, joinResidual, withResidual } from "./residual-adapter.ts";

const device = openDevice("cpu", { threads: 1 });
const checkpoint = await openCheckpoint("fixtures/reference/models/llama");
const [config, weights] = [checkpoint.config, await loadWeights(checkpoint)];
const settings = loraConfigSchema.parse({ r: 2, target_modules: ["q_proj", "down_proj"] });
const batch = {
  rows: 1,
  length: 64,
  inputIds: Int32Array.from({ length: 64 }, (_, i) => (7 * i) % 50),
  positionIds: Int32Array.from({ length: 64 }, (_, i) => i),
  segmentIds: new Int32Array(64).fill(1),
};

function drawn(dims: readonly number[], seed: number): Parameter {
  const random = createRandom(seed);
  return { dims, data: Float32Array.from({ length: dims[0]! * dims[1]! }, () => 0.2 * random.normal()) };
}

/** A residual of rank 1 for the first module and of rank 3 for the others. */
function drawResidual(parameters: Parameters): Map<string, Parameter> {
  return new Map(
    findPairs(parameters).flatMap(({ module, A, B }, i) => {
      const rank = i === 0 ? 1 : 3;
      return [
        [`${module}.residual_A.weight`, drawn([rank, A.dims[1]!], i)],
        [`${module}.residual_B.weight`, drawn([B.dims[0]!, rank], 100 + i)],
      ] as const;
    }),
  );
}

test("a residual beside the adapter, trained or joined with it, computes the same", async () => {
  const plain = lora(settings, config);
  const drawnB = [...(await initializeParameters(config, plain, weights, 1))].map(
    ([name, parameter], i): [string, Parameter] =>
      name.endsWith("lora_B.weight") ? [name, drawn(parameter.dims, 200 + i)] : [name, parameter],
  );
  const residual = drawResidual(new Map(drawnB));
  const adaptation = withResidual(plain, residual);
  const parameters = await initializeParameters(config, adaptation, weights, 1);
  for (const [name, parameter] of drawnB) {
    if (!name.endsWith("lora_B.weight")) expect(parameters.get(name)!.data).toEqual(parameter.data);
    parameters.set(name, parameter);
  }
  const joined = joinResidual(settings, new Map(drawnB), residual);
  const logitsOf = async (each: Parameters, of: typeof adaptation) => {
    const engine = createEngine(device, config, weights, of, { segmentSize: 1 });
    const logits = await engine.logits(batch, Int32Array.of(10, 63), each);
    await engine.release();
    return logits;
  };
  const beside = await logitsOf(parameters, adaptation);
  const together = await logitsOf(joined.parameters, lora(joined.settings, config));
  const without = await logitsOf(new Map(drawnB), plain);
  const largest = (a: Float32Array, b: Float32Array) =>
    Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
  expect(largest(beside, together)).toBeLessThan(1e-4);
  expect(largest(beside, without)).toBeGreaterThan(1e-2);
});

test("a residual is for plain LoRA of linear layers", () => {
  const residual = drawResidual(
    new Map([
      ["m.lora_A.weight", drawn([2, 4], 0)],
      ["m.lora_B.weight", drawn([6, 2], 1)],
    ]),
  );
  const ofEmbedding = ["A", "B"].map((which) => [`e.lora_embedding_${which}`, drawn([2, 2], 0)] as const);
  expect(() => checkLayers(new Map(ofEmbedding))).toThrow(/leave e out of target_modules/);
  const plain = lora(loraConfigSchema.parse({ r: 2 }), config);
  const adapter = plain.adapterOf("model.layers.0.self_attn.q_proj", 6, 4)!;
  const adapted = withResidual({ ...frozen, adapterOf: () => dora(adapter, 6) }, residual);
  expect(() => adapted.adapterOf("m", 6, 4)).toThrow(/has to be plain LoRA; take the method "lora"/);
});
