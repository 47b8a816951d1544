import { afterAll, expect, test } from "vitest";
import { openModel } from "../../node/models/open-model.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { type Adapter, noAdapter } from "../adapters/adapted-model.ts";
import { lora, loraConfigSchema } from "../adapters/lora.ts";
import { initializeParameters } from "../adapters/parameters.ts";
import { createEngine } from "../engine/engine.ts";
import { InputError } from "../errors.ts";
import { createRandom } from "../random.ts";
import type { Device } from "../runtime/device.ts";
import { createGenerator, type GeneratorOptions, type LocalRequest } from "./batch-generator.ts";
import type { Piece } from "./generator.ts";
import { argmax, logSumExp } from "./sample.ts";

const device = openDevice("cpu", { threads: 1 });
const model = await openModel("fixtures/embedded-model");
const { tokenizer, config } = model;

const prompts = [
  "Tom has 3 pens. He buys 4 more.",
  "Anna",
  "Tom has 3 pens. He buys 4 more. How many pens does he have",
  "The cat sat on the mat and looked at the",
].map((text) => tokenizer.encode(text, { addSpecialTokens: true }));

/** An adapter whose update is not zero. */
async function drawAdapter(seed: number, use_dora = false): Promise<Adapter> {
  const adaptation = lora(loraConfigSchema.parse({ r: 4, lora_alpha: 8, use_dora }), config);
  const parameters = await initializeParameters(config, adaptation, model.weights, seed);
  const random = createRandom(seed, 1);
  for (const [name, { data }] of parameters)
    if (name.includes("lora_B")) data.set(data.map(() => 0.05 * random.normal()));
  return { adaptation, parameters };
}

/** The likeliest continuation, each token computed from the whole text by the engine without a cache. */
async function continueGreedily(
  promptIds: readonly number[],
  count: number,
  adapter = noAdapter,
  weights = model.weights,
) {
  const engine = createEngine(device, config, weights, adapter.adaptation, { segmentSize: 1 });
  const ids = [...promptIds];
  const logprobs: number[] = [];
  while (ids.length < promptIds.length + count) {
    const row = {
      rows: 1,
      length: ids.length,
      inputIds: Int32Array.from(ids),
      positionIds: Int32Array.from(ids.keys()),
      segmentIds: new Int32Array(ids.length).fill(1),
    };
    const logits = await engine.logits(row, Int32Array.of(ids.length - 1), adapter.parameters);
    const next = argmax(logits);
    logprobs.push(logits[next]! - logSumExp(logits));
    if (next === tokenizer.eosTokenId) break;
    ids.push(next);
  }
  await engine.release();
  return { text: tokenizer.decode(ids.slice(promptIds.length), { skipSpecialTokens: true }), logprobs };
}

const adapters = { one: await drawAdapter(1), two: await drawAdapter(2) };
const generator = createGenerator(device, model, { batchSize: 3, adapters });
afterAll(() => generator.close());

const request = (promptIds: readonly number[], options: Partial<LocalRequest> = {}) => ({
  promptIds,
  maxNewTokens: 20,
  ...options,
});

test("texts written side by side equal those written alone, for the base and for each adapter", async () => {
  for (const [name, adapter] of [[undefined, noAdapter], ...Object.entries(adapters)] as const) {
    const texts = await Promise.all(
      prompts.map((ids) => generator.generate(request(ids, name === undefined ? {} : { adapter: name }))),
    );
    for (const [index, { text }] of texts.entries())
      expect(text).toBe((await continueGreedily(prompts[index]!, 20, adapter)).text);
  }
});

test("what a prompt shares with a text written before is not computed again", async () => {
  const fresh = createGenerator(device, model, { batchSize: 2 });
  const shared = [...prompts[0]!, ...prompts[2]!, ...prompts[3]!];
  const first = await fresh.generate(request([...shared, ...prompts[1]!]));
  const second = await fresh.generate(request([...shared, ...prompts[0]!]));
  expect(first.computedPromptTokens).toBe(shared.length + prompts[1]!.length);
  expect(second.computedPromptTokens).toBeLessThanOrEqual(prompts[0]!.length);
  expect(second.text).toBe((await continueGreedily([...shared, ...prompts[0]!], 20)).text);
  await fresh.close();
});

