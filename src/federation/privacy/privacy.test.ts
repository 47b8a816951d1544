import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../core/random.ts";
import {
  addPrivately,
  checkSampling,
  clipUpdate,
  sampleClients,
  secureRandom,
} from "./differential-privacy.ts";
import { membershipAuc } from "./membership.ts";
import { createMaskKeys, type MaskKeys, maskVector, sumMasked } from "./secure-aggregation.ts";

const adapterOf = (...values: number[]) =>
  new Map([["a", { dims: [values.length], data: Float32Array.from(values) }]]);

describe("differential privacy", () => {
  test("a client's change is never longer than it may be, and keeps its direction", () => {
    const values = fc.array(fc.float({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(values, fc.double({ min: 1e-3, max: 100, noNaN: true }), (changes, clipNorm) => {
        const global = adapterOf(...changes.map(() => 0));
        const { update, norm } = clipUpdate(adapterOf(...changes), global, clipNorm);
        const { data } = update.get("a")!;
        expect(norm).toBeCloseTo(Math.hypot(...changes), 3);
        expect(Math.hypot(...data)).toBeLessThanOrEqual(clipNorm);
        const factor = Math.min(1, clipNorm / norm);
        for (const [i, value] of data.entries())
          expect(Math.abs(value - factor * changes[i]!)).toBeLessThanOrEqual(1e-5 * clipNorm);
      }),
    );
  });

  test("noise has the deviation that it should, and frozen tensors have none", () => {
    const size = 20_000;
    const frozen = { dims: [2], data: Float32Array.of(1, 2), isFrozen: true };
    const global = new Map(adapterOf(...new Array<number>(size).fill(3))).set("A", frozen);
    const privacy = { clipNorm: 2, noiseMultiplier: 1.5, samplingRate: 0.5 };
    const sum = adapterOf(...new Array<number>(size).fill(10));
    const next = addPrivately(global, sum, privacy, 8, createRandom(1));
    const { data } = next.get("a")!;
    const mean = data.reduce((a, b) => a + b) / size;
    const deviation = Math.sqrt(data.reduce((a, b) => a + (b - mean) ** 2, 0) / size);
    expect(Math.abs(mean - (3 + 10 / 4))).toBeLessThan(0.02);
    expect(Math.abs(deviation - 3 / 4)).toBeLessThan(0.02);
    expect(next.get("A")).toBe(frozen);
    expect(addPrivately(global, sum, privacy, 8).get("a")!.data).not.toEqual(
      addPrivately(global, sum, privacy, 8).get("a")!.data,
    );
  });

  test("clients take part independently, each with the rate's probability", () => {
    const clients = Array.from({ length: 40 }, (_, i) => `client ${i}`);
    const random = createRandom(2);
    const counts = Array.from({ length: 500 }, () => sampleClients(clients, 0.3, random).length);
    const mean = counts.reduce((a, b) => a + b) / counts.length;
    const variance = counts.reduce((a, b) => a + (b - mean) ** 2, 0) / counts.length;
    expect(Math.abs(mean - 12)).toBeLessThan(0.5);
    expect(Math.abs(variance - 8.4)).toBeLessThan(1.5);
    expect(sampleClients(clients, 1)).toEqual(clients);
  });

  test("draws of the operating system are uniform and go on after a buffer", () => {
    const random = secureRandom();
    const values = Array.from({ length: 10_000 }, random.uniform);
    expect(Math.abs(values.reduce((a, b) => a + b) / values.length - 0.5)).toBeLessThan(0.03);
    expect(new Set(values).size).toBeGreaterThan(9_990);
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      "a fixed number of clients",
      () => checkSampling({ clientsPerRound: 5 }),
      /fixed number of clients has another guarantee/,
    ],
    [
      "a fixed number beside a rate",
      () => checkSampling({ clientsPerRound: 5, samplingRate: 0.1 }),
      /fixed number/,
    ],
    ["no rate", () => checkSampling({}), /give a sampling rate/],
    ["a rate of 0", () => checkSampling({ samplingRate: 0 }), /sampling rate of 0/],
    ["a norm of 0", () => clipUpdate(adapterOf(1), adapterOf(0), 0), /norm to clip to of 0/],
    [
      "no noise",
      () => addPrivately(adapterOf(1), adapterOf(0), { clipNorm: 1, noiseMultiplier: 0, samplingRate: 1 }, 2),
      /noise multiplier of 0 gives no privacy/,
    ],
  ])("%s is refused", (_, act, message) => {
    expect(act).toThrow(message);
  });
});

describe("secure aggregation", () => {
  /** What each of some clients sends. */
  function maskAll(vectors: readonly Float32Array[], session = "run 0 attempt 0") {
    const keys = new Map(vectors.map((_, i): [string, MaskKeys] => [`client ${i}`, createMaskKeys()]));
    const publicKeys = new Map([...keys].map(([client, { publicKey }]) => [client, publicKey]));
    const masked = new Map(
      [...keys].map(([client, own], i): [string, Uint32Array] => [
        client,
        maskVector(vectors[i]!, { session, client, keys: own, publicKeys }),
      ]),
    );
    return { keys, publicKeys, masked };
  }
  const vectorsOf = (clients: number, length: number, seed: number) =>
    Array.from({ length: clients }, (_, client) => {
      const random = createRandom(seed, client);
      return Float32Array.from({ length }, () => random.normal());
    });

  test("masks cancel exactly: the sum is that of the rounded values", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 6 }),
        fc.integer({ min: 1, max: 50 }),
        fc.nat(),
        async (clients, length, seed) => {
          const vectors = vectorsOf(clients, length, seed);
          const { masked, publicKeys } = maskAll(vectors);
          const expected = Float64Array.from(
            { length },
            (_, i) => vectors.reduce((sum, vector) => sum + Math.round(vector[i]! * 2 ** 20), 0) / 2 ** 20,
          );
          expect(await sumMasked(masked, publicKeys)).toEqual(expected);
        },
      ),
      { numRuns: 20 },
    );
  });

  test("a masked vector looks random, anew in each attempt", () => {
    const zeros = Array.from({ length: 3 }, () => new Float32Array(4096));
    const { masked, keys, publicKeys } = maskAll(zeros);
    const sent = masked.get("client 1")!;
    const mean = sent.reduce((a, b) => a + b, 0) / sent.length / 2 ** 32;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
    const peers = { client: "client 1", keys: keys.get("client 1")!, publicKeys };
    const again = maskVector(zeros[0]!, { ...peers, session: "run 0 attempt 1" });
    expect(again.filter((value, i) => value === sent[i]).length).toBeLessThan(2);
  });

  test("is repeated without a client that was lost", async () => {
    const vectors = vectorsOf(4, 5, 1);
    const { masked, publicKeys } = maskAll(vectors);
    masked.delete("client 3");
    await expect(sumMasked(masked, publicKeys)).rejects.toThrow(
      /masks of "client 3" are missing.* repeat the round without/,
    );
    const repeated = maskAll(vectors.slice(0, 3), "run 0 attempt 1");
    for (const [i, value] of (await sumMasked(repeated.masked, repeated.publicKeys)).entries())
      expect(value).toBeCloseTo(vectors[0]![i]! + vectors[1]![i]! + vectors[2]![i]!, 5);
  });

  test.each<[string, () => unknown, RegExp]>([
    ["two clients", () => maskAll(vectorsOf(2, 3, 0)), /of 2 clients would let them know/],
    [
      "a value that could overflow",
      () => maskAll(vectorsOf(3, 1, 0).map(() => Float32Array.of(700))),
      /700 at place 0 does not fit .* less than 682\.6/,
    ],
    [
      "a value that is no number",
      () => maskAll(vectorsOf(3, 1, 0).map(() => Float32Array.of(Number.NaN))),
      /NaN at place 0/,
    ],
    [
      "vectors of different length",
      () => {
        const { masked, publicKeys } = maskAll(vectorsOf(3, 4, 0));
        return sumMasked(masked.set("client 2", new Uint32Array(3)), publicKeys);
      },
      /"client 2" sent 3 values, and others 4/,
    ],
    [
      "a vector of a stranger",
      () => {
        const { masked, publicKeys } = maskAll(vectorsOf(3, 4, 0));
        return sumMasked(masked.set("stranger", new Uint32Array(4)), publicKeys);
      },
      /"stranger" sent a vector/,
    ],
    [
      "a key that was replaced",
      () => {
        const { keys, publicKeys } = maskAll(vectorsOf(3, 4, 0));
        const replaced = new Map(publicKeys).set("client 0", createMaskKeys().publicKey);
        maskVector(new Float32Array(4), {
          session: "s",
          client: "client 0",
          keys: keys.get("client 0")!,
          publicKeys: replaced,
        });
      },
      /is not its own; somebody has replaced it/,
    ],
    [
      "a key that is none",
      () => {
        const { keys, publicKeys } = maskAll(vectorsOf(3, 4, 0));
        const broken = new Map(publicKeys).set("client 1", "AAAA");
        maskVector(new Float32Array(4), {
          session: "s",
          client: "client 0",
          keys: keys.get("client 0")!,
          publicKeys: broken,
        });
      },
      /public key of client "client 1" is not one of X25519/,
    ],
  ])("%s is refused", async (_, act, message) => {
    await expect((async () => act())()).rejects.toThrow(message);
  });
});

test("losses that tell members from others have an area near 1, and those of one distribution near 0.5", () => {
  const random = createRandom(3);
  const draw = (mean: number) => Array.from({ length: 300 }, () => mean + random.normal());
  expect(membershipAuc([1, 2, 3], [4, 5, 6], { resamples: 1 })!.value).toBe(1);
  expect(membershipAuc([1, 1], [1, 1], { resamples: 1 })!.value).toBe(0.5);
  const alike = membershipAuc(draw(2), draw(2), { resamples: 200 })!;
  expect(alike.low).toBeLessThan(0.5);
  expect(alike.high).toBeGreaterThan(0.5);
  // Of normal distributions one deviation apart it is Φ(1 / √2) = 0.760.
  expect(membershipAuc(draw(1), draw(2), { resamples: 1 })!.value).toBeCloseTo(0.76, 1);
  expect(membershipAuc([], [1])).toBeUndefined();
});
