import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Adaptation, full } from "../../core/adapters/adaptation.ts";
import { lora, loraConfigSchema } from "../../core/adapters/lora.ts";
import {
  initializeParameters,
  type Parameter,
  type Parameters,
  zerosLike,
} from "../../core/adapters/parameters.ts";
import type { ModelConfig } from "../../core/architectures/architecture.ts";
import { buildMicroBatches, type TokenizedExample } from "../../core/data/batch.ts";
import { createEngine, type Engine } from "../../core/engine/engine.ts";
import { loadWeights } from "../../core/models/load-weights.ts";
import { sft } from "../../core/objectives/sft.ts";
import { createRandom } from "../../core/random.ts";
import { createMoments } from "../../core/training/adamw.ts";
import {
  initialProgress,
  type LoopPlan,
  runTrainingLoop,
  type StepMetrics,
} from "../../core/training/loop.ts";
import { openCheckpoint } from "../../node/models/checkpoint.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { bytesPerRow, decodeRows, encodeRows, relativeLoss, stateFormats } from "./codecs.ts";
import { createServerOptimizer } from "./server-optimizer.ts";
import {
  createClientHalf,
  createServerHalf,
  type PlainServer,
  type SplitOptions,
  type UShapedServer,
} from "./split-learning.ts";

const device = openDevice("cpu", { threads: 1 });

async function openModel(name: string) {
  const checkpoint = await openCheckpoint(`fixtures/reference/models/${name}`);
  return { config: checkpoint.config, weights: await loadWeights(checkpoint) };
}
const llama = await openModel("llama");

const examples: TokenizedExample[] = Array.from({ length: 8 }, (_, i) => ({
  ids: Int32Array.from({ length: 5 + ((i * 7) % 13) }, (_, j) => (3 * i + j) % 50),
  trained: Uint8Array.from({ length: 5 + ((i * 7) % 13) }, (_, j) => (j > 2 ? 1 : 0)),
}));
const batching = { microBatchTokens: 128, packing: true };
const [batch] = buildMicroBatches(examples, batching);
const weights = Float32Array.from(batch!.labels, (_, i) => 0.1 + i / 100);

/** LoRA whose B is not zero. */
async function createParameters(model: Awaited<ReturnType<typeof openModel>>, adaptation: Adaptation) {
  const parameters = await initializeParameters(model.config, adaptation, model.weights, 1);
  for (const [i, [name, { data }]] of [...parameters].entries()) {
    const random = createRandom(2, i);
    if (/lora_(B\.weight|embedding_A)$/.test(name))
      for (const j of data.keys()) data[j] = 0.1 * random.normal();
  }
  return parameters;
}

function pick(tensors: Parameters, holds: (name: string) => boolean): Map<string, Parameter> {
  return new Map([...tensors].filter(([name]) => holds(name)));
}

const options: SplitOptions = { cut: 1, segmentSize: 1, format: "float32" };
const loraOf = (config: ModelConfig, settings = {}) =>
  lora(loraConfigSchema.parse({ r: 2, lora_alpha: 4, ...settings }), config);

/** Both halves; each holds its own tensors, and is checked to hold no others. */
async function split(
  model: Awaited<ReturnType<typeof openModel>>,
  adaptation: Adaptation,
  uShaped: boolean,
  parameters: Parameters,
  over: SplitOptions = options,
) {
  const whole = { ...model, adaptation };
  const none = createServerHalf(device, whole, { parameters: new Map(), gradients: new Map() }, over);
  const ofServer = pick(parameters, (name) => none.holds(name, uShaped));
  const serverGradients = zerosLike(ofServer);
  const server = createServerHalf(device, whole, { parameters: ofServer, gradients: serverGradients }, over);
  const client = createClientHalf(
    device,
    whole,
    uShaped ? { uShaped: server.uShaped } : { plain: server.plain },
    over,
  );
  const ofClient = pick(parameters, client.holds);
  expect([...ofClient.keys(), ...ofServer.keys()].sort()).toEqual([...parameters.keys()].sort());
  return { client, server, ofClient, ofServer, serverGradients };
}

