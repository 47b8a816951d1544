import fc from "fast-check";
import { expect, test } from "vitest";
import { buildMicroBatches, countLabels, type TokenizedExample } from "./batch.ts";
import { packExamples } from "./packing.ts";
import { createSampler, splitExamples } from "./sampler.ts";

const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 });

test("packing puts every example into one row with room for it", () => {
  fc.assert(
    fc.property(lengths, fc.integer({ min: 60, max: 200 }), (sizes, capacity) => {
      const rows = packExamples(sizes, capacity);
      expect(rows.flat().sort((a, b) => a - b)).toEqual([...sizes.keys()]);
      for (const row of rows)
        expect(row.reduce((sum, i) => sum + sizes[i]!, 0)).toBeLessThanOrEqual(capacity);
      expect(packExamples(sizes, capacity)).toEqual(rows);
    }),
  );
});

/** Examples whose tokens tell where they are from: example e has the tokens 100 e, 100 e + 1, and so on. */
function createExamples(sizes: readonly number[]): TokenizedExample[] {
  return sizes.map((size, example) => ({
    ids: Int32Array.from({ length: size }, (_, i) => 100 * (example + 1) + i),
    trained: Uint8Array.from({ length: size }, (_, i) => ((i * 7 + example) % 3 === 0 ? 1 : 0)),
  }));
}

test("however a step is divided, each token stands once at its position, and each label follows its token", () => {
  fc.assert(
    fc.property(lengths, fc.boolean(), fc.constantFrom(64, 128, 512), (sizes, packing, microBatchTokens) => {
      const examples = createExamples(sizes);
      const seen: number[] = [];
      const labels: number[] = [];
      for (const batch of buildMicroBatches(examples, { microBatchTokens, packing })) {
        expect(batch.rows * batch.length).toBeLessThanOrEqual(Math.max(microBatchTokens, 64));
        expect(batch.length % 64).toBe(0);
        const { inputIds, positionIds, segmentIds, labelPositions } = batch;
        const real = [...inputIds.keys()].filter((i) => segmentIds[i] !== 0);
        expect(real.every((i) => positionIds[i] === inputIds[i]! % 100)).toBe(true);
        seen.push(...real.map((i) => inputIds[i]!));
        const follows = (position: number, i: number) =>
          batch.labels[i] === inputIds[position]! + 1 && segmentIds[position + 1] === segmentIds[position];
        expect([...labelPositions].every(follows)).toBe(true);
        labels.push(...batch.labels);
      }
      const sorted = (values: number[]) => values.sort((a, b) => a - b);
      expect(sorted(seen)).toEqual(sorted(examples.flatMap(({ ids }) => [...ids])));
      const expected = examples.flatMap(({ ids, trained }) =>
        [...ids].filter((_, i) => i > 0 && trained[i] === 1),
      );
      expect(sorted(labels)).toEqual(sorted(expected));
    }),
  );
});

test("of an example with choices all of them are labels after each marked token", () => {
  const solution = {
    ids: Int32Array.of(5, 6, 7, 8),
    trained: Uint8Array.of(0, 1, 0, 1),
    choices: [90, 91],
  };
  const text = { ids: Int32Array.of(1, 2, 3), trained: Uint8Array.of(1, 0, 1) };
  const [batch] = buildMicroBatches([text, solution], { microBatchTokens: 64, packing: true });
  const [start, ofText] = [batch!.inputIds.indexOf(5), batch!.inputIds.indexOf(1)];
  const labels = [...batch!.labels].map((label, i) => [
    batch!.labelPositions[i],
    label,
    batch!.labelExamples[i],
  ]);
  expect(labels.sort()).toEqual(
    [
      [ofText + 1, 3, 0],
      [start + 1, 90, 1],
      [start + 1, 91, 1],
      [start + 3, 90, 1],
      [start + 3, 91, 1],
    ].sort(),
  );
  expect([text, solution].map(countLabels)).toEqual([1, 4]);
});

test("an example longer than a micro-batch is computed alone", () => {
  const batches = buildMicroBatches(createExamples([90, 20, 20]), { microBatchTokens: 64, packing: false });
  expect(batches.map(({ rows, length }) => [rows, length])).toEqual([
    [1, 64],
    [1, 64],
    [1, 128],
  ]);
});

test("each epoch sees every example once, in an order of its own, and any step can be asked for alone", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 9 }),
      fc.nat(),
      (count, batchSize, seed) => {
        const sampler = createSampler(count, batchSize, seed);
        const steps = Array.from({ length: 2 * sampler.stepsPerEpoch }, (_, step) =>
          sampler.examplesOf(step),
        );
        for (const epoch of [0, 1]) {
          const seen = steps.slice(epoch * sampler.stepsPerEpoch, (epoch + 1) * sampler.stepsPerEpoch).flat();
          expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
        }
        const last = steps.length - 1;
        expect(createSampler(count, batchSize, seed).examplesOf(last)).toEqual(steps[last]);
      },
    ),
  );
});

test("held-out examples are a share or a number of them, disjoint from the rest, and drawn by the seed", () => {
  const { training, heldOut } = splitExamples(40, 0.25, 1);
  expect(heldOut).toHaveLength(10);
  expect([...training, ...heldOut].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
  expect(splitExamples(40, 7, 1).heldOut).toHaveLength(7);
  expect(splitExamples(40, 0.25, 1).heldOut).toEqual(heldOut);
  expect(splitExamples(40, 0.25, 2).heldOut).not.toEqual(heldOut);
});
