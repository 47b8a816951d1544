import { afterAll, describe, expect, test } from "vitest";
import { readAdapter } from "../../node/adapters/peft-files.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { type Adaptation, frozen, full } from "../adapters/adaptation.ts";
import { lora, loraConfigSchema } from "../adapters/lora.ts";
import { initializeParameters, type Parameters, zerosLike } from "../adapters/parameters.ts";
import type { ModelConfig } from "../architectures/architecture.ts";
import { type Batch, type BatchOptions, buildMicroBatches, type TokenizedExample } from "../data/batch.ts";
import { InputError } from "../errors.ts";
import type { Storage } from "../models/linear.ts";
import { loadWeights } from "../models/load-weights.ts";
import type { ModelWeights } from "../models/weights.ts";
import { type Divergence, forwardKl, jensenShannon, reverseKl } from "../objectives/divergences.ts";
import { createRandom } from "../random.ts";
import { createEngine, type Engine } from "./engine.ts";

const device = openDevice("cpu", { threads: 1 });
const outputTile = { rows: 5, entries: 24 };
const divergences: Divergence[] = [forwardKl, reverseKl, jensenShannon(0.3)];

interface Opened {
  readonly config: ModelConfig;
  readonly weights: ModelWeights;
}
interface Student extends Opened {
  readonly adaptation: Adaptation;
  readonly parameters: Parameters;
}

async function openModel(name: string, storage: Storage = "float32"): Promise<Opened> {
  const checkpoint = await openCheckpoint(`fixtures/reference/${name}`);
  return { config: checkpoint.config, weights: await loadWeights(checkpoint, { storage }) };
}

/** Moves all parameters, so that no tensor is zero. */
function shake(parameters: Parameters, size: number): Parameters {
  const random = createRandom(7);
  for (const { data } of parameters.values())
    for (let i = 0; i < data.length; i++) data[i]! += size * random.normal();
  return parameters;
}

async function openStudent(
  name: string,
  adaptationOf: (config: ModelConfig) => Adaptation,
  storage?: Storage,
): Promise<Student> {
  const { config, weights } = await openModel(name, storage);
  const adaptation = adaptationOf(config);
  const parameters = shake(await initializeParameters(config, adaptation, weights, 0), 0.05);
  return { config, weights, adaptation, parameters };
}

async function openTokensStudent(name: string): Promise<Student> {
  const model = await openModel(`models/${name}`);
  const path = `fixtures/reference/peft-methods/lora-tokens${name === "llama" ? "" : "-tied"}/1`;
  const { adaptation, parameters } = await readAdapter(path, model.config, "any");
  return { ...model, adaptation, parameters: shake(parameters, 0.05) };
}

const withHead = (name: string) => (config: ModelConfig) =>
  lora(loraConfigSchema.parse({ target_modules: ["q_proj", "lm_head"], use_dora: name === "dora" }), config);
const onBlocks = (config: ModelConfig) => lora(loraConfigSchema.parse({}), config);

const students: readonly [name: string, open: () => Promise<Student>][] = [
  ["with all of it trained", () => openStudent("models/llama", () => full)],
  ["with a tied output layer that is trained", () => openStudent("models/llama-tied", () => full)],
  ["with capped logits", () => openStudent("families/gemma2-1", () => full)],
  ["with capped logits and adapted blocks", () => openStudent("families/gemma2-1", onBlocks)],
  ["with an adapted output layer", () => openStudent("models/llama", withHead("lora"))],
  ["with DoRA on the output layer", () => openStudent("models/llama", withHead("dora"))],
  ["with a float16 output layer", () => openStudent("models/llama-tied", onBlocks, "float16")],
  ["with trained rows of the output layer", () => openTokensStudent("llama")],
  ["with trained rows of a tied output layer", () => openTokensStudent("qwen2")],
];

const random = createRandom(3);
const example = (length: number): TokenizedExample => ({
  ids: Int32Array.from({ length }, () => Math.floor(64 * random.uniform())),
  trained: Uint8Array.from({ length }, (_, i) => (i % 3 === 0 ? 0 : 1)),
});
const examples = [7, 12, 9].map(example);
const batchOf = (options: Partial<BatchOptions> = {}) =>
  buildMicroBatches(examples, { microBatchTokens: 1024, packing: true, ...options });