describe.each([
  ["plain", false],
  ["U-shaped", true],
] as const)("a %s split", (_, uShaped) => {
  test.each([
    [
      "llama",
      "LoRA of the output layer and the embedding too",
      (config: ModelConfig) => loraOf(config, { target_modules: ["q_proj", "lm_head", "embed_tokens"] }),
    ],
    ["llama", "full tuning", () => full],
    ["llama-tied", "LoRA", (config: ModelConfig) => loraOf(config)],
  ])("of %s with %s has the gradients of the model in one piece, to the bit", async (name, _, adapt) => {
    const model = name === "llama" ? llama : await openModel(name);
    const adaptation = adapt(model.config);
    const parameters = await createParameters(model, adaptation);
    const engine = createEngine(device, model.config, model.weights, adaptation, { segmentSize: 1 });
    const expected = zerosLike(parameters);
    const whole = await engine.accumulate(batch!, parameters, expected, { weights });
    const scores = await engine.score(batch!, parameters);
    await engine.release();

    const { client, server, ofClient, serverGradients } = await split(model, adaptation, uShaped, parameters);
    const clientGradients = zerosLike(ofClient);
    const found = await client.accumulate(batch!, ofClient, clientGradients, { weights });
    expect(found.logProbabilities).toEqual(whole.logProbabilities);
    expect(await client.score(batch!, ofClient)).toEqual(scores);
    const gradients = new Map([...clientGradients, ...serverGradients]);
    for (const [tensor, { data }] of expected) {
      expect(
        data.some((value) => value !== 0),
        tensor,
      ).toBe(true);
      expect(gradients.get(tensor)!.data, tensor).toEqual(data);
    }
    await client.release();
    await server.release();
  });

  test("trains as the model in one piece does, to the bit", async () => {
    const adaptation = loraOf(llama.config);
    const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
    const plan: LoopPlan = {
      totalSteps: 3,
      stepsPerEpoch: 2,
      objective: sft,
      examplesOf: (step) =>
        examples.slice(4 * (step % 2), 4 * (step % 2) + 4).map((example) => ({ texts: [example] })),
      heldOut: [{ texts: [examples[0]!] }],
      batching: { microBatchTokens: 64, packing: true },
      evalSteps: 3,
      saveSteps: 100,
      earlyStoppingPatience: undefined,
      optimizer,
      learningRate: 1e-2,
      scheduler: "cosine",
      warmupSteps: 1,
      maxGradNorm: 1e6,
      seed: 0,
    };
    const train = async (
      engine: Pick<Engine, "score" | "accumulate">,
      parameters: Parameters,
      changes: Partial<LoopPlan> = {},
    ) => {
      const state = { parameters, moments: createMoments(parameters), progress: initialProgress };
      const steps: StepMetrics[] = [];
      const losses: number[] = [];
      await runTrainingLoop(engine as Engine, { ...plan, ...changes }, state, {
        onStep: (step) => steps.push(step),
        onEvaluation: ({ eval_loss }) => losses.push(eval_loss),
        save: async () => {},
      });
      return [steps.map(({ loss }) => loss), losses];
    };
    const inOnePiece = await createParameters(llama, adaptation);
    const engine = createEngine(device, llama.config, llama.weights, adaptation, { segmentSize: 1 });
    const expected = await train(engine, inOnePiece);
    await engine.release();

    const parameters = await createParameters(llama, adaptation);
    const { client, server, ofClient, ofServer, serverGradients } = await split(
      llama,
      adaptation,
      uShaped,
      parameters,
    );
    const serverOptimizer = createServerOptimizer(
      { parameters: ofServer, gradients: serverGradients },
      { ...optimizer, maxGradNorm: 1e6 },
    );
    const found = await train(client, ofClient, {
      optimizerStep({ step, learningRateOf }, adamW) {
        adamW(optimizer);
        serverOptimizer.update(step, learningRateOf);
      },
    });
    expect(found).toEqual(expected);
    for (const [name, { data }] of inOnePiece) expect(parameters.get(name)!.data, name).toEqual(data);
    await client.release();
    await server.release();
  });

  test("in fewer bits loses little", async () => {
    const adaptation = loraOf(llama.config);
    const parameters = await createParameters(llama, adaptation);
    const gradientsIn = async (format: SplitOptions["format"]) => {
      const { client, server, ofClient, serverGradients } = await split(
        llama,
        adaptation,
        uShaped,
        parameters,
        { ...options, format },
      );
      const gradients = zerosLike(ofClient);
      await client.accumulate(batch!, ofClient, gradients, { weights });
      await client.release();
      await server.release();
      return Float32Array.from(
        [...gradients.values(), ...serverGradients.values()].flatMap(({ data }) => [...data]),
      );
    };
    const exact = await gradientsIn("float32");
    const half = relativeLoss(exact, await gradientsIn("float16"));
    const eighth = relativeLoss(exact, await gradientsIn("int8"));
    expect(half).toBeGreaterThan(0);
    expect(half).toBeLessThan(2e-3);
    expect(eighth).toBeGreaterThan(half);
    expect(eighth).toBeLessThan(0.05);
  });
});

