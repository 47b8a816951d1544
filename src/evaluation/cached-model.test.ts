import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openAnswerLog } from "./answer-log.ts";
import { type CachedModel, cachedModel } from "./cached-model.ts";
import { createHashModel } from "./hash-model.fixture.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-cached-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Works with a model that keeps its answers in the named files, and returns what it was really asked. */
async function withModel(
  files: { log: string; cache?: string },
  work: (model: CachedModel) => Promise<void>,
): Promise<string[]> {
  const asked: string[] = [];
  const log = openAnswerLog(join(scratch, files.log));
  const cache = files.cache === undefined ? undefined : openAnswerLog(join(scratch, files.cache));
  await work(
    cachedModel(
      createHashModel((text) => asked.push(text)),
      { log, ...(cache && { cache }) },
    ),
  );
  log.close();
  cache?.close();
  return asked;
}

const pairs = [
  { context: "A", continuation: " b" },
  { context: "A", continuation: " c" },
  { context: "A", continuation: " b" },
  { context: "A ", continuation: "b" },
];

test("equal requests are asked once, and each place gets its answer", async () => {
  const plain = createHashModel();
  const delivered: number[] = [];
  const asked = await withModel({ log: "twice" }, async (model) => {
    const answers = await model.loglikelihood(pairs, (index) => delivered.push(index));
    expect(answers).toEqual(await plain.loglikelihood(pairs));
    expect(model.requestCounts).toEqual({ asked: 3, found: 0 });
  });
  expect(asked.sort()).toEqual(["A b", "A b", "A c"]);
  expect(delivered.sort()).toEqual([0, 1, 2, 3]);
});

test("what was answered before is found, and each type's answers are its own", async () => {
  const text = { text: "A" };
  const write = { context: "A", options: { until: ["\n", "."], max_gen_toks: 5 } };
  const sameInAnotherOrder = { context: "A", options: { max_gen_toks: 5, until: ["\n", "."] } };
  const longer = { context: "A", options: { until: ["\n", "."], max_gen_toks: 6 } };
  await withModel({ log: "types" }, async (model) => {
    await model.loglikelihoodRolling([text]);
    await model.generateUntil([write]);
    await model.loglikelihood(pairs.slice(0, 1));
  });
  const asked = await withModel({ log: "types" }, async (model) => {
    expect(await model.loglikelihoodRolling([text])).toEqual(
      await createHashModel().loglikelihoodRolling([text]),
    );
    expect(await model.generateUntil([sameInAnotherOrder, longer])).toEqual(
      await createHashModel().generateUntil([write, longer]),
    );
    await model.loglikelihood(pairs.slice(0, 2));
    expect(model.requestCounts).toEqual({ asked: 2, found: 3 });
  });
  expect(asked).toEqual(["A", "A c"]);
});

test("the cache serves other evaluations, but for drawn answers, and what it gives is logged", async () => {
  const greedy = { context: "A", options: { until: [] } };
  const drawn = { context: "A", options: { until: [], do_sample: true } };
  await withModel({ log: "first", cache: "cache" }, async (model) => {
    await model.generateUntil([greedy, drawn]);
  });
  const asked = await withModel({ log: "second", cache: "cache" }, async (model) => {
    await model.generateUntil([greedy, drawn]);
    expect(model.requestCounts).toEqual({ asked: 1, found: 1 });
  });
  expect(asked).toEqual(["A"]);
  expect(
    await withModel({ log: "second" }, async (model) => void (await model.generateUntil([greedy, drawn]))),
  ).toEqual([]);
});

test("a likelihood that is no number ends the evaluation and is not kept", async () => {
  const broken = {
    ...createHashModel(),
    loglikelihoodRolling: async (_: unknown, onResult?: (index: number, result: number) => void) => {
      onResult?.(0, Number.NaN);
      return [Number.NaN];
    },
  };
  const log = openAnswerLog(join(scratch, "broken"));
  await expect(cachedModel(broken, { log }).loglikelihoodRolling([{ text: "A" }])).rejects.toThrow(
    "The model gives NaN as the likelihood of a text",
  );
  log.close();
});