test("a prompt that several texts begin with is computed once, and copied to each", async () => {
  const fresh = createGenerator(device, model, { batchSize: 2 });
  const draw = (promptIds: readonly number[], seed: number) =>
    request(promptIds, { temperature: 1, seed, maxNewTokens: 4 + seed });
  const orders = [0, 2, 0, 0, 2, 0, 0].map((prompt, seed) => draw(prompts[prompt]!, seed));
  const texts = await Promise.all(orders.map((order) => fresh.generate(order)));
  const computed = texts.map(({ computedPromptTokens }) => computedPromptTokens);
  expect(computed.filter((count) => count > 0)).toHaveLength(2);
  expect(computed[0]).toBe(prompts[0]!.length);
  await fresh.close();
  const alone = createGenerator(device, model, { batchSize: 1, keptBytes: 0 });
  for (const [i, order] of orders.entries()) {
    const { text, computedPromptTokens } = await alone.generate(order);
    expect(texts[i]!.text).toBe(text);
    // Even where nothing is kept, the prompt before is at hand.
    const isAtHand = orders[i - 1]?.promptIds === order.promptIds;
    expect(computedPromptTokens).toBe(isAtHand ? 0 : order.promptIds.length);
  }
  await alone.close();
});

test("many more beginnings are kept than texts are written at a time, as far as there is room", async () => {
  const bytesPerToken = 2 * config.numHiddenLayers * config.numKeyValueHeads * config.headDim * 4;
  const long = Array.from({ length: 12 }, (_, i) => [...prompts[2]!, ...prompts[3]!].map((id) => id + i));
  const goOn = async (keptBytes: number) => {
    const fresh = createGenerator(device, model, { batchSize: 2, keptBytes });
    const first = await Promise.all(long.map((ids) => fresh.generate(request(ids, { maxNewTokens: 5 }))));
    const longer = first.map(({ ids }, i) => [...long[i]!, ...ids]);
    const second = await Promise.all(longer.map((ids) => fresh.generate(request(ids, { maxNewTokens: 5 }))));
    await fresh.close();
    return second;
  };
  const all = await goOn(2 ** 30);
  // The token that was written last has not been read.
  for (const { computedPromptTokens } of all) expect(computedPromptTokens).toBe(1);
  const few = await goOn(100 * bytesPerToken);
  expect(few.map(({ text }) => text)).toEqual(all.map(({ text }) => text));
  expect(few.some(({ computedPromptTokens }) => computedPromptTokens > 20)).toBe(true);
});

test("pieces make up the text, and tokens have the log-probabilities of the softmax", async () => {
  const pieces: Piece[] = [];
  const { text, tokens, completionTokens, finishReason, stopString } = await generator.generate(
    request(prompts[0]!, { logprobs: 2, maxNewTokens: 12 }),
    { onPiece: (piece) => pieces.push(piece) },
  );
  expect(pieces.map((piece) => piece.text).join("")).toBe(text);
  expect(pieces.flatMap((piece) => piece.tokens)).toEqual(tokens);
  expect([finishReason, stopString]).toEqual(["length", null]);
  expect(completionTokens).toBe(12);
  const { logprobs } = await continueGreedily(prompts[0]!, 12);
  expect(tokens).toHaveLength(12);
  for (const [i, { logprob, top, id }] of tokens.entries()) {
    expect(logprob).toBeCloseTo(logprobs[i]!, 4);
    expect(top).toHaveLength(2);
    expect(top[0]!.id).toBe(id);
    expect(top[0]!.logprob).toBeGreaterThanOrEqual(top[1]!.logprob);
  }
});