const batch: Batch = batchOf()[0]!;
/** Positions with labels and without, one of them twice. */
const positions = Int32Array.of(0, 3, 4, 9, 11, 14, 14, 20, 25);
const noLabels = { labels: new Int32Array(0), labelPositions: new Int32Array(0) };

// The teacher's hidden size is its own.
const teacherModel = await openModel("families/gemma2-2");
const teacher = createEngine(device, teacherModel.config, teacherModel.weights, frozen, {
  segmentSize: 1,
  outputTile,
});
afterAll(() => teacher.release());

function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  const norm = (values: number[]) => Math.hypot(...values);
  return (
    norm(Array.from(expected, (value, i) => value - actual[i]!)) / Math.max(norm(Array.from(expected)), 1e-12)
  );
}

const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** The derivative at 0, from four values around it. */
async function differentiate(f: (x: number) => Promise<number>, h = 0.01): Promise<number> {
  const rise = async (x: number) => (await f(x)) - (await f(-x));
  return (8 * (await rise(h)) - (await rise(2 * h))) / (12 * h);
}

/** Log-probabilities by row, in float64. */
function logSoftmax(logits: Float32Array, count: number, temperature: number): number[][] {
  const size = logits.length / count;
  return Array.from({ length: count }, (_, row) => {
    const scaled = Array.from(logits.subarray(row * size, (row + 1) * size), (value) => value / temperature);
    const largest = Math.max(...scaled);
    const sum = scaled.reduce((sum, value) => sum + Math.exp(value - largest), 0);
    return scaled.map((value) => value - largest - Math.log(sum));
  });
}

/** Of one row: the divergence, and its derivatives by the student's log-probabilities. */
function evaluate({ name }: Divergence, student: readonly number[], teacher: readonly number[]) {
  const beta = name === "forward_kl" ? 0 : name === "reverse_kl" ? 1 : 0.3;
  let divergence = 0;
  const slopes = student.map((ls, i) => {
    const lt = teacher[i]!;
    const [p, q] = [Math.exp(ls), Math.exp(lt)];
    if (beta === 0) {
      divergence += q * (lt - ls);
      return -q;
    }
    if (beta === 1) {
      divergence += p * (ls - lt);
      return p * (ls - lt + 1);
    }
    const mixture = beta * q + (1 - beta) * p;
    divergence += beta * q * (lt - Math.log(mixture)) + (1 - beta) * p * (ls - Math.log(mixture));
    return (1 - beta) * p * (ls - Math.log(mixture));
  });
  return { divergence, slopes };
}

