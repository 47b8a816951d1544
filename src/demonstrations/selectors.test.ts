import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { noAdapter } from "../core/adapters/adapted-model.ts";
import type { ModelConfig } from "../core/architectures/architecture.ts";
import { createDecoder, extendText } from "../core/engine/decoder.ts";
import { createKeyValues } from "../core/engine/key-values.ts";
import { lookUpRows } from "../core/models/matrix-rows.ts";
import type { LanguageModel, LoglikelihoodRequest } from "../evaluation/language-model.ts";
import { openModel } from "../node/models/open-model.ts";
import { openDevice } from "../node/runtime/onnx-runtime.ts";
import { createBm25 } from "./bm25.ts";
import { greedyMap } from "./dpp.ts";
import { keepVectors } from "./embedding.ts";
import { type LastProjections, project, readLastStates } from "./lms3.ts";
import { chooseMarginal } from "./mmr.ts";
import { selectDemonstrations } from "./select-demonstrations.ts";
import { createDemonstrationSelector } from "./selectors.ts";

interface Golden {
  readonly bm25: {
    readonly texts: readonly string[];
    readonly queries: readonly string[];
    readonly scores: readonly (readonly number[])[];
  };
  readonly dpp: readonly {
    readonly kernel: readonly (readonly number[])[];
    readonly k: number;
    readonly greedy: readonly number[];
    readonly gains: readonly number[];
    readonly bestDeterminant?: number;
  }[];
  readonly lms3: readonly {
    readonly config: ModelConfig;
    readonly projections: Readonly<Record<string, readonly number[] | readonly (readonly number[])[]>>;
    readonly pool: readonly (readonly number[])[];
    readonly tests: readonly (readonly number[])[];
    readonly similarity: readonly (readonly number[])[];
    readonly stability: readonly number[];
    readonly releasedSimilarity?: readonly (readonly number[])[];
  }[];
}

/** Made by reference/demonstrations.py. */
const golden: Golden = JSON.parse(readFileSync("fixtures/demonstrations.json", "utf8"));
const device = openDevice("cpu", { threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), "slimtune-selectors-"));
beforeAll(() => vi.stubEnv("XDG_CACHE_HOME", scratch));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true });
});

test("BM25 scores are those of bm25s", () => {
  const { texts, queries, scores } = golden.bm25;
  const scoresOf = createBm25(texts);
  for (const [i, query] of queries.entries()) {
    for (const [j, score] of scoresOf(query).entries()) expect(score).toBeCloseTo(scores[i]![j]!, 5);
  }
});

/** By elimination, [n, n]. */
function determinant(matrix: readonly (readonly number[])[]): number {
  const rows = matrix.map((row) => [...row]);
  let product = 1;
  for (const [i, row] of rows.entries()) {
    product *= row[i]!;
    for (const below of rows.slice(i + 1)) {
      const factor = below[i]! / row[i]!;
      for (let j = i; j < rows.length; j++) below[j]! -= factor * row[j]!;
    }
  }
  return product;
}

const within = (kernel: readonly (readonly number[])[], places: readonly number[]) =>
  determinant(places.map((i) => places.map((j) => kernel[i]![j]!)));

test.each(golden.dpp)(
  "the greedy set of $k is that by determinants",
  ({ kernel, k, greedy, gains, ...best }) => {
    expect(greedyMap(kernel, k)).toEqual(greedy);
    const reached = gains.reduce((product, gain) => product * gain, 1);
    expect(within(kernel, greedy) / reached - 1).toBeCloseTo(0, 7);
    if (best.bestDeterminant === undefined) return;
    // Çivril and Magdon-Ismail 2009: a greedy volume is the best over k! at least.
    const factorial = Array.from({ length: k }, (_, i) => i + 1).reduce((a, b) => a * b, 1);
    expect(reached).toBeGreaterThanOrEqual(best.bestDeterminant / factorial ** 2);
    expect(reached).toBeLessThanOrEqual(best.bestDeterminant * (1 + 1e-6));
    if (k === 1) expect(reached).toBeCloseTo(best.bestDeterminant, 8);
  },
);

test("of a kernel of low rank the set goes on by the diagonal, and has no element twice", () => {
  const vectors = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 2, maxLength: 2 });
  fc.assert(
    fc.property(fc.array(vectors, { minLength: 6, maxLength: 6 }), (rows) => {
      const kernel = rows.map((a) => rows.map((b) => a[0]! * b[0]! + a[1]! * b[1]!));
      const taken = greedyMap(kernel, 6);
      expect([...taken].sort()).toEqual([0, 1, 2, 3, 4, 5]);
      const rest = taken.slice(2).map((i) => kernel[i]![i]!);
      expect(rest).toEqual([...rest].sort((a, b) => b - a));
    }),
  );
});

