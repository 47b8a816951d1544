import { expect, test } from "vitest";
import type { Parameter } from "../core/adapters/parameters.ts";
import { createAverage } from "./aggregation/average.ts";
import { createMaskKeys, maskVector, sumMasked } from "./privacy/secure-aggregation.ts";
import { tensorsOf, vectorOf } from "./vectors.ts";

const frozen: Parameter = { dims: [1], data: Float32Array.of(9), isFrozen: true };
const adapterOf = (...values: [number, number, number]) =>
  new Map<string, Parameter>([
    ["B", { dims: [2], data: Float32Array.of(values[0], values[1]) }],
    ["A", frozen],
    ["bias", { dims: [1], data: Float32Array.of(values[2]) }],
  ]);
const global = adapterOf(0, 0, 0);

test("a vector is the trained tensors in order, and becomes them again", () => {
  const adapter = adapterOf(1, 2, 3);
  expect([...vectorOf(adapter, global)]).toEqual([1, 2, 3]);
  expect(tensorsOf(vectorOf(adapter, global), global)).toEqual(adapter);
});

test("FedAvg behind masks is FedAvg, to the fixed point's rounding", async () => {
  const adapters = [adapterOf(1, -2, 3.3), adapterOf(0.1, 0.2, -0.3), adapterOf(5, 6, 7)];
  const shares = [0.2, 0.3, 0.5];
  const keys = adapters.map(createMaskKeys);
  const publicKeys = new Map(keys.map(({ publicKey }, i) => [`client ${i}`, publicKey]));
  const masked = new Map(
    adapters.map((adapter, i): [string, Uint32Array] => {
      const peers = { session: "run 0 0", client: `client ${i}`, keys: keys[i]!, publicKeys };
      return [`client ${i}`, maskVector(vectorOf(adapter, global, shares[i]!), peers)];
    }),
  );
  const summed = tensorsOf(await sumMasked(masked, publicKeys), global);
  const average = createAverage(global);
  for (const [i, parameters] of adapters.entries()) average.add({ parameters, share: shares[i]! });
  expect(summed.get("A")).toBe(frozen);
  for (const [name, { data }] of average.parameters())
    for (const [i, value] of data.entries())
      expect(Math.abs(summed.get(name)!.data[i]! - value)).toBeLessThan(3e-6);
});

test("of another adapter it is refused", () => {
  expect(() => vectorOf(new Map([["B", frozen]]), global)).toThrow(
    /"B" has 1 values, and the global adapter's 2/,
  );
  expect(() => tensorsOf(new Float32Array(4), global)).toThrow(/4 values, and the global adapter has 3/);
});
