import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { Parameter, Parameters } from "../../core/adapters/parameters.ts";
import { createTripletFinder } from "../../core/adapters/singular-triplets.ts";
import { createRandom } from "../../core/random.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { type Aggregation, aggregateRound as aggregatePending, type RoundInput } from "./aggregation.ts";
import { type AggregationName, aggregations } from "./aggregations.ts";
import { fitToRanks } from "./best-rank.ts";
import type { ClientUpdate } from "./client-update.ts";
import { productOf } from "./lora-pairs.ts";
import type { LowRank } from "./low-rank.ts";

const finder = await createTripletFinder(openDevice("cpu", { threads: 1 }));
afterAll(() => finder.release());

/** A round of updates that are all at hand. */
interface WholeRound extends Omit<RoundInput, "updates"> {
  readonly updates: readonly ClientUpdate[];
}
const aggregateRound = (aggregation: Aggregation, { updates, ...round }: WholeRound) =>
  aggregatePending(aggregation, {
    ...round,
    updates: updates.map(({ parameters, ...sent }) => ({ ...sent, load: async () => parameters })),
  });

const module = "model.layers.0.self_attn.q_proj";
const [nameA, nameB] = [`${module}.lora_A.weight`, `${module}.lora_B.weight`];

function draw(seed: number, dims: readonly number[], isFrozen = false): Parameter {
  const random = createRandom(seed);
  const length = dims.reduce((product, size) => product * size, 1);
  return {
    dims,
    data: Float32Array.from({ length }, () => random.normal()),
    ...(isFrozen && { isFrozen }),
  };
}

/** An adapter of one module [out, in] and a bias. */
function drawAdapter(seed: number, { out, in: width, rank }: Shape): Map<string, Parameter> {
  return new Map([
    [nameA, draw(seed, [rank, width])],
    [nameB, draw(seed + 1, [out, rank])],
    [`${module}.bias`, draw(seed + 2, [out])],
  ]);
}

interface Shape {
  readonly out: number;
  readonly in: number;
  readonly rank: number;
}

function roundOf(
  seed: number,
  shape: Shape,
  examples: readonly number[],
  ranks?: readonly number[],
): WholeRound {
  const zero = { dims: [shape.out, shape.rank], data: new Float32Array(shape.out * shape.rank) };
  const initial = new Map(drawAdapter(seed, shape)).set(nameB, zero);
  return {
    global: drawAdapter(seed + 1, shape),
    scales: new Map([[module, 2]]),
    residual: new Map(),
    initial: async () => initial,
    finder,
    seed: 0,
    updates: examples.map(
      (count, i): ClientUpdate => ({
        client: `client ${i}`,
        examples: count,
        parameters: drawAdapter(seed + 10 * (i + 1), { ...shape, rank: ranks?.[i] ?? shape.rank }),
        ...(ranks && { scales: new Map([[module, 1 + i]]) }),
      }),
    ),
  };
}

/** The [out, in] matrix in row-major order. */
function dense({ left, right }: LowRank, out: number, width: number): Float64Array {
  return Float64Array.from({ length: out * width }, (_, n) =>
    left.reduce((sum, column, i) => sum + column[Math.floor(n / width)]! * right[i]![n % width]!, 0),
  );
}

function denseProduct(parameters: Parameters, scale: number, { out, in: width }: Shape): Float64Array {
  return dense(productOf({ A: parameters.get(nameA)!, B: parameters.get(nameB)! }, scale), out, width);
}

/** The sum of p s B A, multiplied out. */
function denseAverage({ updates, scales }: WholeRound, shape: Shape): Float64Array {
  const total = updates.reduce((sum, { examples }) => sum + examples, 0);
  const sum = new Float64Array(shape.out * shape.in);
  for (const { examples, parameters, scales: own } of updates) {
    const matrix = denseProduct(parameters, (own ?? scales).get(module)!, shape);
    for (const [i, value] of matrix.entries()) sum[i]! += (examples / total) * value;
  }
  return sum;
}

function distance(a: Float64Array, b: Float64Array): number {
  return Math.hypot(...a.map((value, i) => value - b[i]!)) / Math.hypot(...b);
}

const shapes = fc.record({
  out: fc.integer({ min: 4, max: 12 }),
  in: fc.integer({ min: 4, max: 12 }),
  rank: fc.integer({ min: 1, max: 3 }),
});
const counts = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 2, maxLength: 4 });
const seeds = fc.integer({ min: 0, max: 1e6 });