test("a strategy of the caller's own chooses the tokens, and what it throws ends its text alone", async () => {
  const [plain, banned] = await Promise.all([
    generator.generate(request(prompts[0]!)),
    generator.generate(
      request(prompts[0]!, {
        strategy: ({ promptIds, ids }, logits) => {
          expect(promptIds).toBe(prompts[0]);
          for (const id of ids) logits[id] = Number.NEGATIVE_INFINITY;
          return argmax(logits);
        },
      }),
    ),
  ]);
  const written = tokenizer.encode(banned.text);
  expect(new Set(written).size).toBe(written.length);
  const greedily = tokenizer.encode(plain.text);
  expect(new Set(greedily).size).toBeLessThan(greedily.length);
  const results = await Promise.allSettled([
    generator.generate(request(prompts[0]!, { strategy: () => -1 })),
    generator.generate(request(prompts[0]!)),
  ]);
  expect(results[0]).toMatchObject({
    reason: new InputError("The strategy chose token -1, which is not in the vocabulary."),
  });
  expect(results[1]).toMatchObject({ value: { text: plain.text } });
});

test("a text ends before a stop string, even if it begins within a token and ends in another", async () => {
  const { text } = await continueGreedily(prompts[0]!, 20);
  for (const [start, end] of [
    [3, 9],
    [5, 6],
    [8, 15],
  ] as const) {
    const stop = text.slice(start, end);
    const pieces: string[] = [];
    const stopped = await generator.generate(
      request(prompts[0]!, { stop: ["not there", stop], logprobs: 0 }),
      {
        onPiece: (piece) => pieces.push(piece.text),
      },
    );
    expect(stopped.text).toBe(text.slice(0, text.indexOf(stop)));
    expect(pieces.join("")).toBe(stopped.text);
    expect(stopped).toMatchObject({ finishReason: "stop", stopString: stop });
    const written = stopped.tokens.map((token) => token.text).join("");
    expect(written.startsWith(stopped.text)).toBe(true);
  }
});

test("a special token that is a stop string is named as one, and the end of the text is not", async () => {
  const turn = tokenizer.idOf("<|turn|>")!;
  const end = (id: number) =>
    generator.generate(
      request(prompts[0]!, {
        stop: ["<|turn|>"],
        strategy: ({ ids }, logits) => (ids.length < 2 ? argmax(logits) : id),
      }),
    );
  expect(await end(turn)).toMatchObject({ finishReason: "stop", stopString: "<|turn|>" });
  expect(await end(tokenizer.eosTokenId!)).toMatchObject({ finishReason: "stop", stopString: null });
});

test("draws follow the seed and the options", async () => {
  const draw = (options: Partial<LocalRequest>) =>
    generator.generate(request(prompts[1]!, { temperature: 1.5, ...options })).then(({ text }) => text);
  const greedy = (await generator.generate(request(prompts[1]!))).text;
  expect(await draw({ seed: 1 })).toBe(await draw({ seed: 1 }));
  expect(new Set(await Promise.all([1, 2, 3, 4].map((seed) => draw({ seed })))).size).toBeGreaterThan(1);
  expect(await draw({ seed: 3, topK: 1 })).toBe(greedy);
  expect(await draw({ seed: 3, minP: 1 })).toBe(greedy);
  expect(await draw({ seed: 3, topP: 1e-6 })).toBe(greedy);
});

test("an aborted request ends with the signal's reason, and others go on", async () => {
  const controller = new AbortController();
  const aborted = generator.generate(request(prompts[2]!, { maxNewTokens: 200 }), {
    signal: controller.signal,
    onPiece: () => controller.abort(new Error("enough")),
  });
  const other = generator.generate(request(prompts[3]!));
  await expect(aborted).rejects.toThrow("enough");
  expect((await other).text).toBe((await continueGreedily(prompts[3]!, 20)).text);
});