test("marginal relevance takes the nearest first, and then what is unlike it", () => {
  // Two alike that are nearest, and one that is farther from the query and from both.
  const similarity = (a: number, b: number) => (a + b === 1 ? 0.99 : 0.1);
  expect(chooseMarginal([0.9, 0.88, 0.4], 3, similarity)).toEqual([0, 2, 1]);
  expect(chooseMarginal([0.9, 0.88, 0.4], 1, similarity)).toEqual([0]);
  // 0.5 * 0.88 - 0.5 * 0.3 = 0.29 against 0.5 * 0.4 - 0.5 * 0.1 = 0.15.
  expect(chooseMarginal([0.9, 0.88, 0.4], 2, (a, b) => (a + b === 1 ? 0.3 : 0.1))).toEqual([0, 1]);
});

test.each(golden.lms3.map((one) => [one.config, one] as const))(
  "LMS3 compares as NumPy does with heads %j",
  async (config, { projections, pool, tests, similarity, stability, releasedSimilarity }) => {
    const parts = Object.fromEntries(
      Object.entries(projections).map(([name, rows]) => [
        name,
        Float32Array.from((rows as number[][]).flat()),
      ]),
    ) as unknown as LastProjections;
    const states = pool.map((row) => Float32Array.from(row));
    const distances = (images: readonly Float32Array[]) =>
      tests.map((h) => images.map((image) => Math.hypot(...h.map((value, i) => value - image[i]!))));
    const expectClose = (ours: readonly number[], theirs: readonly number[]) => {
      for (const [i, value] of ours.entries()) expect(value / theirs[i]! - 1).toBeCloseTo(0, 5);
    };
    const found = await project(device, config, parts, states);
    expectClose(distances(found.images).flat(), similarity.flat());
    expectClose([...found.stability], stability);
    if (!releasedSimilarity) return;
    const released = await project(device, config, parts, states, "released");
    expectClose(distances(released.images).flat(), releasedSimilarity.flat());
    expect(distances(released.images)[0]![0]).not.toBeCloseTo(similarity[0]![0]!, 3);
  },
);

const model = await openModel("fixtures/embedded-model");
const names = ["Tom", "Ann", "Max"];
const pool = names.flatMap((name, i) =>
  ["pens", "plums", "cats"].map((thing, j) => ({
    text: `${name} has ${i + 3} ${thing} and buys ${j + 2} more. How many ${thing} has ${name}?`,
    solution: `${i + 3} + ${j + 2} = ${i + j + 5}\n#### ${i + j + 5}`,
  })),
);
const query = {
  text: "Tom has 3 pens and gets 4 more pens. How many pens has Tom?",
  solution: "3 + 4 = 7\n#### 7",
};

test("the nearest are taken by knn, and not one like the other by mmr and dpp", async () => {
  const by = (name: "knn" | "mmr" | "dpp") => createDemonstrationSelector(name, { model, device });
  // The nearest stands there twice.
  const twice = [pool[0]!, ...pool];
  expect(await selectDemonstrations(twice, query, { by: by("knn"), k: 2 })).toEqual([pool[0], pool[0]]);
  for (const name of ["mmr", "dpp"] as const) {
    const [first, second] = await selectDemonstrations(twice, query, { by: by(name), k: 2 });
    expect(first, name).toBe(pool[0]);
    expect(second, name).not.toBe(pool[0]);
  }
});

test("the state that LMS3 reads is that from which the model's logits follow", async () => {
  const { config, tokenizer, weights } = model;
  const text = pool[4]!.text;
  const ids = tokenizer.encode(text, { addSpecialTokens: true });
  const tokens = [3, 50, 200];
  const rows = await lookUpRows(weights.head, Int32Array.from(tokens));
  const logitsOf = (state: Float32Array) =>
    tokens.map((_, i) => state.reduce((sum, value, j) => sum + value * rows[i * config.hiddenSize + j]!, 0));
  const decoder = createDecoder(device, model, noAdapter);
  const nothing = createKeyValues(config, 1, 0);
  const plain = await extendText(decoder, ids, nothing);
  // The last place of 128 sees the text, and neither itself nor other padding.
  const padded = await decoder.extend(
    {
      rows: 1,
      length: ids.length + 1,
      inputIds: Int32Array.from([...ids, tokenizer.eosTokenId!]),
      positionIds: Int32Array.from([...ids.keys(), 127]),
      branchIds: Int32Array.from([...ids.map(() => 0), -1]),
    },
    nothing,
    Int32Array.of(0),
  );
  for (const [compat, { hidden }, place] of [
    ["paper", plain, ids.length - 1],
    ["released", padded, ids.length],
  ] as const) {
    // With a longer text beside it, which fills it up.
    const [state] = await readLastStates(device, model, [text, `${text} ${text}`], compat);
    const logits = await decoder.logits(hidden, Int32Array.of(place));
    const expected = tokens.map((token) => logits[token]!);
    for (const [i, logit] of logitsOf(state!).entries()) expect(logit, compat).toBeCloseTo(expected[i]!, 3);
  }
  await decoder.release();
});

