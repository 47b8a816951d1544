import fc from "fast-check";
import { expect, test } from "vitest";
import { createRandom } from "../random.ts";
import {
  checkLogits,
  type DecodingState,
  likeliest,
  logSumExp,
  type SamplingOptions,
  strategyOf,
} from "./sample.ts";

const logits = Float32Array.of(1, 3, -2, 2.5, 0, 3, -9, 1.5);

const stateOf = (seed: number, seen: readonly number[] = []): DecodingState => ({
  promptIds: seen.slice(0, 2),
  ids: seen.slice(2),
  random: createRandom(seed),
});

/** How often each token is drawn, as shares. */
function drawMany(options: SamplingOptions, seen: readonly number[] = []): number[] {
  const state = stateOf(7, seen);
  const strategy = strategyOf(options);
  const count = 20_000;
  const shares = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < count; i++) shares[strategy(state, logits.slice())]! += 1 / count;
  return shares;
}

/** The softmax over the tokens that `keep` holds. */
function softmaxOf(values: readonly number[], keep: (id: number) => boolean): number[] {
  const weights = values.map((value, id) => (keep(id) ? Math.exp(value) : 0));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

test.each<[SamplingOptions, number[]]>([
  [{ temperature: 1 }, softmaxOf([...logits], () => true)],
  [
    { temperature: 2 },
    softmaxOf(
      [...logits].map((l) => l / 2),
      () => true,
    ),
  ],
  [{ temperature: 1, topK: 3 }, softmaxOf([...logits], (id) => [1, 3, 5].includes(id))],
  // The likeliest two have 0.34 each, the third 0.21: together 0.89.
  [{ temperature: 1, topP: 0.8 }, softmaxOf([...logits], (id) => [1, 3, 5].includes(id))],
  [{ temperature: 1, topP: 0.6 }, softmaxOf([...logits], (id) => [1, 5].includes(id))],
  [{ temperature: 1, minP: 0.2 }, softmaxOf([...logits], (id) => [1, 3, 5, 7].includes(id))],
  [{ temperature: 1, topK: 4, topP: 0.95 }, softmaxOf([...logits], (id) => [1, 3, 5, 7].includes(id))],
])("%j draws from the truncated softmax", (options, expected) => {
  for (const [id, share] of drawMany(options).entries())
    expect(Math.abs(share - expected[id]!)).toBeLessThan(0.015);
});

/** Draws as {@link strategyOf} does, of tokens that are all put in order. */
function drawOfAll(
  logits: Float32Array,
  { topK = logits.length, topP = 1, minP = 0, temperature = 1 }: SamplingOptions,
  seed: number,
): number {
  const best = Math.max(...logits);
  const weights = [...logits].map((logit) => Math.exp((logit - best) / temperature));
  const ordered = weights.toSorted((a, b) => b - a).slice(0, topK);
  const enough = topP * ordered.reduce((sum, weight) => sum + weight, 0);
  let mass = 0;
  const last = ordered.findIndex((weight, i) => {
    mass += weight;
    return mass >= enough || i === ordered.length - 1;
  });
  const least = Math.max(topP < 1 || topK < logits.length ? ordered[last]! : 0, minP);
  const left = weights.map((weight) => (weight >= least ? weight : 0));
  let draw = createRandom(seed).uniform() * left.reduce((sum, weight) => sum + weight, 0);
  return left.findIndex((weight) => {
    draw -= weight;
    return weight > 0 && draw < 0;
  });
}

test("what is drawn is what it would be with the whole vocabulary in order", () => {
  const option = (least: number, most: number) =>
    fc.option(fc.double({ min: least, max: most, noNaN: true }), { nil: undefined });
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -40, max: 40, noNaN: true }), { minLength: 1, maxLength: 300 }),
      fc.option(fc.integer({ min: 1, max: 310 }), { nil: undefined }),
      option(0.05, 0.999),
      option(0, 0.5),
      fc.constantFrom(0.3, 0.7, 1, 4),
      fc.nat(1000),
      (values, topK, topP, minP, temperature, seed) => {
        const given = { topK, topP, minP, temperature };
        const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
        const some = Float32Array.from(values);
        expect(strategyOf(options)(stateOf(seed), some.slice())).toBe(drawOfAll(some, options, seed));
      },
    ),
  );
});

test("a repetition penalty divides positive logits and multiplies negative ones, once per token", () => {
  const penalized = [...logits].map((l, id) => (id === 1 ? l / 1.5 : id === 2 ? l * 1.5 : l));
  const expected = softmaxOf(penalized, () => true);
  const shares = drawMany({ temperature: 1, repetitionPenalty: 1.5 }, [1, 2, 1]);
  for (const [id, share] of shares.entries()) expect(Math.abs(share - expected[id]!)).toBeLessThan(0.015);
  expect(strategyOf({ repetitionPenalty: 1.5 })(stateOf(0, [1]), logits.slice())).toBe(5);
});

test("a temperature of 0 takes the first of the likeliest", () => {
  expect(strategyOf({})(stateOf(0), logits)).toBe(1);
});

test("the likeliest are those of a whole sort", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 45 }),
      (values, count) => {
        const sorted = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
        expect(likeliest(Float32Array.from(values), count)).toEqual(sorted.slice(0, count));
      },
    ),
  );
});

test("logits less their normalizer are log-probabilities, however large they are", () => {
  const large = Float32Array.of(1000, 1001, 998);
  const sum = large.reduce((total, logit) => total + Math.exp(logit - logSumExp(large)), 0);
  expect(sum).toBeCloseTo(1, 10);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  "nothing is chosen where a logit is %d",
  (value) => {
    expect(() => checkLogits(Float32Array.of(1, value, 2))).toThrow(
      "The model's logits are not finite numbers",
    );
  },
);