test("the plain variant sends labels, and the U-shaped one neither labels nor tokens", async () => {
  const adaptation = loraOf(llama.config);
  const parameters = await createParameters(llama, adaptation);
  const seen = async (uShaped: boolean) => {
    const whole = { ...llama, adaptation };
    const server = createServerHalf(device, whole, { parameters, gradients: zerosLike(parameters) }, options);
    const sent: unknown[] = [];
    const plain: PlainServer = {
      ...server.plain,
      accumulate: (...given) => {
        sent.push(...given);
        return server.plain.accumulate(...given);
      },
    };
    const watched: UShapedServer = {
      ...server.uShaped,
      accumulate: (given, above) => {
        sent.push(given);
        return server.uShaped.accumulate(given, above);
      },
    };
    const client = createClientHalf(device, whole, uShaped ? { uShaped: watched } : { plain }, options);
    await client.accumulate(batch!, parameters, zerosLike(parameters), { weights });
    await client.release();
    await server.release();
    return sent.flatMap((each) =>
      Object.keys(each as object).flatMap((key) => [
        key,
        ...Object.keys((each as Record<string, object>)[key]!),
      ]),
    );
  };
  expect(await seen(false)).toEqual(expect.arrayContaining(["labels", "labelPositions"]));
  const kept = await seen(true);
  expect(kept).toEqual(expect.arrayContaining(["layout", "positionIds", "segmentIds", "state", "bytes"]));
  for (const name of ["labels", "labelPositions", "inputIds"]) expect(kept).not.toContain(name);
});

describe("codecs", () => {
  const rows = fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 6, maxLength: 6 });
  test("give the rows again, in the bytes that they should take, nearly or exactly", () => {
    fc.assert(
      fc.property(fc.array(rows, { minLength: 1, maxLength: 4 }), (each) => {
        const values = Float32Array.from(each.flat());
        const largest = Math.max(...values.map(Math.abs));
        const bounds = { float32: 0, float16: largest * 2 ** -11 + 1e-7, int8: largest / 250 + 1e-7 };
        for (const format of stateFormats) {
          const encoded = encodeRows(values, 6, format);
          expect(encoded.bytes.length).toBe(each.length * bytesPerRow(format, 6));
          const decoded = decodeRows(encoded, each.length);
          for (const [i, value] of values.entries())
            expect(Math.abs(decoded[i]! - value), format).toBeLessThanOrEqual(bounds[format]);
        }
      }),
    );
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      "NaN",
      () => encodeRows(Float32Array.of(0, 0, Number.NaN, 0), 2, "int8"),
      /At position 1 .* holds NaN, which int8 cannot; lower/,
    ],
    [
      "what float16 cannot hold",
      () => encodeRows(Float32Array.of(7e4), 1, "float16"),
      /holds 70000, which float16 cannot; send float32/,
    ],
    [
      "too few bytes",
      () => decodeRows(encodeRows(new Float32Array(4), 2, "float16"), 3),
      /has 8 bytes, and 3 rows of 2 numbers in float16 have 12/,
    ],
  ])("refuse %s", (_, act, message) => {
    expect(act).toThrow(message);
  });
});

describe("what cannot be split is refused:", () => {
  const server = {} as { readonly plain: PlainServer };
  test.each([0, 2, 1.5])("a cut after block %d of 2", (cut) => {
    const model = { ...llama, adaptation: loraOf(llama.config) };
    expect(() => createClientHalf(device, model, server, { ...options, cut })).toThrow(
      /after a block from 1 to 1/,
    );
  });
  test("an embedding that is trained and tied", async () => {
    const model = { ...(await openModel("llama-tied-f32")), adaptation: full };
    expect(() => createClientHalf(device, model, server, options)).toThrow(
      /is the output layer too, so the model cannot be split/,
    );
  });
  test("a divergence", async () => {
    const client = createClientHalf(device, { ...llama, adaptation: loraOf(llama.config) }, server, options);
    const hiddenLoss = { layer: 0, gradient: () => new Float32Array() };
    await expect(client.accumulate(batch!, new Map(), new Map(), { weights: 1, hiddenLoss })).rejects.toThrow(
      /only losses of labels are computed/,
    );
  });
});