test("LMS3 rejects what has a good score and is not similar", async () => {
  const choose = async (lambda: number, k = 1) =>
    selectDemonstrations(pool, query, {
      by: createDemonstrationSelector("lms3", { model, device, lms3Lambda: lambda }),
      k,
    });
  expect(await choose(1)).toHaveLength(1);
  expect(await choose(1, 9)).toHaveLength(9);
  const counts = await Promise.all([1, 2, 3, 4, 5].map(async (k) => (await choose(0.01, k)).length));
  expect(counts.some((count, i) => count < i + 1)).toBe(true);
  await expect(choose(0)).rejects.toThrow(
    "0 of the pool cannot count as similar; take a share above 0, up to 1.",
  );
});

test("vectors that were computed are found again, and not those of another text", async () => {
  let computed: string[] = [];
  const width = model.config.hiddenSize;
  const open = (kind: string) =>
    keepVectors(model, kind, async (texts) => {
      computed.push(...texts);
      return texts.map((text) => new Float32Array(width).fill(text.length));
    });
  const texts = Array.from({ length: 300 }, (_, i) => `text ${i}`);
  const first = await open("a")([...texts, "text 7"]);
  expect(computed).toEqual(texts);
  expect(first[300]).toEqual(new Float32Array(width).fill(6));
  computed = [];
  expect(await open("a")([...texts, "text 7"])).toEqual(first);
  expect(computed).toEqual([]);
  // Those of the first file are the same.
  await open("a")([...texts, "another"]);
  expect(computed).toEqual([...texts.slice(256), "another"]);
  computed = [];
  await open("b")(texts.slice(0, 2));
  expect(computed).toEqual(texts.slice(0, 2));
});

test("the likelihood of the answer decides where it is known", async () => {
  const asked: string[] = [];
  const languageModel = {
    ...({} as LanguageModel),
    async loglikelihood(requests: readonly LoglikelihoodRequest[]) {
      asked.push(...requests.map(({ context, continuation }) => context + continuation));
      return requests.map(({ context }) => ({
        logLikelihood: context.startsWith("Q: Max has 5 cats") ? -1 : -2,
        isGreedy: false,
      }));
    },
  };
  const by = createDemonstrationSelector("likelihood", { languageModel });
  expect(await selectDemonstrations(pool, query, { by, k: 2 })).toEqual([pool[8], pool[0]]);
  expect(asked).toHaveLength(pool.length);
  expect(asked).toContain(
    `Q: ${pool[3]!.text}\nA: ${pool[3]!.solution}\n\nQ: ${query.text}\nA: ${query.solution}`,
  );
  await expect(selectDemonstrations(pool, { text: "How many?" }, { by })).rejects.toThrow(
    'The question "How many?" has no answer whose likelihood could be known; give it one, or choose by something else than likelihood.',
  );
});

test("a question that is longer than the context is refused where it is read as a whole", async () => {
  const by = createDemonstrationSelector("lms3", { model, device });
  const long = { text: "How many pens and plums and cats? ".repeat(200) };
  await expect(selectDemonstrations([...pool, long], query, { by })).rejects.toThrow(
    /^The question "How many pens .*" has \d+ tokens, and the model that chooses sees \d+; shorten it, or leave it out\.$/,
  );
});

test("the published code of LMS3 is followed where its shapes allow", async () => {
  const wide = { ...model, config: { ...model.config, headDim: model.config.headDim * 2 } };
  const by = createDemonstrationSelector("lms3", { model: wide, device, lms3Compat: "released" });
  await expect(selectDemonstrations(pool, query, { by })).rejects.toThrow(
    "The published code of LMS3 cannot be followed with this model",
  );
  const released = createDemonstrationSelector("lms3", {
    ...{ model, device, lms3Compat: "released", lms3Lambda: 1 },
  });
  expect(await selectDemonstrations(pool, query, { by: released, k: 3 })).toHaveLength(3);
});