describe("an average", () => {
  test("of A and B apart is theirs by examples, and its error is that of the products multiplied out", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, shapes, counts, async (seed, shape, examples) => {
        const round = roundOf(seed, shape, examples);
        const { parameters, error } = await aggregateRound(aggregations.fedavg, round);
        const total = examples.reduce((a, b) => a + b);
        for (const [name, { data }] of parameters) {
          const mean = round.updates.reduce(
            (sum, update) => sum + (update.examples / total) * update.parameters.get(name)!.data[0]!,
            0,
          );
          expect(data[0]).toBeCloseTo(mean, 5);
        }
        const wanted = denseAverage(round, shape);
        expect(error.relative).toBeCloseTo(distance(denseProduct(parameters, 2, shape), wanted), 6);
        expect(error.byModule.get(module)).toBe(error.relative);
      }),
      { numRuns: 30 },
    );
  });

  test("over one frozen A equals the averaged product, though A is not sent", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, shapes, counts, async (seed, shape, examples) => {
        const round = roundOf(seed, shape, examples);
        const A = draw(seed, [shape.rank, shape.in], true);
        const whole = round.updates.map((update) => ({
          ...update,
          parameters: new Map(update.parameters).set(nameA, A),
        }));
        const sent = whole.map((update) => {
          const parameters = new Map(update.parameters);
          parameters.delete(nameA);
          return { ...update, parameters };
        });
        const global = new Map(round.global).set(nameA, A);
        const { parameters, error } = await aggregateRound(aggregations.ffa, {
          ...round,
          global,
          updates: sent,
        });
        expect(parameters.get(nameA)).toBe(A);
        const wanted = denseAverage({ ...round, updates: whole }, shape);
        expect(distance(denseProduct(parameters, 2, shape), wanted)).toBeLessThan(1e-6);
        expect(error.relative).toBeLessThan(1e-6);
      }),
      { numRuns: 30 },
    );
  });

  test("reads one update after the other, once, and is to the bit the mean of all at once", async () => {
    const { updates, ...round } = roundOf(5, { out: 40, in: 70, rank: 3 }, [3, 1, 9]);
    const read: string[] = [];
    let open = 0;
    const { parameters } = await aggregatePending(aggregations.fedavg, {
      ...round,
      updates: updates.map(({ parameters, ...sent }) => ({
        ...sent,
        async load() {
          expect(open++).toBe(0);
          await Promise.resolve();
          open--;
          read.push(sent.client);
          return parameters;
        },
      })),
    });
    expect(read).toEqual(["client 0", "client 1", "client 2"]);
    for (const [name, { data }] of parameters)
      for (const [i, value] of data.entries()) {
        const mean = updates.reduce(
          (sum, update) => sum + (update.examples / 13) * update.parameters.get(name)!.data[i]!,
          0,
        );
        expect(value).toBe(Math.fround(mean));
      }
  });

  test("of wider matrices has its error by random directions, near that of the matrices multiplied out", async () => {
    const shape = { out: 48, in: 200, rank: 2 };
    const ratios = [];
    for (let seed = 0; seed < 40; seed++) {
      const round = { ...roundOf(seed, shape, [1, 2, 3]), seed };
      const { parameters, error } = await aggregateRound(aggregations.fedavg, round);
      const exact = distance(denseProduct(parameters, 2, shape), denseAverage(round, shape));
      ratios.push(error.relative / exact);
    }
    const mean = ratios.reduce((a, b) => a + b) / ratios.length;
    const deviation = Math.sqrt(ratios.reduce((sum, each) => sum + (each - mean) ** 2, 0) / ratios.length);
    expect(Math.abs(mean - 1)).toBeLessThan(0.02);
    expect(deviation).toBeGreaterThan(0.001);
    expect(deviation).toBeLessThan(0.12);
    for (const name of ["fedex", "flora"] as const)
      expect(
        (await aggregateRound(aggregations[name], roundOf(1, shape, [1, 2]))).error.relative,
      ).toBeLessThan(1e-6);
  });

  test("of one client is its adapter, to the bit", async () => {
    for (const name of ["fedavg", "product", "fedex"] as const) {
      const round = roundOf(1, { out: 6, in: 8, rank: 2 }, [7]);
      const { parameters } = await aggregateRound(aggregations[name], round);
      for (const [tensor, { data }] of round.updates[0]!.parameters)
        expect(parameters.get(tensor)!.data, `${name} ${tensor}`).toEqual(data);
    }
  });

  test("over an A that is trained is refused as FFA-LoRA", async () => {
    await expect(
      aggregateRound(aggregations.ffa, roundOf(1, { out: 6, in: 8, rank: 2 }, [1, 1])),
    ).rejects.toThrow(/keep as it was drawn; take the method "lora-fa"/);
  });
});