describe.each(students)("a student %s", async (name, open) => {
  const { config, weights, adaptation, parameters } = await open();
  const engineOf = (segmentSize: number) =>
    createEngine(device, config, weights, adaptation, { segmentSize, outputTile });
  const [segmented, whole] = [engineOf(1), engineOf(config.numHiddenLayers)];
  afterAll(() => Promise.all([segmented.release(), whole.release()]));
  const rowWeights = Float32Array.from(positions, (_, i) => 0.5 + 0.25 * (i % 3));
  const engines = [
    ["of one block", segmented],
    ["of all blocks", whole],
  ] as const;

  describe.each(engines)("in segments %s", (_segments, engine) => {
    test.each(
      divergences.flatMap((divergence) =>
        (engine === segmented ? [1, 2] : [2]).map((t) => [divergence.name, t, divergence] as const),
      ),
    )(
      "%s at temperature %s, and its gradients, follow from the logits",
      async (_name, temperature, divergence) => {
        const said = await teacher.predict(batch, positions, new Map(), temperature);
        const gradients = zerosLike(parameters);
        const distillation = { teacher: said, positions, divergence, weights: rowWeights };
        const accumulated = await engine.accumulate({ ...batch, ...noLabels }, parameters, gradients, {
          weights: 1,
          distillation,
        });
        const measured = await engine.divergences(batch, parameters, distillation);
        const logProbabilities = async (of: Engine, parameters: Parameters, t: number) =>
          logSoftmax(await of.logits(batch, positions, parameters), positions.length, t);
        const ofStudent = await logProbabilities(engine, parameters, temperature);
        const ofTeacher = await logProbabilities(teacher, new Map(), temperature);
        const expected = ofStudent.map((row, i) => evaluate(divergence, row, ofTeacher[i]!));
        for (const [i, { divergence }] of expected.entries()) {
          expect(Math.abs(accumulated.divergences[i]! - divergence)).toBeLessThan(1e-5);
          expect(Math.abs(measured[i]! - divergence)).toBeLessThan(1e-5);
        }

        // Every token as a label at each position, weighted by the negated derivative by its logit, has the same gradients.
        const size = config.vocabSize;
        const dLogits = expected.flatMap(({ slopes }, i) => {
          const sum = slopes.reduce((sum, slope) => sum + slope, 0);
          const factor = rowWeights[i]! / temperature;
          return slopes.map((slope, v) => factor * (slope - Math.exp(ofStudent[i]![v]!) * sum));
        });
        const everyToken = {
          labelPositions: Int32Array.from(dLogits, (_, i) => positions[Math.floor(i / size)]!),
          labels: Int32Array.from(dLogits, (_, i) => i % size),
        };
        const fromLabels = zerosLike(parameters);
        await engine.accumulate({ ...batch, ...everyToken }, parameters, fromLabels, {
          weights: Float32Array.from(dLogits, (value) => -value),
        });
        for (const [name, { data }] of gradients)
          expect(relativeDifference(data, fromLabels.get(name)!.data), name).toBeLessThan(1e-4);
      },
    );
  });

  // DoRA's gradients are not those of its loss: it takes the norm of the weight for a constant.
  test.runIf(!name.includes("DoRA"))(
    "gradients equal finite differences of labels' losses and divergences together",
    async () => {
      const said = await teacher.predict(batch, positions, new Map());
      const divergence = jensenShannon(0.3);
      const distillation = { teacher: said, positions, divergence, weights: rowWeights };
      const gradients = zerosLike(parameters);
      await segmented.accumulate(batch, parameters, gradients, { weights: 0.1, distillation });
      const lossAt = async (direction: Parameters, step: number) => {
        const moved: Parameters = new Map(
          [...parameters].map(([name, parameter]) => [
            name,
            {
              ...parameter,
              data: parameter.data.map((value, i) => value + step * direction.get(name)!.data[i]!),
            },
          ]),
        );
        const ofLabels = await segmented.score(batch, moved);
        const ofPositions = await segmented.divergences(batch, moved, distillation);
        return (
          -0.1 * ofLabels.reduce((sum, value) => sum + value, 0) +
          ofPositions.reduce((sum, value, i) => sum + rowWeights[i]! * value, 0)
        );
      };
      const trained = [...gradients].filter(([name]) => !parameters.get(name)!.isFrozen);
      const dot = (a: Parameters, b: Parameters) =>
        trained.reduce(
          (sum, [name]) =>
            sum + a.get(name)!.data.reduce((s, value, i) => s + value * b.get(name)!.data[i]!, 0),
          0,
        );
      const random = createRandom(11);
      const norm = Math.sqrt(dot(gradients, gradients));
      for (let draw = 0; draw < 3; draw++) {
        const noise = zerosLike(parameters);
        for (const [name] of trained)
          for (let i = 0; i < noise.get(name)!.data.length; i++) noise.get(name)!.data[i] = random.normal();
        const scale = 1 / Math.sqrt(dot(noise, noise));
        // Half along the gradient, so that the derivative is not small.
        const direction = zerosLike(parameters);
        for (const [name, { data }] of direction)
          for (let i = 0; i < data.length; i++)
            data[i] = scale * noise.get(name)!.data[i]! + gradients.get(name)!.data[i]! / norm;
        const h = 0.01;
        const difference =
          (8 * ((await lossAt(direction, h)) - (await lossAt(direction, -h))) -
            ((await lossAt(direction, 2 * h)) - (await lossAt(direction, -2 * h)))) /
          (12 * h);
        const derivative = dot(gradients, direction);
        expect(Math.abs(difference / derivative - 1)).toBeLessThan(2e-3);
      }
    },
  );

  test("is no way from itself", async () => {
    const said = await segmented.predict(batch, positions, parameters);
    for (const divergence of divergences) {
      const gradients = zerosLike(parameters);
      const distillation = { teacher: said, positions, divergence, weights: 1 };
      const options = { weights: 1, distillation };
      const none = { ...batch, ...noLabels };
      const { divergences } = await segmented.accumulate(none, parameters, gradients, options);
      for (const value of divergences) expect(Math.abs(value)).toBeLessThan(1e-6);
      for (const { data } of gradients.values()) expect(largest(data)).toBeLessThan(1e-5);
    }
  });
});

