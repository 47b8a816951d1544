/** @file For tests and measurements: what devices compute, as small cases that together run programs of every kind. */

import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { type Adaptation, full } from "../adapters/adaptation.ts";
import { noAdapter } from "../adapters/adapted-model.ts";
import { adaptionPrompt, adaptionPromptSchema } from "../adapters/adaption-prompt.ts";
import { lora, loraConfigSchema } from "../adapters/lora.ts";
import { initializeParameters, type Parameters, zerosLike } from "../adapters/parameters.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import type { Batch } from "../data/batch.ts";
import { createDecoder, extendText } from "../engine/decoder.ts";
import { createEngine, type EngineOptions } from "../engine/engine.ts";
import { appendTokens, createKeyValues } from "../engine/key-values.ts";
import type { BitWidth } from "../graph/operators/integer-matmul.ts";
import type { Storage } from "../models/linear.ts";
import { loadWeights } from "../models/load-weights.ts";
import { jensenShannon } from "../objectives/divergences.ts";
import { createRandom } from "../random.ts";
import type { Device } from "./device.ts";

/** What a case computes, by name. */
type Results = Readonly<Record<string, ArrayLike<number>>>;

export interface DeviceCase {
  readonly name: string;
  /** How far a result may be from another device's, as a share of its norm. */
  readonly tolerance: number;
  run(device: Device, folder: string, arithmetic?: Pick<EngineOptions, "inputBits">): Promise<Results>;
}

interface TrainingOptions {
  readonly adaptationOf: (config: ModelConfig) => Adaptation;
  readonly storage?: Storage;
  /** Default: the whole step in one program. */
  readonly engine?: EngineOptions;
  readonly distill?: boolean;
}

const withLora =
  (options: object = {}) =>
  (config: ModelConfig) =>
    lora(loraConfigSchema.parse({ r: 4, lora_alpha: 8, ...options }), config);
const withPrompts = (config: ModelConfig) =>
  adaptionPrompt(adaptionPromptSchema.parse({ adapter_len: 3, gate: "head" }), config);

const withHead = withLora({ target_modules: ["q_proj", "lm_head"], lora_dropout: 0.5 });

const inSlices = { segmentSize: 1, outputTile: { rows: 40, entries: 40 } };

/** What a device has to compute as the CPU does. */
export const deviceCases: readonly DeviceCase[] = [
  ...inBothWays("LoRA", withLora()),
  ...inBothWays("QLoRA", withLora(), "nf4"),
  ...inBothWays("int8", withLora(), "int8"),
  ...inBothWays("DoRA", withLora({ use_dora: true })),
];

/** What it has to compute as well, in programs of other kinds. */
export const furtherCases: readonly DeviceCase[] = [
  training("adaption prompts", { adaptationOf: withPrompts }),
  training("all weights", { adaptationOf: () => full, engine: inSlices }),
  training("adapted output layer", { adaptationOf: withHead, engine: inSlices }),
  training("divergence", { adaptationOf: withLora(), distill: true }),
  training("divergence in slices", { adaptationOf: withLora(), engine: inSlices, distill: true }),
  decoding("decoding"),
  decoding("decoding with 8 bits", 8),
  decoding("decoding with 4 bits", 4),
];

/** As one program, and by segments with the output layer in slices. */
function inBothWays(
  name: string,
  adaptationOf: TrainingOptions["adaptationOf"],
  storage: Storage = "float32",
): DeviceCase[] {
  return [
    training(name, { adaptationOf, storage }),
    training(`${name} by segments`, { adaptationOf, storage, engine: inSlices }),
  ];
}

async function openTiny(folder: string, storage: Storage = "float32") {
  const checkpoint = await openCheckpoint(folder);
  return { config: checkpoint.config, weights: await loadWeights(checkpoint, { storage }) };
}