describe("the product", () => {
  const withRanks = fc.tuple(
    seeds,
    shapes,
    fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 4 }),
  );

  test("of the best rank is no farther than FedAvg's, and as far as its error says, with mixed ranks", async () => {
    await fc.assert(
      fc.asyncProperty(withRanks, async ([seed, shape, ranks]) => {
        const round = roundOf(
          seed,
          shape,
          ranks.map((_, i) => i + 1),
          ranks,
        );
        const { parameters, error } = await aggregateRound(aggregations.product, round);
        const wanted = denseAverage(round, shape);
        const found = distance(denseProduct(parameters, 2, shape), wanted);
        expect(parameters.get(nameA)!.dims).toEqual([shape.rank, shape.in]);
        expect(error.relative).toBeCloseTo(found, 5);
        const alike = roundOf(seed, shape, [1, 2, 3]);
        const [best, average] = await Promise.all(
          [aggregations.product, aggregations.fedavg].map((each) => aggregateRound(each, alike)),
        );
        expect(best!.error.relative).toBeLessThanOrEqual(average!.error.relative + 1e-6);
      }),
      { numRuns: 15 },
    );
  });

  test("is exact where the rank is enough", async () => {
    const shape = { out: 9, in: 7, rank: 6 };
    const round = roundOf(3, shape, [1, 5], [2, 3]);
    const { parameters, error } = await aggregateRound(aggregations.product, round);
    expect(error.relative).toBeLessThan(1e-6);
    expect(distance(denseProduct(parameters, 2, shape), denseAverage(round, shape))).toBeLessThan(1e-6);
    // Five directions are enough; the sixth can still be trained.
    expect(Math.hypot(...parameters.get(nameA)!.data.subarray(5 * 7))).toBeGreaterThan(0.1);
  });

  test.each(["fedex", "flora"] as const)("loses nothing by %s, round after round", async (name) => {
    await fc.assert(
      fc.asyncProperty(seeds, shapes, counts, async (seed, shape, examples) => {
        let round = roundOf(
          seed,
          shape,
          examples,
          name === "flora" ? examples.map((count) => (count % 3) + 1) : undefined,
        );
        const sum = new Float64Array(shape.out * shape.in);
        for (let i = 0; i < 3; i++) {
          const { parameters, residual, error } = await aggregateRound(aggregations[name], round);
          expect(error.relative).toBeLessThan(1e-6);
          const A = residual.get(`${module}.residual_A.weight`)!;
          const B = residual.get(`${module}.residual_B.weight`)!;
          expect(A.dims[0]).toBeLessThanOrEqual(Math.min(shape.out, shape.in));
          const found = dense(productOf({ A, B }, 1), shape.out, shape.in);
          const ofAdapter = denseProduct(parameters, 2, shape);
          const wanted = denseAverage(round, shape);
          const all = wanted.map((value, n) => sum[n]! + value);
          expect(
            distance(
              found.map((value, n) => value + ofAdapter[n]!),
              all,
            ),
          ).toBeLessThan(1e-5);
          sum.set(found);
          round = { ...round, residual, global: parameters };
        }
      }),
      { numRuns: 10 },
    );
  });

  test("is given to clients of other ranks: whole if theirs is higher, its nearest if it is lower", async () => {
    const shape = { out: 9, in: 7, rank: 3 };
    const adapter = { parameters: drawAdapter(1, shape), scales: new Map([[module, 2]]) };
    const wanted = denseProduct(adapter.parameters, 2, shape);
    const fitTo = async (rank: number) => {
      const parameters = drawAdapter(2, { ...shape, rank });
      const fitted = await fitToRanks(adapter, { parameters, scales: new Map([[module, 4]]) }, finder, 0);
      expect(fitted.get(nameA)!.dims).toEqual([rank, 7]);
      expect(fitted.get(`${module}.bias`)).toBe(adapter.parameters.get(`${module}.bias`));
      return distance(denseProduct(fitted, 4, shape), wanted);
    };
    expect(await fitTo(5)).toBeLessThan(1e-6);
    expect(await fitTo(3)).toBeLessThan(1e-6);
    const [two, one] = [await fitTo(2), await fitTo(1)];
    expect(two).toBeGreaterThan(0.01);
    expect(one).toBeGreaterThan(two);
    expect(one).toBeLessThan(1);
  });

  test("cut to a rank is told as lost", async () => {
    const round = { ...roundOf(1, { out: 12, in: 12, rank: 2 }, [1, 1, 1]), residualRank: 2 };
    const { residual, error } = await aggregateRound(aggregations.fedex, round);
    expect(residual.get(`${module}.residual_A.weight`)!.dims).toEqual([2, 12]);
    expect(error.relative).toBeGreaterThan(0.01);
    expect(error.relative).toBeLessThan(1);
  });
});