describe("a student", async () => {
  const student = await openStudent("models/llama", onBlocks);
  const { config, weights, adaptation, parameters } = student;
  const engine = createEngine(device, config, weights, adaptation, { segmentSize: 1, outputTile });
  afterAll(() => engine.release());
  const predictions = () => teacher.predict(batch, positions, new Map());

  test("learns the same however examples are divided", async () => {
    const divided = async (options: Partial<BatchOptions>) => {
      const gradients = zerosLike(parameters);
      const batches = batchOf(options);
      let sum = 0;
      for (const part of batches) {
        const said = await teacher.predict(part, part.labelPositions, new Map());
        const { divergences } = await engine.accumulate(part, parameters, gradients, {
          weights: 0.01,
          distillation: {
            teacher: said,
            positions: part.labelPositions,
            divergence: reverseKl,
            weights: 0.02,
          },
        });
        sum = divergences.reduce((sum, value) => sum + value, sum);
      }
      return { batches: batches.length, sum, gradients };
    };
    const expected = await divided({});
    expect(expected.batches).toBe(1);
    for (const options of [{ packing: false }, { microBatchTokens: 64, packing: false }]) {
      const { sum, gradients } = await divided(options);
      expect(Math.abs(sum / expected.sum - 1)).toBeLessThan(1e-5);
      for (const [name, { data }] of gradients)
        expect(relativeDifference(data, expected.gradients.get(name)!.data), name).toBeLessThan(1e-4);
    }
    expect((await divided({ microBatchTokens: 64, packing: false })).batches).toBe(3);
  });

  test("is not compared with another vocabulary, at other positions or at no temperature", async () => {
    const said = await predictions();
    const compare = (changes: object) =>
      engine.divergences(batch, parameters, { teacher: said, positions, divergence: forwardKl, ...changes });
    await expect(compare({ teacher: { ...said, vocabSize: 65 } })).rejects.toThrow(
      new InputError(
        "The teacher's vocabulary has 65 entries, and the student's 64; distill from a teacher with the student's tokenizer and vocabulary.",
      ),
    );
    await expect(compare({ positions: Int32Array.of(1, 2) })).rejects.toThrow(
      new InputError(
        "The teacher has predictions for 9 positions, and the student is compared at 2; predict at the same ones.",
      ),
    );
    for (const temperature of [0, -1, Number.NaN])
      await expect(teacher.predict(batch, positions, new Map(), temperature)).rejects.toThrow(InputError);
  });

  test("drops inputs of an adapted output layer anew at each step, if at all", async () => {
    const adaptation = lora(
      loraConfigSchema.parse({ target_modules: ["lm_head"], lora_dropout: 0.5 }),
      config,
    );
    const parameters = shake(await initializeParameters(config, adaptation, weights, 0), 0.2);
    const engine = createEngine(device, config, weights, adaptation, { segmentSize: 1, outputTile });
    const said = await predictions();
    const distillation = { teacher: said, positions, divergence: forwardKl, weights: 1 };
    const at = async (step?: number) => {
      const dropout = step !== undefined && { dropout: { seed: 1, step, microBatch: 0 } };
      const options = { weights: 1, distillation, ...dropout };
      const { divergences } = await engine.accumulate(batch, parameters, zerosLike(parameters), options);
      return divergences.reduce((sum, value) => sum + value, 0);
    };
    const [undropped, first, second] = [await at(), await at(0), await at(1)];
    expect(await at(0)).toBe(first);
    expect(await at()).toBe(undropped);
    for (const [a, b] of [
      [undropped, first],
      [first, second],
    ] as const)
      expect(Math.abs(a - b)).toBeGreaterThan(1e-3);
    await engine.release();
  });

  describe("with a loss on a hidden state", () => {
    const none = { ...batch, ...noLabels };
    const random = createRandom(5);
    const size = batch.inputIds.length * config.hiddenSize;
    const target = Float32Array.from({ length: size }, () => random.normal());
    /** Half the squared distance from a target, in the states of tokens that are not padding. */
    const lossOn = (layer: number) => {
      let loss = 0;
      return {
        get loss() {
          return loss;
        },
        layer,
        gradient({ data }: { readonly data: ArrayLike<number | bigint> }) {
          const counted = (i: number) => batch.segmentIds[Math.floor(i / config.hiddenSize)] !== 0;
          const gradient = target.map((value, i) => (counted(i) ? (data[i] as number) - value : 0));
          loss = gradient.reduce((sum, value) => sum + (value * value) / 2, 0);
          return gradient;
        },
      };
    };
    const lossAt = async (layer: number, moved: Parameters) => {
      const hiddenLoss = lossOn(layer);
      await engine.accumulate(none, moved, zerosLike(moved), { weights: 1, hiddenLoss });
      return hiddenLoss.loss;
    };

    test.each([1, 2])("before block %i, gradients equal finite differences, below alone", async (layer) => {
      const gradients = zerosLike(parameters);
      await engine.accumulate(none, parameters, gradients, { weights: 1, hiddenLoss: lossOn(layer) });
      for (const [name, { data }] of gradients) {
        const block = Number(/layers\.(\d+)/.exec(name)![1]);
        const norm = Math.hypot(...data);
        if (block >= layer) {
          expect(norm, name).toBe(0);
          continue;
        }
        const noise = createRandom(block, data.length);
        const direction = data.map((value) => value / norm + noise.normal() / Math.sqrt(data.length));
        const moved = (step: number): Parameters =>
          new Map(parameters).set(name, {
            ...parameters.get(name)!,
            data: parameters.get(name)!.data.map((value, i) => value + step * direction[i]!),
          });
        const difference = await differentiate((step) => lossAt(layer, moved(step)));
        const derivative = data.reduce((sum, value, i) => sum + value * direction[i]!, 0);
        expect(Math.abs(difference / derivative - 1), name).toBeLessThan(2e-3);
      }
    });

    test("its gradients and those of labels and divergences add up, in one segment too", async () => {
      const distillation = { teacher: await predictions(), positions, divergence: forwardKl, weights: 0.3 };
      const gradientsOf = async (engine: Engine, part: Batch, options: object) => {
        const gradients = zerosLike(parameters);
        await engine.accumulate(part, parameters, gradients, { weights: 0.1, ...options });
        return gradients;
      };
      const whole = createEngine(device, config, weights, adaptation, { segmentSize: 2, outputTile });
      const hiddenLoss = lossOn(config.numHiddenLayers);
      const together = await gradientsOf(whole, batch, { hiddenLoss, distillation });
      const apart = [
        await gradientsOf(engine, batch, {}),
        await gradientsOf(engine, none, { hiddenLoss }),
        await gradientsOf(engine, none, { distillation }),
      ];
      for (const [name, { data }] of together) {
        const sum = data.map((_, i) => apart.reduce((sum, part) => sum + part.get(name)!.data[i]!, 0));
        expect(relativeDifference(data, sum), name).toBeLessThan(1e-4);
      }
      await expect(gradientsOf(whole, none, { hiddenLoss: lossOn(1) })).rejects.toThrow(
        new InputError(
          "The hidden state before block 1 is not between two segments of 2 of the model's 2 blocks; take a segmentSize of 1, or a layer where a segment begins.",
        ),
      );
      await whole.release();
    });
  });
});
