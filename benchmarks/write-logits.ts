/**
 * @file Writes a model's logits, with an adapter or without, for reference/transformers_reads_ours.py to compare:
 * `node build/benchmarks/write-logits.js <model> <input-ids.json> <logits.safetensors> [adapter]`.
 */

import { readFileSync } from "node:fs";
import { type AdaptedModel, noAdapter } from "../src/core/adapters/adapted-model.ts";
import { createEngine } from "../src/core/engine/engine.ts";
import { loadAdapter } from "../src/node/adapters/load-adapter.ts";
import { writeSafetensors } from "../src/node/formats/safetensors.ts";
import { openModel } from "../src/node/models/open-model.ts";
import { openDevice } from "../src/node/runtime/onnx-runtime.ts";

const [modelPath, idsPath, outPath, adapterPath] = process.argv.slice(2) as [string, string, string, string?];
const rows: number[][] = JSON.parse(readFileSync(idsPath, "utf8"));
const base = await openModel(modelPath);
const model: AdaptedModel = adapterPath === undefined ? base : await loadAdapter(base, adapterPath);
const { adaptation, parameters } = model.adapter ?? noAdapter;
const engine = createEngine(openDevice("cpu"), model.config, model.weights, adaptation, { segmentSize: 1 });
const [count, length] = [rows.length, rows[0]!.length];
const inputIds = Int32Array.from(rows.flat());
const batch = {
  rows: count,
  length,
  inputIds,
  positionIds: inputIds.map((_, i) => i % length),
  segmentIds: inputIds.map(() => 1),
};
const data = await engine.logits(batch, Int32Array.from(inputIds.keys()), parameters);
await writeSafetensors(outPath, [
  { name: "logits", dtype: "float32", shape: [count, length, model.config.vocabSize], data },
]);
