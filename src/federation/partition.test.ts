import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { partitionExamples } from "./partition.ts";

const classes = Array.from({ length: 1000 }, (_, i) => `class ${i % 5}`);

/** How much of each class is the largest client's, on average. */
function concentration(alpha: number): number {
  const parts = partitionExamples(classes, { clients: 5, alpha, seed: 1 });
  const largest = [0, 1, 2, 3, 4].map((each) =>
    Math.max(...parts.map((part) => part.filter((i) => i % 5 === each).length)),
  );
  return largest.reduce((a, b) => a + b) / classes.length;
}

test("every example is one client's, whatever the shares, and the same seed gives the same", () => {
  const options = fc.record({
    clients: fc.integer({ min: 1, max: 8 }),
    alpha: fc.constantFrom(0.05, 0.1, 1, 10, Number.POSITIVE_INFINITY),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(options, (each) => {
      const parts = partitionExamples(classes, each);
      expect(parts.flat().sort((a, b) => a - b)).toEqual([...classes.keys()]);
      expect(partitionExamples(classes, each)).toEqual(parts);
      expect(Math.min(...parts.map((part) => part.length))).toBeGreaterThanOrEqual(1);
    }),
    { numRuns: 30 },
  );
});

test("the smaller alpha, the more of a class is one client's", () => {
  const found = [0.1, 1, 100, Number.POSITIVE_INFINITY].map(concentration);
  expect(found).toEqual([...found].sort((a, b) => b - a));
  expect(found[0]).toBeGreaterThan(0.55);
  expect(found[3]).toBeCloseTo(0.2);
});

test("sizes without classes have the moments of the Dirichlet distribution", () => {
  // Of Dirichlet(α, α, α) a share has mean 1/3 and variance (1/3)(2/3) / (3α + 1).
  const one = new Array<number>(300).fill(0);
  const shares = Array.from(
    { length: 400 },
    (_, seed) => partitionExamples(one, { clients: 3, alpha: 2, seed })[0]!.length / one.length,
  );
  const mean = shares.reduce((a, b) => a + b) / shares.length;
  const variance = shares.reduce((a, b) => a + (b - mean) ** 2, 0) / shares.length;
  expect(Math.abs(mean - 1 / 3)).toBeLessThan(0.03);
  expect(Math.abs(variance / (2 / 9 / 7) - 1)).toBeLessThan(0.25);
});

test("clients have the least that is asked for", () => {
  const parts = partitionExamples(classes, { clients: 5, alpha: 0.1, minimumSize: 50, seed: 1 });
  expect(Math.min(...parts.map((part) => part.length))).toBeGreaterThanOrEqual(50);
});

describe("what cannot be divided is refused:", () => {
  test.each<[Partial<Parameters<typeof partitionExamples>[1]>, RegExp]>([
    [{ clients: 0 }, /among 0 clients/],
    [{ clients: 1.5 }, /among 1\.5 clients/],
    [{ alpha: 0 }, /alpha is 0/],
    [{ alpha: Number.NaN }, /alpha is NaN/],
    [{ minimumSize: 0 }, /0 examples at least/],
    [{ minimumSize: 201 }, /1000 examples are too few for 5 clients with at least 201/],
    [{ clients: 6, minimumSize: 150, alpha: 0.01 }, /In 1000 draws with alpha 0\.01 .* take a larger alpha/],
  ])("%o", (change, message) => {
    expect(() => partitionExamples(classes, { clients: 5, alpha: 1, seed: 0, ...change })).toThrow(message);
  });
});