describe("an update is refused, with its client and tensor named,", () => {
  const shape = { out: 6, in: 8, rank: 2 };
  const broken = (name: string, change: (parameter: Parameter) => Parameter | undefined): WholeRound => {
    const round = roundOf(1, shape, [1, 1]);
    const [first, second] = round.updates as [ClientUpdate, ClientUpdate];
    const parameters = new Map(second.parameters);
    const changed = change(parameters.get(name) ?? draw(0, [1]));
    if (changed) parameters.set(name, changed);
    else parameters.delete(name);
    return { ...round, updates: [first, { ...second, parameters }] };
  };
  const filled = (value: number) => (parameter: Parameter) => ({
    ...parameter,
    data: parameter.data.map((each, i) => (i === 3 ? value : each)),
  });

  test.each<[string, WholeRound, AggregationName, RegExp]>([
    [
      "with NaN",
      broken(nameB, filled(Number.NaN)),
      "fedavg",
      /lora_B\.weight" in the update of client "client 1" holds NaN at place 3/,
    ],
    [
      "with infinity",
      broken(nameA, filled(Number.POSITIVE_INFINITY)),
      "product",
      /lora_A\.weight" in .* holds Infinity/,
    ],
    [
      "that is huge",
      broken(nameA, filled(1e4)),
      "fedex",
      /lora_A\.weight" in .* has changed by a norm of 1\.00e\+4, more than the 1000/,
    ],
    [
      "without a tensor",
      broken(nameA, () => undefined),
      "fedavg",
      /lacks the tensor "model\.layers\.0\.self_attn\.q_proj\.lora_A\.weight"/,
    ],
    [
      "with an unknown tensor",
      broken("other", (parameter) => parameter),
      "fedavg",
      /has the tensor "other", which the global adapter lacks/,
    ],
    [
      "of another shape",
      broken(nameA, () => draw(0, [2, 9])),
      "product",
      /shape \[2, 9\] .* global adapter's is \[2, 8\]/,
    ],
    [
      "with too few values",
      broken(nameA, (parameter) => ({ ...parameter, data: new Float32Array(3) })),
      "fedavg",
      /with 3 values/,
    ],
    ["of another rank, for FedAvg", roundOf(1, shape, [1, 1], [2, 3]), "fedavg", /shape \[3, 8\]/],
    ["of two ranks", broken(nameA, () => draw(0, [3, 8])), "product", /a rank of 3 in A and of 2 in B/],
    ["of no examples", roundOf(1, shape, [1, 0]), "fedavg", /is of 0 examples/],
    [
      "sent twice",
      { ...roundOf(1, shape, [1]), updates: [1, 1].flatMap(() => roundOf(1, shape, [1]).updates) },
      "fedavg",
      /sent two updates/,
    ],
    ["where there is none", roundOf(1, shape, []), "fedavg", /No client sent an update/],
  ])("%s", async (_, round, name, message) => {
    await expect(aggregateRound(aggregations[name], round)).rejects.toThrow(message);
  });

  test("that changes what is frozen", async () => {
    const round = roundOf(1, shape, [1, 1]);
    const global = new Map(round.global).set(nameA, { ...round.global.get(nameA)!, isFrozen: true });
    await expect(aggregateRound(aggregations.ffa, { ...round, global })).rejects.toThrow(
      /lora_A\.weight" in .* is frozen, but has changed/,
    );
  });
});