/** A batch so long that attention goes over chunks of the queries, with two examples packed into each row. */
function batchOf({ vocabSize }: ModelConfig): Batch {
  const [rows, length, first] = [1, 64, 20];
  const inputIds = Int32Array.from({ length: rows * length }, (_, i) => (i * i * 7 + 13 * i + 1) % vocabSize);
  const labelPositions = Int32Array.from(inputIds.keys()).filter((i) => i % length < length - 1);
  return {
    rows,
    length,
    inputIds,
    positionIds: inputIds.map((_, i) => (i % length) - (i % length < first ? 0 : first)),
    segmentIds: inputIds.map((_, i) => (i % length < first ? 1 : 2)),
    labelPositions,
    labels: labelPositions.map((i) => inputIds[i + 1]!),
  };
}

/** Moves all parameters, so that no gradient is zero. */
function shake(parameters: Parameters): Parameters {
  const random = createRandom(7);
  for (const { data } of parameters.values())
    for (let i = 0; i < data.length; i++) data[i]! += 0.05 * random.normal();
  return parameters;
}

/** The loss of a step, and its gradients. */
function training(
  name: string,
  { adaptationOf, storage, engine: options, distill = false }: TrainingOptions,
): DeviceCase {
  return {
    name,
    tolerance: 1e-4,
    async run(device, folder, arithmetic) {
      const { config, weights } = await openTiny(folder, storage);
      const adaptation = adaptationOf(config);
      const parameters = shake(await initializeParameters(config, adaptation, weights, 0));
      const gradients = zerosLike(parameters);
      const engine = createEngine(device, config, weights, adaptation, {
        ...(options ?? { segmentSize: config.numHiddenLayers }),
        ...arithmetic,
      });
      const batch = batchOf(config);
      const count = batch.labels.length;
      const positions = batch.labelPositions;
      const distillation = distill && {
        teacher: await engine.predict(batch, positions, zerosLike(parameters)),
        positions,
        divergence: jensenShannon(0.3),
        weights: 1 / count,
      };
      const { logProbabilities, divergences } = await engine.accumulate(
        distill ? { ...batch, labels: new Int32Array(0), labelPositions: new Int32Array(0) } : batch,
        parameters,
        gradients,
        {
          weights: 1 / count,
          dropout: { seed: 1, step: 0, microBatch: 0 },
          ...(distillation && { distillation }),
        },
      );
      await engine.release();
      const losses = distill ? divergences : logProbabilities;
      return { losses, ...Object.fromEntries([...gradients].map(([name, { data }]) => [name, data])) };
    },
  };
}

/** A text scored, continued token by token, and branched. */
function decoding(name: string, stepBits?: BitWidth): DeviceCase {
  return {
    name,
    // Devices round the inputs of products with integers in blocks of their own.
    tolerance: stepBits === undefined ? 1e-4 : 0.05,
    async run(device, folder) {
      const model = await openTiny(folder);
      const decoder = createDecoder(device, model, noAdapter, stepBits === undefined ? {} : { stepBits });
      const ids = Int32Array.from({ length: 20 }, (_, i) => (i * i * 7 + 1) % model.config.vocabSize);
      const nothing = createKeyValues(model.config, 1, 0);
      const first = await extendText(decoder, [...ids], nothing);
      const scores = await decoder.score(first.hidden, Int32Array.from(ids.keys()), ids);
      let past = first.keyValues;
      const logits: Float32Array[] = [await decoder.logits(first.hidden, Int32Array.of(ids.length - 1))];
      const next = [5, 3, 5];
      for (const id of next) {
        const tokens = {
          rows: 1,
          length: 1,
          inputIds: Int32Array.of(id),
          positionIds: Int32Array.of(past.length),
        };
        const step = await decoder.step(tokens, past, Int32Array.of(past.length));
        past = appendTokens(model.config, past, step.keyValues);
        logits.push(step.logits);
      }
      await extendText(decoder, next, past);
      const branches = { rows: 2, length: 2, inputIds: Int32Array.of(1, 2, 3, 4) };
      const positionIds = Int32Array.of(0, 1, 0, 1).map((position) => past.length + position);
      await decoder.extend({ ...branches, positionIds }, past, Int32Array.of(past.length, past.length));
      await decoder.release();
      const steps = Object.fromEntries(logits.map((values, step) => [`logits ${step}`, values]));
      return { scores: scores.logProbabilities, likeliest: scores.likeliest, ...steps };
    },
  };
}
