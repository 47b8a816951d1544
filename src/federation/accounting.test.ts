import { expect, test } from "vitest";
import { lora, loraConfigSchema } from "../core/adapters/lora.ts";
import { listParameters } from "../core/adapters/parameters.ts";
import { listLinearModules } from "../core/architectures/modules.ts";
import { encodeFloat16 } from "../core/formats/float16.ts";
import { openCheckpoint } from "../node/models/checkpoint.ts";
import {
  distillationBytes,
  distillationMultiplyAdds,
  fedLlmBytes,
  splitBytes,
  trainingMultiplyAdds,
} from "./accounting.ts";
import { encodeRows } from "./split/codecs.ts";

const { config } = await openCheckpoint("fixtures/reference/models/llama");

test("an adapter is r (d_in + d_out) numbers for each layer, and has their bytes", () => {
  const r = 4;
  const adaptation = lora(loraConfigSchema.parse({ r }), config);
  const tensors = listParameters(config, adaptation).map(({ dims }) => new Float32Array(dims[0]! * dims[1]!));
  const sent = listLinearModules(config).reduce((sum, m) => sum + r * (m.inFeatures + m.outFeatures), 0);
  const counted = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const halves = tensors.reduce((sum, tensor) => sum + encodeFloat16(tensor).byteLength, 0);
  const trained = config.numHiddenLayers * sent;
  expect(fedLlmBytes({ sent: trained, received: trained, bytes: 4 })).toEqual({ up: counted, down: counted });
  expect(fedLlmBytes({ sent: trained, received: trained, bytes: 2 }).up).toBe(halves);
});

test("all of a vocabulary costs C b, and k entries k (b + 4) + b", () => {
  const of = { positions: 10, vocabSize: 49_152, bytes: 4 };
  expect(distillationBytes({ ...of, entries: 49_152 })).toEqual({ up: 1_966_080, down: 1_966_080 });
  expect(distillationBytes({ ...of, entries: 32 }).up).toBe(10 * (32 * 8 + 4));
});

test("what crosses a cut is what its codec sends, but for the scales of 8 bits", () => {
  const [positions, hiddenSize] = [6, 8];
  const round = { positions, hiddenSize, labels: 0, clientParameters: 0, uShaped: false };
  const values = new Float32Array(positions * hiddenSize).fill(1);
  for (const [format, bytes, scales] of [
    ["float32", 4, 0],
    ["float16", 2, 0],
    ["int8", 1, 4 * positions],
  ] as const) {
    const crossing = encodeRows(values, hiddenSize, format).bytes.length;
    expect(splitBytes({ ...round, bytes })).toEqual({ up: crossing - scales, down: crossing - scales });
  }
  const plain = splitBytes({ ...round, bytes: 4, labels: 5, clientParameters: 100 });
  expect(plain).toEqual({ up: 192 + 40 + 400, down: 192 + 400 });
  const uShaped = splitBytes({ ...round, bytes: 4, clientParameters: 100, uShaped: true });
  expect(uShaped).toEqual({ up: 2 * 192 + 400, down: 2 * 192 + 400 });
});

test("training multiplies forward and back, and predicting forward alone", () => {
  const model = { parameters: 1000, trained: 10 };
  expect(trainingMultiplyAdds(model, 3)).toBe(3 * 2010);
  expect(distillationMultiplyAdds(model, { tuned: 3, taught: 5, predicted: 5 })).toBe(8 * 2010 + 5 * 1000);
});