test("what cannot be written is refused in one sentence", async () => {
  const tooLong = Array.from({ length: config.maxPositionEmbeddings }, () => 5);
  await expect(generator.generate(request(tooLong))).rejects.toThrow(/the model's context is/);
  await expect(generator.generate(request([]))).rejects.toThrow(InputError);
  await expect(generator.generate(request(prompts[0]!, { adapter: "three" }))).rejects.toThrow(
    'There is no adapter "three".',
  );
  await expect(generator.generate(request(prompts[0]!, { topK: 0 }))).rejects.toThrow("Top-k is 0");
});

test.each([
  [8, 0.05],
  [4, 0.6],
] as const)("%i-bit weights give log-probabilities near the exact ones", async (bits, tolerance) => {
  const quantized = createGenerator(device, model, { batchSize: 1, bits, adapters });
  for (const adapter of [{}, { adapter: "one" }]) {
    const options = { logprobs: 0, maxNewTokens: 5, ...adapter };
    const exact = await generator.generate(request(prompts[2]!, options));
    const { tokens } = await quantized.generate(request(prompts[2]!, options));
    expect(Math.abs(tokens[0]!.logprob - exact.tokens[0]!.logprob)).toBeLessThan(1e-4);
    expect(tokens[1]!.logprob).not.toBe(exact.tokens[1]!.logprob);
    expect(Math.abs(tokens[1]!.logprob - exact.tokens[1]!.logprob)).toBeLessThan(tolerance);
  }
  await quantized.close();
});

test("what an adapter has become in the meantime is written by after a refresh", async () => {
  const adapter = await drawAdapter(5, true);
  const later = await drawAdapter(6, true);
  const tuned = { ...model, adapter };
  const write = async (generator: ReturnType<typeof createGenerator>) => {
    const texts = prompts.map((promptIds) => generator.generate({ promptIds, maxNewTokens: 8 }));
    return (await Promise.all(texts)).map(({ text }) => text);
  };
  const generator = createGenerator(device, tuned, { bits: "exact" });
  const before = await write(generator);
  for (const [name, { data }] of adapter.parameters) data.set(later.parameters.get(name)!.data);
  generator.refresh();
  const after = await write(generator);
  await generator.close();
  const fresh = createGenerator(device, tuned, { bits: "exact" });
  expect(after).toEqual(await write(fresh));
  expect(after).not.toEqual(before);
  await fresh.close();
});

test("requests that wait when the generator closes are told so", async () => {
  const closing = createGenerator(device, model, { batchSize: 1 });
  const waiting = prompts.map((ids) => closing.generate(request(ids)));
  const outcomes = Promise.allSettled(waiting);
  await closing.close();
  for (const { status } of await outcomes) expect(status).toBe("rejected");
});

/** The device, on which the run of the given number fails, counted from 0 over all programs. */
function failingAt(failing: number): { readonly device: Device; readonly runs: () => number } {
  let runs = 0;
  const compile: Device["compile"] = async (outputs) => {
    const program = await device.compile(outputs);
    return {
      ...program,
      async run(inputs) {
        if (runs++ === failing) throw new Error("the engine fails");
        return program.run(inputs);
      },
    };
  };
  return { device: { ...device, compile }, runs: () => runs };
}

test("whichever run of a program fails, the texts under way are told so, and the next is written", async () => {
  const write = async (failing: number) => {
    const { device: unreliable, runs } = failingAt(failing);
    const writing = createGenerator(unreliable, model, { batchSize: 2 });
    const outcomes = await Promise.allSettled(
      prompts.slice(0, 2).map((ids) => writing.generate(request(ids, { maxNewTokens: 2 }))),
    );
    const runsOfBoth = runs();
    const next = await writing.generate(request(prompts[2]!, { maxNewTokens: 2 }));
    await writing.close();
    return { outcomes, runsOfBoth, next: next.text };
  };
  const untroubled = await write(-1);
  for (let failing = 0; failing < untroubled.runsOfBoth; failing++) {
    const { outcomes, next } = await write(failing);
    expect(outcomes.some(({ status }) => status === "rejected")).toBe(true);
    expect(next).toBe(untroubled.next);
  }
});

test("drafts change no text, whether greedy or drawn, alone or side by side, and save steps", async () => {
  const repeated = [...prompts[0]!, ...prompts[2]!, ...prompts[0]!, ...prompts[2]!];
  const requests = [repeated, prompts[3]!, [...prompts[0]!, ...prompts[0]!]].flatMap((promptIds) => [
    request(promptIds, { maxNewTokens: 60 }),
    request(promptIds, { maxNewTokens: 37, temperature: 0.7, topP: 0.9, seed: 3 }),
    request(promptIds, { maxNewTokens: 30, repetitionPenalty: 1.1, stop: ["."], logprobs: 1 }),
  ]);
  const write = async (speculate: number, batchSize: number) => {
    const { device: counting, runs } = failingAt(-1);
    const writing = createGenerator(counting, model, { speculate, batchSize });
    const generations = await Promise.all(requests.map((each) => writing.generate(each)));
    await writing.close();
    return { generations, runs: runs() };
  };
  const plain = await write(0, 1);
  for (const batchSize of [1, 3]) {
    const { generations, runs } = await write(6, batchSize);
    for (const [i, { ids, text, finishReason, tokens }] of generations.entries()) {
      const expected = plain.generations[i]!;
      expect({ ids, text, finishReason }).toEqual({
        ids: expected.ids,
        text: expected.text,
        finishReason: expected.finishReason,
      });
      for (const [j, { logprob }] of tokens.entries())
        expect(logprob).toBeCloseTo(expected.tokens[j]!.logprob, 4);
    }
    if (batchSize === 1) expect(runs).toBeLessThan(0.85 * plain.runs);
  }
});

test("a draft leaves room in the context, and what follows it is written from what was taken", async () => {
  const speculating = createGenerator(device, model, { speculate: 8, batchSize: 1 });
  const full = Array.from({ length: config.maxPositionEmbeddings - 10 }, (_, i) => prompts[2]![i % 9]!);
  const plain = await generator.generate(request(full));
  expect(await speculating.generate(request(full))).toMatchObject({ ids: plain.ids, finishReason: "length" });
  const longer = [...prompts[0]!, ...(await generator.generate(request(prompts[0]!))).ids, 5];
  await speculating.generate(request(prompts[0]!));
  expect((await speculating.generate(request(longer))).ids).toEqual(
    (await generator.generate(request(longer))).ids,
  );
  await speculating.close();
});

test("an adapter that is no number ends its texts with a sentence, and no others", async () => {
  const damaged = await drawAdapter(3);
  for (const { data } of damaged.parameters.values()) data[0] = Number.NaN;
  const writing = createGenerator(device, model, { batchSize: 2, adapters: { damaged } });
  const [ended, other] = await Promise.allSettled([
    writing.generate(request(prompts[0]!, { adapter: "damaged", logprobs: 2 })),
    writing.generate(request(prompts[0]!, { maxNewTokens: 3 })),
  ]);
  expect(ended).toMatchObject({ status: "rejected", reason: expect.any(InputError) });
  expect(other!.status).toBe("fulfilled");
  await writing.close();
});

test("an error of who watches a text ends this text and no other", async () => {
  const writing = createGenerator(device, model, { batchSize: 2 });
  const onPiece = () => {
    throw new Error("the watcher has gone");
  };
  const [watched, other] = await Promise.allSettled([
    writing.generate(request(prompts[0]!, { maxNewTokens: 3 }), { onPiece }),
    writing.generate(request(prompts[1]!, { maxNewTokens: 3 })),
  ]);
  expect(watched).toMatchObject({ status: "rejected", reason: { message: "the watcher has gone" } });
  expect(other!.status).toBe("fulfilled");
  await writing.close();
});

test.each(["nf4", "int8"] as const)(
  "%s weights with DoRA write in 8 bits, or exactly on request",
  async (storage) => {
    const adapter = await drawAdapter(5, true);
    const stored = { ...(await openModel("fixtures/embedded-model", { storage })), adapter };
    const first = async (bits: GeneratorOptions["bits"]) => {
      const writing = createGenerator(device, stored, { batchSize: 1, ...(bits !== undefined && { bits }) });
      const { tokens } = await writing.generate(request(prompts[0]!, { logprobs: 0, maxNewTokens: 4 }));
      await writing.close();
      return tokens.map(({ logprob }) => logprob);
    };
    const exact = await first("exact");
    const { logprobs } = await continueGreedily(prompts[0]!, 4, adapter, stored.weights);
    for (const [i, logprob] of exact.entries()) expect(logprob).toBeCloseTo(logprobs[i]!, 4);
    expect(await first(undefined)).toEqual(await first(8));
    expect(await first(undefined)).not.toEqual(exact);
  },
);
